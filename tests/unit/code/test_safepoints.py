"""Safepoints are compiled into statements; the program sees nothing of them."""

import importlib
import sys
import textwrap
import traceback

import pytest

from sauerkraut.code import safepoints
from sauerkraut.code.safepoints import Finder, Safepoint, Source, Wanted
from sauerkraut.errors import SafepointError

PROGRAM = textwrap.dedent(
    '''\
    """What it does."""
    from __future__ import annotations

    seen = []


    def outer(n):
        """More of it."""
        for i in range(n):
            if i == 0:
                seen.append("first")
            elif i == 1:
                seen.append("second")
            else:
                seen.append(i); seen.append(-i)

        def inner():
            return n

        return inner()


    class Body:
        mass = 1

        @property
        def weight(self):
            return self.mass * 2

        async def later(self):
            return self


    while len(seen) < 1:
        outer(3)
    '''
)


@pytest.fixture(autouse=True)
def called():
    """How often a safepoint was met, and on which line."""
    lines = []
    safepoints.bind(lambda: lines.append(sys._getframe(1).f_lineno))
    yield lines
    safepoints.bind(lambda: None)


def source():
    return Source(PROGRAM.encode(), "program.py")


def line_of(text):
    return PROGRAM.splitlines().index(text) + 1


def run(*places):
    program = source()
    for each in places:
        program.add(program.find(Wanted.parse(each)))
    namespace = {"__name__": "program"}
    exec(program.compiled(), namespace)
    return namespace


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("    for i in range(n):", 1),
        ("        if i == 0:", 3),
        ('            seen.append("first")', 1),
        ("        elif i == 1:", 2),
        ("            seen.append(i); seen.append(-i)", 1),
        ("        return n", 1),
        ("    outer(3)", 1),
    ],
)
def test_a_line_is_a_safepoint_and_nothing_else_changes(called, text, times):
    line = line_of(text)
    namespace = run(f"program.py:{line}")

    assert called == [line] * times
    assert namespace["seen"] == ["first", "second", 2, -2]
    assert namespace.keys() == run().keys()


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("        else:", "seen.append(i); seen.append(-i)"),
        ("", "seen = []"),
        ('"""What it does."""', "seen = []"),
        ("from __future__ import annotations", "seen = []"),
        ("    mass = 1", "return self.mass * 2"),
        ("    @property", "return self.mass * 2"),
    ],
)
def test_a_line_where_no_statement_starts_names_the_nearest(text, nearest):
    line = line_of(text)
    with pytest.raises(
        SafepointError, match=f"program.py:{line}: no statement starts there"
    ) as met:
        source().find(Wanted.parse(f"program.py:{line}"))
    near = int(str(met.value).rpartition(":")[2])
    assert PROGRAM.splitlines()[near - 1].strip() == nearest


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("def outer(n):", "    for i in range(n):"),
        ("    def inner():", "        return n"),
        ("    async def later(self):", "        return self"),
        ("class Body:", None),
    ],
)
def test_a_line_that_only_defines_names_what_runs_inside(text, inside):
    with pytest.raises(SafepointError, match="is only defined there") as met:
        source().find(Wanted.parse(f"program.py:{line_of(text)}"))
    if inside is None:
        assert str(met.value).endswith("name a statement that runs")
    else:
        assert str(met.value).endswith(f"inside of it: --at program.py:{line_of(inside)}")


def test_a_function_on_one_line_is_named_by_its_name():
    program = Source(b"class A:\n    def step(self): self.i += 1\n", "program.py")
    with pytest.raises(SafepointError, match=r"--at program\.py:A\.step$"):
        program.find(Wanted.parse("program.py:2"))
    assert program.find(Wanted.parse("program.py:A.step")).source == "def step(self): self.i += 1"


def test_a_definition_that_an_epoch_was_taken_at_stays_a_safepoint():
    line = line_of("    def inner():")
    wanted = f"program.py:{line}"
    then = Safepoint(wanted, "outer", 8, "def inner():", line)
    assert source().find(Wanted.parse(wanted), [then]).place == then.place


def test_a_line_beyond_the_end():
    with pytest.raises(SafepointError, match=r"the nearest is program.py:\d+"):
        source().find(Wanted.parse("program.py:1000"))


@pytest.mark.parametrize("place", ["program", "program.py", ":3", "program.py:", ""])
def test_no_place(place):
    with pytest.raises(SafepointError, match="FILE:LINE or module:function"):
        Wanted.parse(place)


@pytest.mark.parametrize(
    ("function", "text"),
    [
        ("outer", "    for i in range(n):"),
        ("outer.<locals>.inner", "        return n"),
        ("Body.weight", "        return self.mass * 2"),
        ("Body.later", "        return self"),
    ],
)
@pytest.mark.parametrize("place", ["program", "program.py"])
def test_a_function_begins_behind_its_docstring(place, function, text):
    point = source().find(Wanted.parse(f"{place}:{function}"))
    assert (point.function, point.line) == (function, line_of(text))


def test_a_function_that_is_not_there_names_those_that_are():
    with pytest.raises(SafepointError, match=r"it has outer, outer\.<locals>\.inner, Body\.weight"):
        source().find(Wanted.parse("program:nothing"))


def test_names_of_functions_are_those_of_cpython():
    def names(code):
        for each in code.co_consts:
            if isinstance(each, type(code)):
                yield each.co_qualname
                yield from names(each)

    told = {function for function, *_ in source()._statements() if function}
    assert told <= set(names(source().compiled()))


def test_a_statement_stays_the_same_when_lines_move():
    line = line_of('            seen.append("first")')
    wanted = Wanted.parse(f"program.py:{line}")
    then = source().find(wanted)
    moved = Source(b"# one more line\n" + PROGRAM.encode(), "program.py")

    again = moved.find(wanted, [Safepoint.of_record(then.record())])

    assert (again.line, again.function) == (then.line + 1, "outer")


def test_a_statement_that_is_gone():
    wanted = Wanted.parse("program:outer")
    then = source().find(wanted)
    changed = Source(PROGRAM.replace("range(n)", "range(n, 0)").encode(), "program.py")
    with pytest.raises(SafepointError, match="no longer has the statement 'for i in range"):
        changed.find(wanted, [then])


def test_tracebacks_show_the_program(called):
    program = Source(b"def f(x):\n    return 1 / x\n\n\nf(0)\n", "program.py")
    program.add(program.find(Wanted.parse("program.py:2")))
    with pytest.raises(ZeroDivisionError) as met:
        exec(program.compiled(), {})
    assert [each.lineno for each in traceback.extract_tb(met.value.__traceback__)][1:] == [5, 2]
    assert called == [2]


def test_a_module_is_loaded_with_its_safepoints(called, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "with_safepoint.py").write_text("def f():\n    return 1\n")
    (tmp_path / "without_one.py").write_text("")

    def compiled(name, text, path):
        made = Source(text, path)
        made.add(made.find(Wanted.parse("with_safepoint:f")))
        return made.compiled()

    finder = Finder(lambda name, path: name == "with_safepoint", compiled)
    finder.install()
    try:
        module = importlib.import_module("with_safepoint")
        importlib.import_module("without_one")
    finally:
        sys.meta_path.remove(finder)

    assert module.f() == 1
    assert called == [2]
    assert not list(tmp_path.glob("__pycache__/with_safepoint*"))


def test_loops_are_where_to_poll():
    assert [(function, line) for function, line, _ in source().loops()] == [
        ("outer", line_of("        if i == 0:")),
        ("", line_of("    outer(3)")),
    ]
