"""Branches, with and try statements, handled exceptions."""

import contextlib
import sys
import traceback

from scenarios.pausing import pause


def do_while_else_break():
    n, got = 0, []
    while n < 5:
        n += 1
        if pause(n) == 4:
            break
        got.append(n)
    else:
        got.append("else")
    for i in range(3):
        if i == 1:
            pause()
            continue
        got.append(i)
    else:
        got.append(pause("done"))
    return got


class Account:
    def __init__(self, start):
        self.amount = start


def do_match():
    got = []
    for subject in [1, "a", [1, 2, 3], {"k": 5, "z": 6}, Account(3), None]:
        match subject:
            case int(n) if pause(n) > 0:
                got.append(("int", n))
            case str():
                got.append(pause("str"))
            case [first, *rest]:
                got.append((first, pause(rest)))
            case {"k": value, **others}:
                got.append((value, pause(others)))
            case Account(amount=amount):
                got.append(pause(amount))
            case _:
                got.append(pause("other"))
    return got


class Manager:
    def __init__(self, name, log, swallow=False):
        self.name, self.log, self.swallow = name, log, swallow

    def __enter__(self):
        self.log.append(f"+{self.name}")
        return self

    def __exit__(self, cls, error, tb):
        self.log.append(f"-{self.name} {cls.__name__ if cls else None}")
        if cls is None:
            pause()
        return self.swallow


def do_with():
    log = []
    with Manager("a", log) as a, Manager("b", log, swallow=True):
        pause()
        log.append(a.name)
        for i in range(2):
            with Manager(f"c{i}", log):
                log.append(pause(i))
        raise ValueError(pause("swallowed"))
    pause()
    return log


def do_with_stack():
    log = []
    with contextlib.ExitStack() as stack:
        stack.enter_context(Manager("x", log))
        pause()
        stack.enter_context(Manager("y", log))
        stack.callback(log.append, "callback")
    with contextlib.suppress(KeyError):
        pause()
        raise KeyError
    return log


def do_try_except_finally():
    log = []
    for kind in (None, ValueError, KeyError):
        try:
            try:
                pause()
                if kind:
                    raise kind("x")
            except ValueError as error:
                log.append((repr(pause(error)), sys.exc_info()[0].__name__))
            else:
                log.append(pause("else"))
            finally:
                log.append(("finally", pause(1)))
        except KeyError:
            log.append(repr(sys.exc_info()[1]))
            pause()
            log.append(repr(sys.exc_info()[1]))
    return log, sys.exc_info()


def do_bare_raise():
    log = []

    def again():
        try:
            raise ValueError("first")
        except ValueError:
            try:
                raise KeyError("second")
            except KeyError:
                pause()
                log.append(repr(sys.exc_info()[1]))
            log.append(repr(sys.exc_info()[1]))
            pause()
            raise

    try:
        again()
    except ValueError as error:
        log.append((repr(error), repr(error.__context__)))
    return log


def do_context_chain():
    try:
        try:
            raise ValueError("inner")
        except ValueError as inner:
            pause()
            raise TypeError("outer") from inner
    except TypeError as outer:
        pause()
        return repr(outer.__cause__), repr(outer.__context__), outer.__suppress_context__


def do_raise_after():
    def fail(n):
        pause()
        if n == 0:
            raise RuntimeError("deep")
        fail(n - 1)

    try:
        fail(3)
    except RuntimeError:
        names = [frame.name for frame in traceback.extract_tb(sys.exc_info()[2])]
        lines = [frame.line for frame in traceback.extract_tb(sys.exc_info()[2])]
        return names, lines


def do_return_in_finally_and_loop():
    log = []

    def f():
        for i in range(3):
            try:
                if i == 1:
                    return pause(i)
            finally:
                log.append(pause(("f", i)))
        return None

    return f(), log


def do_exception_group():
    got = []
    try:
        raise ExceptionGroup("g", [ValueError(1), KeyError(2), TypeError(3)])
    except* ValueError as group:
        got.append([repr(e) for e in pause(group).exceptions])
    except* (KeyError, TypeError) as group:
        pause()
        got.append([repr(e) for e in group.exceptions])
    return got


def chain(error):
    found = []
    while error is not None:
        found.append(repr(error))
        error = error.__context__
    return found


def do_handlers_in_handlers():
    log = []

    def inner():
        try:
            raise KeyError("inner")
        except KeyError:
            pause()
            log.append(repr(sys.exc_info()[1]))
            try:
                raise IndexError("deeper")
            except IndexError as error:
                pause()
                log.append((chain(error), repr(sys.exception())))
                raise TypeError(pause("last")) from None

    try:
        try:
            raise ValueError("outer")
        except ValueError:
            try:
                inner()
            finally:
                pause()
                log.append(repr(sys.exception()))
    except TypeError as error:
        pause()
        log.append((chain(error), error.__suppress_context__))
        try:
            raise
        except TypeError as again:
            log.append((again is error, pause(len(chain(again)))))
    return log, sys.exc_info()


def do_nested_exception_groups():
    log = []
    try:
        try:
            raise ExceptionGroup(
                "g", [ValueError(1), ExceptionGroup("h", [KeyError(2), OSError(3)])]
            )
        except* KeyError as group:
            pause()
            log.append((repr(group), repr(sys.exception())))
            raise RuntimeError(pause("from a clause")) from group
        except* ValueError as group:
            for error in pause(group).exceptions:
                with contextlib.suppress(IndexError):
                    pause()
                    raise IndexError
                log.append((repr(error), repr(sys.exception())))
    except ExceptionGroup as group:
        pause()
        log.append([repr(each) for each in group.exceptions])
    return log


class Passes:
    def __init__(self, log):
        self.log = log

    def __call__(self, *args, **kw):
        return self.log.append(pause((args, sorted(kw.items())))) or self

    def __getitem__(self, key):
        return pause(self)


def do_calls_in_statements():
    log = []
    p = Passes(log)
    first, *rest = p(1)(2, *[3], k=4)[5](**{"z": 6}), *map(str, [pause(7)])
    assert p(8) is p, p("never")
    total = 0
    total += [p(9), 10][1] if p(11) else 0
    for _ in p(12).log[: pause(1)]:
        del p(13).log[pause(0)]
    (lambda *a, **k: p(*a, **k))(14, x=p(15) and 16)
    try:
        raise pause(ValueError)(p(17) and "raised")
    except pause(ValueError) as error:
        log.append(str(error))
    return len(log), log[0], first is p, rest, total
