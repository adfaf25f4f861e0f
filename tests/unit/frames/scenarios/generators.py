"""Generators that stand still while the stack is captured, wherever something holds them."""

import contextlib
import itertools
import sys
import weakref

from scenarios.pausing import pause


def count(n, log=None):
    log = [] if log is None else log
    try:
        for i in range(n):
            got = yield i * i
            if got is not None:
                log.append(got)
    finally:
        log.append("closed")
    return log


def do_held_in_a_local():
    g = count(5)
    first = next(g)
    pause()
    rest = list(g)
    return first, rest, next(g, "ended")


class Holder:
    def __init__(self):
        self.g = count(4)


def do_held_in_attribute_container_and_cell():
    holder, cell = Holder(), count(3)
    boxes = {"a": [count(3)], "b": (count(4), [1])}

    def inner():
        return next(cell)

    got = [next(holder.g), next(boxes["a"][0]), inner()]
    pause()
    got += [*holder.g, *boxes["a"][0], *boxes["b"][0], inner()]
    return got, [*cell]


def do_fresh_and_ended():
    def with_cells(a, /, b, *rest, k=3, **kw):
        yield lambda: (a, b, rest, k, kw)
        yield a

    fresh, ended, closed = with_cells(1, 2, 3, z=4), count(1), count(3)
    never = count(2)
    assert list(ended) == [0]
    next(closed)
    closed.close()
    pause()
    make, a = fresh
    return make(), a, list(ended), list(closed), ended.__qualname__, closed.gi_frame, list(never)


def do_delegating_three_deep():
    def one(n):
        try:
            got = yield n
        except KeyError as error:
            got = ("caught", error.args)
        return got, (yield n + 1)

    def two(n):
        return ("two", (yield from one(n)), (yield from one(n + 10)))

    def three(n):
        result = yield from two(n)
        yield ("three", result)

    g = three(1)
    got = [next(g)]
    while True:
        pause()
        try:
            if len(got) == 1:
                got.append(g.send("sent"))
            elif len(got) == 3:
                got.append(g.throw(KeyError(7)))
            else:
                got.append(next(g))
        except StopIteration as stop:
            return got, stop.value


def do_send_throw_and_close_afterwards():
    log = []
    sent, thrown, closed = count(5, log), count(5, log), count(5, log)
    for g in (sent, thrown, closed):
        next(g)
    pause()
    got = [sent.send("x"), pause(1), sent.send("y")]
    try:
        thrown.throw(ValueError("z"))
    except ValueError as error:
        got.append(str(error))
    closed.close()
    return got, log, closed.gi_frame


def do_live_loops_try_and_with_inside():
    class Manager:
        def __init__(self, log):
            self.log = log

        def __enter__(self):
            self.log.append("in")
            return self

        def __exit__(self, *error):
            self.log.append(("out", error[0] and error[0].__name__))
            return True

    def work(log):
        for i, x in enumerate({"a": 1, "b": 2}.items()):
            with Manager(log):
                try:
                    for part in zip(x, itertools.count(i), strict=False):
                        yield list(part)
                finally:
                    log.append(i)
                yield sum(x * 2 for x in [i, (yield "sum"), 3])
        raise KeyError("end")

    log = []
    g = work(log)
    got = []
    try:
        for part in g:
            got.append(part)
            pause()
            if part == "sum":
                got.append(g.send(len(got)))
    except KeyError as error:
        got.append(error.args)
    return got, log


def do_handling_an_exception_inside():
    def work():
        try:
            raise KeyError("inside")
        except KeyError:
            yield repr(sys.exc_info()[1])
            try:
                raise ValueError("second")
            except ValueError as error:
                yield repr(error.__context__)
                yield repr(sys.exc_info()[1])
            yield repr(sys.exc_info()[1])
            raise

    g = work()
    got = []
    try:
        raise TypeError("outside")
    except TypeError:
        for _ in range(4):
            got.append(next(g))
            pause()
            got.append(repr(sys.exc_info()[1]))
        try:
            next(g)
        except KeyError as error:
            got.append((repr(error), repr(error.__context__)))
    return got


