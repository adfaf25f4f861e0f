"""Names: cells, unbound locals, comprehensions, what sys._getframe and locals() show."""

import runpy
import shutil
import sys
import tempfile
from pathlib import Path

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

    def read():
        return x

    got = [(lambda: x)() + pause(0) for x in range(2)]
    before = x
    x = 7
    return before, read(), got


def do_comprehension_hides_a_cell_by_a_plain_value():
    x = 5

    def read():
        return x

    got = [pause(x) for x in range(2)]
    pause()
    try:
        got += [1 // pause(x) for x in (1, 0)]
    except ZeroDivisionError:
        pause()
        got.append(x + read())
    got.append([[pause(x) for x in range(y)] for y in range(3) for x in (1, 2)])
    x = 7
    return got, read(), x


def do_comprehension_has_a_cell_for_a_plain_value():
    x = 5
    got = [(pause(x), lambda: x) for x in range(2)]
    try:
        raise KeyError(pause(x))
    except KeyError:
        pause()
    return x, [(a, f()) for a, f in got]


def do_unbound_until_checked():
    got = []
    for n in range(3):
        pause()
        if n == 2:
            late = n
        try:
            got.append(late)
            got.append((late, pause(late)))
        except UnboundLocalError:
            got.append("unbound")
    return got


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


PROGRAM = """
total = 0
for step in range(3):
    total += pause(step)
def f(x):
    global total
    total += pause(x)
    return [total + y for y in range(2)]
shown = [f(step) for step in range(2)]
class Local:
    value = 3
    def get(self):
        return pause(self.value)
got = Local().get()
"""


def do_exec():
    space = {"pause": pause, "__name__": "program"}
    before = pause("before"), exec(PROGRAM, space)
    shared = {"pause": pause}
    exec("x = pause(1)\ny = x + pause(2)", shared)
    local = {}
    exec(compile("z = pause(x) + 1", "elsewhere.py", "exec"), shared, local)
    return before, space["shown"], space["got"], space["total"], shared["y"], local


def do_eval():
    x = 4
    got = eval("pause(x) + pause(1)"), eval("[pause(i) for i in range(2)]", {"pause": pause})
    return got, eval("(lambda y: pause(y) + x)(3)", {"pause": pause, "x": x}), x


def do_runpy():
    folder = Path(tempfile.mkdtemp())
    (folder / "paused_program.py").write_text(PROGRAM)
    sys.path.insert(0, str(folder))
    try:
        space = runpy.run_module("paused_program", {"pause": pause}, "program_name")
    finally:
        sys.path[:] = [each for each in sys.path if each != str(folder)]
        shutil.rmtree(folder, ignore_errors=True)
    return space["shown"], space["got"], space["total"], space["__name__"]


counter = 0


def do_global_and_nonlocal_writes():
    global counter
    counter = 0
    seen = []

    def outer():
        n = 0

        def inner():
            nonlocal n
            global counter
            n += pause(1)
            seen.append(n)
            return n

        return inner() + inner(), n

    return outer(), seen


def do_locals_and_class_cell():
    class Base:
        def name(self):
            return pause("base")

    class Derived(Base):
        def name(self):
            x = 1
            pause()
            return super().name(), __class__ is type(self), sorted(locals()), x

    def unbound():
        if pause(False):
            never = 1
        before = sorted(locals())
        pause()
        try:
            return never
        except UnboundLocalError as error:
            return before, type(error).__name__, sorted(locals())

    return Derived().name(), unbound()


def do_locals_kept_in_a_variable():
    """Until CPython 3.12 one dict each time, which exec may put more into; then a new one."""

    def kept(x):
        names = locals()
        x += pause(1)
        again = locals()
        return again is names, sorted(names), names["x"], again["x"]

    def put():
        exec("y = 1\nz = y + pause(2)", {"pause": pause}, locals())
        pause()
        exec("w = 5")
        pause()
        return sorted(locals().items())

    def generator():
        names = locals()
        x = yield 1
        pause()
        yield locals() is names, x, names.get("x")

    made = generator()
    next(made)
    pause()
    return kept(1), put(), made.send(3)


def do_class_made_in_function():
    def make(n):
        class Made:
            size = n

            def get(self):
                return pause(self.size), n

        pause()
        return Made

    return [make(i)().get() for i in range(2)], make(3).__qualname__


def do_walrus_and_nested_comprehensions():
    got = [(y := pause(x), [z := y + pause(w) for w in range(2)]) for x in range(2)]
    table = {k: {pause(v) for v in range(k)} for k in range(3)}
    return got, y, z, table, [[[pause(a + b) for a in range(2)] for b in range(2)] for _ in "x"]
