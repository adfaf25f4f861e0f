"""Names: cells, unbound locals, comprehensions, what sys._getframe and locals() show."""

import sys

from scenarios import pausing
from scenarios.pausing import pause


def do_closures_share_cells():
    x = 0

    def add(n):
        nonlocal x
        x += n
        pause()
        x += 100
        return x

    def read():
        return x

    got = []
    for n in range(3):
        got.append((add(n), read()))
        x -= 1
    return got, x, read()


def do_delete_and_unbound():
    x = 1
    got = []
    for n in range(2):
        if n:
            del x
        pause()
        try:
            got.append(x)
        except UnboundLocalError as error:
            got.append(str(error))
    if got == [1]:
        never = 1
    pause()
    try:
        return never
    except UnboundLocalError:
        return got


def do_comprehensions():
    y = 2
    rows = [[pause(i) * j + y for j in range(3)] for i in range(2)]
    fs = [lambda i=i: (i, y) for i in range(3)]
    caught = [(lambda: x)() + pause(0) for x in range(3)]
    return (
        rows,
        [f() for f in fs],
        {k: [pause(v)] for k, v in zip("ab", [1, 2], strict=True)},
        caught,
    )


def do_comprehension_hides_outer():
    x = "outer"
    got = [pause(x) for x in range(2)]
    pause()
    return got, x


def do_comprehension_hides_a_cell():
    x = 5
    read = lambda: x  # noqa: E731
    got = [(lambda: x)() + pause(0) for x in range(2)]
    before = x
    x = 7
    return before, read(), got


def do_stack_looks_whole():
    def names():
        pause()
        frame, found = sys._getframe(), []
        while frame is not None and frame.f_code is not pausing.base.__code__:
            found.append((frame.f_code.co_name, frame.f_lineno - frame.f_code.co_firstlineno))
            frame = frame.f_back
        return found, frame is not None

    def middle():
        x = 1
        return names(), x, sorted(locals())

    return middle()