def do_generator_expressions():
    outer = 10
    plain = (x * y + outer for x in range(3) if x != 1 for y in (1, 2))
    nested = ([x + y for y in range(x)] for x in itertools.count(1))
    got = [next(plain), next(nested)]
    outer = 20
    pause()
    got += [next(plain), next(nested)]
    pause()
    return got, list(plain), next(nested), sum(x for x in (pause(3), 4))


def in_sections(section, log):
    with section("a") as a, section("b") as b:
        pause()
        with section("c"):
            log.append(pause("body"))
            raise KeyError(3)
        log.append(pause(a + b))


def do_contextmanager_in_a_with():
    log = []

    @contextlib.contextmanager
    def section(name):
        log.append(f"+{name}")
        try:
            yield name
        except KeyError as error:
            log.append(repr(error))
        finally:
            log.append(f"-{name}")

    in_sections(section, log)
    return log


def do_exit_stack():
    log = []

    @contextlib.contextmanager
    def section(name):
        log.append(f"+{name}")
        yield name
        log.append(f"-{name}")

    with contextlib.ExitStack() as stack:
        for name in "abc":
            log.append(stack.enter_context(section(name)))
            stack.callback(log.append, name * 2)
            pause()
        kept = stack.pop_all()
    pause()
    kept.close()
    return log


def do_cycles():
    def by_closure():
        yield 1
        yield g is me
        yield 2

    g = me = by_closure()

    class Node:
        pass

    node = Node()

    def by_attribute(node):
        yield 1
        yield node.g is second

    node.g = second = by_attribute(node)
    pair = []

    def by_another(other):
        yield len(pair)
        yield other is pair[1], pair[0] is first

    first, other = by_another(None), None
    pair = [first, other]
    next(g), next(second), next(first)
    pause()
    return next(g), next(second), next(first), next(g)


def do_one_held_twice_and_a_cell_shared_by_two():
    total = 0

    def add(n):
        nonlocal total
        while True:
            total += n
            yield total

    one, two = add(1), add(100)
    same = [one, {"again": one}]
    got = [next(one), next(two)]
    pause()
    total += 1000
    got += [next(one), next(two), next(same[1]["again"]), next(same[0])]
    return got, total, same[0] is one, same[0] is same[1]["again"]


def do_names_and_weak_references():
    def inner():
        yield from count(3)

    g = inner()
    g.__name__, g.__qualname__ = "renamed", "entirely.renamed"
    next(g)
    ref, gone = weakref.ref(g), weakref.ref(count(1))
    pause()
    same = ref() is g
    told = g.__name__, g.__qualname__, g.gi_yieldfrom.__name__, g.gi_code.co_name, g.gi_running
    frame = g.gi_frame
    at = frame.f_lineno - frame.f_code.co_firstlineno, sorted(frame.f_locals)
    del frame
    g = None
    return same, gone(), told, at, ref()


def do_closed_when_let_go_of():
    log = []

    def hold():
        g = count(3, log)
        next(g)
        pause()
        log.append("held")
        g = None
        log.append("let go of")
        return g

    hold()
    return log


def do_under_construction():
    def work(more):
        got = [1, *range(2), (yield "list")], {1: 2, **more, 5: (yield "dict")}
        yield got, f"{(yield 'text')!r} {1 + (yield 'sum')}"

    g = work({3: 4})
    got = [next(g)]
    for i in range(4):
        pause()
        got.append(g.send(i))
    return got


def do_long_generator_expression():
    # fmt: off
    squares = (
        x * x + x * x + x * x + x * x + x * x + x * x + x * x + x * x + x * x + x * x +
        x * x + x * x + x * x + x * x + x * x + x * x + x * x + x * x + x * x + x * x +
        x * x + x * x + x * x + x * x + x * x + x * x + x * x + x * x + x * x + x * x +
        x * x + x * x + x * x + x * x + x * x + x * x + x * x + x * x + x * x + x * x +
        x * x + x * x + x * x + x * x + x * x + x * x + x * x + x * x + x * x + x * x +
        x * x + x * x + x * x + x * x + x * x + x * x + x * x + x * x + x * x + x * x +
        x for x in range(3)
    )
    # fmt: on
    pause()
    return list_of(squares)


def list_of(items):
    return [x for x in items]
