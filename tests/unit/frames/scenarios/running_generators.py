"""Generators that run while the stack is captured: something steps into them."""

import contextlib
import itertools
import sys

from scenarios.generators import in_sections
from scenarios.pausing import pause


def squares(n):
    for i in range(n):
        yield pause(i) * i
    return "done"


def do_for_loop_over_a_generator():
    got = []
    for x in squares(3):
        got.append(x)
        pause()
    else:
        got.append(pause("else"))
    return got


def do_next_send_throw_close():
    def work():
        log = []
        while True:
            try:
                log.append((yield pause(len(log))))
            except KeyError as error:
                log.append(pause(repr(error)))
            except GeneratorExit:
                pause("closing")
                return log

    g = work()
    step, back = g.__next__, work()
    got = [next(g), step(), g.send("x"), type(g).send(g, "y"), g.throw(KeyError(1))]
    got += [next(g, "default"), type(g).__next__(g), next(back), back.send(*["z"])]
    got += [g.close(), back.close()]
    got += [next(g, "ended"), next(squares(0), pause("empty"))]
    try:
        next(squares(0))
    except StopIteration as stop:
        got.append(stop.value)
    return got


def do_delegation_while_running():
    def one(n):
        try:
            got = yield pause(n)
        finally:
            pause("finally")
        return got, pause(n)

    def two(n):
        first = yield from one(n)
        second = yield from [pause(first)]
        third = yield from squares(2)
        return first, second, third

    def three():
        return (yield from two(1)), (yield from two(2))

    g, got = three(), []
    try:
        value = None
        while True:
            got.append(g.send(value))
            value = len(got) if len(got) in (1, 5) else None
    except StopIteration as stop:
        return got, stop.value


def do_generator_expressions_while_running():
    total = 0
    for x in (pause(i) + j for i in range(3) if pause(i) != 1 for j in (1, 2)):
        total += x
    got = [x for x in (pause(y) for y in (y + 1 for y in squares(3)))]
    return total, got


def do_contextmanager_that_pauses():
    log = []

    @contextlib.contextmanager
    def section(name):
        log.append(pause(f"+{name}"))
        try:
            yield pause(name)
        except KeyError as error:
            log.append(pause(repr(error)))
        finally:
            log.append(pause(f"-{name}"))

    in_sections(section, log)
    with contextlib.ExitStack() as stack:
        log.append(stack.enter_context(section("d")))
        stack.callback(lambda: log.append(pause("called")))
    try:
        with section("e"):
            raise ValueError("through")
    except ValueError as error:
        log.append(repr(error))
    return log


def do_exceptions_out_of_and_into_generators():
    def fails(n):
        yield pause(n)
        try:
            raise KeyError(n)
        except KeyError:
            yield pause(repr(sys.exc_info()[1]))
            raise ValueError(pause(n)) from None

    def outer(n):
        try:
            yield from fails(n)
        except ValueError as error:
            yield pause(repr(error)), repr(sys.exc_info()[1])
        yield repr(sys.exc_info()[1])

    got = []
    try:
        raise TypeError("outside")
    except TypeError:
        for x in outer(7):
            got.append((x, repr(sys.exc_info()[1])))
        got.append(repr(sys.exc_info()[1]))
    try:
        for x in fails(8):
            got.append(x)
    except ValueError as error:
        got.append((repr(error), repr(error.__context__)))
    return got


def do_handled_in_several_generators():
    def handling(name, inner):
        try:
            raise KeyError(name)
        except KeyError as error:
            for x in inner or [1]:
                seen = repr(sys.exc_info()[1])
                yield pause(x), seen, repr(error)
            try:
                raise
            except KeyError as again:
                yield again is error, pause(repr(sys.exc_info()[1]))

    got = []
    try:
        raise ValueError("base")
    except ValueError:
        for x in handling("outer", handling("inner", None)):
            got.append((x, repr(sys.exc_info()[1])))
    return got, sys.exc_info()[0]


def do_deep_in_generators():
    def tree(n):
        if n:
            yield from tree(n - 1)
            yield pause(n)
            yield from tree(n - 1)

    def filtered(items):
        for x in items:
            if x != 2:
                yield helper(x)

    def helper(x):
        return pause(x) * 10

    return [*map(str, range(2))], sum_of(filtered(tree(3))), list(itertools.islice(squares(0), 2))


def sum_of(items):
    total = 0
    for x in items:
        total += x
        if total > 100:
            break
    return total, next(items, "nothing left")


def do_closed_when_the_loop_ends():
    log = []

    def work():
        try:
            for i in range(9):
                yield pause(i)
        finally:
            log.append("closed")

    def broken_off():
        for x in work():
            if x == 1:
                break
            log.append(x)
        log.append("after the loop")

    broken_off()
    log.append(next(work()))
    return log


def do_method_generators_and_self_reference():
    class Tree:
        def __init__(self, value, *children):
            self.value, self.children = value, children

        def __iter__(self):
            self.running = yield pause(self.value)
            for child in self.children:
                yield from child

    def me():
        yield pause(g is own[0]), g.gi_running
        yield pause(g.__name__)

    g = me()
    own = [g]
    return list_of(Tree(1, Tree(2, Tree(3)), Tree(4))), list_of(g)


def list_of(items):
    return [x for x in items]


class Countdown:
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return self

    def __next__(self):
        self.n -= 1
        if pause(self.n) < 0:
            raise StopIteration("over")
        return self.n

    def send(self, value):
        return pause(value)


def do_delegation_to_an_object():
    def work():
        got = yield from Countdown(2)
        yield "end", got

    g = work()
    return next(g), g.send("sent"), list_of(g)
