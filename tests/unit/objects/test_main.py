"""What a script defines, in a program that never saw the script."""

import pytest

from tests.processes import run_python

WRITES = """
import abc, collections, dataclasses, enum, functools, math, sys, typing
import sauerkraut as skt

SCALE = 2.5
T = typing.TypeVar("T", bound="Pair")
P = typing.ParamSpec("P")
Ts = typing.TypeVarTuple("Ts")
Number = typing.NewType("Number", int)

class Meta(type):
    def __call__(cls, *args):
        made = super().__call__(*args)
        made.tagged = cls.TAG
        return made

class Base(abc.ABC):
    TAG = "tag"
    @abc.abstractmethod
    def area(self): ...
    def describe(self):
        return f"{type(self).__name__} {self.area():.2f}"

class Circle(Base):
    __slots__ = ("r",)
    def __init__(self, r):
        super().__init__()
        self.r = r
    def area(self):
        return math.pi * self.square
    @property
    def square(self):
        return self.r ** 2
    @classmethod
    def unit(cls):
        return cls(1)
    @staticmethod
    def sides():
        return 0

class Tagged(metaclass=Meta):
    TAG = "tagged"

@dataclasses.dataclass(order=True)
class Point:
    x: int
    y: list = dataclasses.field(default_factory=list)

class Colour(enum.Enum):
    RED = 1
    GREEN = 2
    def shout(self):
        return self.name + "!"

class Pair(typing.NamedTuple):
    a: int
    b: int = 2

class Box(typing.Generic[T]):
    def __init__(self, held: T):
        self.held = held

def hints(f: typing.Callable[P, T], n: Number, *rest: typing.Unpack[Ts]) -> T:
    return [each for each in (T, P, Ts, Number)]

def helper(x, *, times=2):
    return scaled(x) * times

def scaled(x):
    return x * SCALE

@functools.lru_cache
def cached(x):
    return deepest(helper(x))

def simulate(n):
    circle, tagged, point = Circle(2), Tagged(), Point(1, [2])
    colour, pair, function = Colour.GREEN, Pair(1), helper
    box, told = Box[Pair](pair), hints
    method, made = circle.describe, Circle.unit
    rows = []
    for i in range(n):
        if i == 1:
            snapshot = skt.capture(code=CODE)
            if snapshot:
                open(sys.argv[1], "wb").write(snapshot.to_bytes())
        rows.append(function(i))
    return repr((rows, method(), made().area(), tagged.tagged, point, point < Point(2),
                 colour.shout(), colour is Colour(2), pair, pair._replace(a=5), circle.sides(),
                 isinstance(circle, Base), type(circle).__mro__[1].__name__,
                 box.held is pair, Box.__parameters__ == (T,), told(None, 1),
                 told.__annotations__["n"] is Number, T.__bound__, later(n)))

def deepest(x):
    return x + 1

def later(n):
    return [cached(i) + Point(i).x for i in range(n)]

print(skt.call(simulate, 3))
"""

READS = """
import sys
import sauerkraut as skt
{first}
print(skt.Snapshot.from_bytes(open(sys.argv[1], "rb").read()).resume())
print(sorted(set(globals()) & {{"Circle", "Point", "later", "SCALE"}}))
"""


def run(source, *arguments):
    done = run_python("-", *arguments, input=source, check=False)
    return done.stdout.splitlines(), done.stderr


def test_another_program_finds_all_that_code_names(tmp_path):
    (here,), _ = run(WRITES.replace("CODE", "'embed'"), tmp_path / "s")
    lines, error = run(READS.format(first=""), tmp_path / "s")
    assert lines == [here, "['Circle', 'Point', 'SCALE', 'later']"], error


def test_values_come_along_but_not_what_frames_name(tmp_path):
    run(WRITES.replace("CODE", "'auto'"), tmp_path / "s")
    lines, error = run(READS.format(first=""), tmp_path / "s")
    assert lines == []
    assert "name 'Point' is not defined" in error  # asked for by the frame, after all others


def test_the_programs_own_definitions_win(tmp_path):
    source = WRITES.replace("CODE", "'embed'")
    (here,), _ = run(source, tmp_path / "s")
    definitions = source[: source.index("print(")]
    same = definitions + "\nlater = lambda n: 'its own'\nCircle.mark = 1"
    lines, error = run(READS.format(first=same), tmp_path / "s")
    assert lines, error
    assert lines[0] == here.replace(here[here.rindex("[") : here.rindex("]") + 1], "'its own'")
    again = definitions.replace("r ** 2", "r ** 3").replace("def scaled(x):", "def scaled(x, y=1):")
    lines, error = run(READS.format(first=again), tmp_path / "s")
    assert lines[0] == here, error  # another Circle is not the captured one


@pytest.mark.parametrize("code", ["auto", "embed"])
def test_a_class_that_cannot_be_carried_goes_by_name(tmp_path, code):
    source = f"""
import sys, threading
import sauerkraut as skt

class Held:
    ready = threading.Thread(target=print)
    def __init__(self):
        self.x = 3

def f(held):
    snapshot = skt.capture(code={code!r})
    if snapshot:
        open(sys.argv[1], "wb").write(snapshot.to_bytes())
    return held.x, isinstance(held, Held)
"""
    lines, error = run(source + "print(skt.call(f, Held()))", tmp_path / "s")
    assert lines == ["(3, True)"], error
    assert "captured by name" in error
    assert (
        "its class __main__.Held -> attribute 'ready': threading.Thread cannot be captured" in error
    )
    lines, error = run(READS.format(first=source), tmp_path / "s")
    assert lines[0] == "(3, True)", error
    lines, error = run(READS.format(first=""), tmp_path / "s")
    assert "ResumeError" in error
    assert "Held" in error.splitlines()[-1]


BODY = """
import math, sys
import sauerkraut as skt

items, total = [1, 2, 3], 0

class Point:
    n = 4

def scaled(x):
    return x * 2 + len(items)

point = Point()
for step in items:
    total += scaled(step)
    if step == 2:
        snapshot = skt.capture(base=sys._getframe(), code="embed", globals="auto")
        if snapshot:
            open(sys.argv[1], "wb").write(snapshot.to_bytes())
            snapshot = None
print(total, step, point.n, math.floor(2.5))
"""


def test_the_body_of_a_script_goes_on_in_another_program(tmp_path):
    lines, error = run(BODY, tmp_path / "s")
    assert lines == ["21 3 4 2"], error
    lines, error = run(READS.format(first="total = 99"), tmp_path / "s")
    assert lines == ["21 3 4 2", "None", "['Point']"], error


KEEPS_INSTANCES = """
import sys
import sauerkraut as skt

class Unit:
    known = []
    def __new__(cls, name):
        return super().__new__(cls)
    def __init__(self, name):
        self.name = name
        Unit.known.append(self)
    def __getnewargs__(self):
        return (self.name,)

def simulate():
    unit = Unit("m")
    if snapshot := skt.capture():
        open(sys.argv[1], "wb").write(snapshot.to_bytes())
        return snapshot.resume()
    return unit.name

print(skt.call(simulate))
"""


def test_a_class_that_keeps_instances_with_arguments_of_their_own(tmp_path):
    """In a program that defines it they come back; elsewhere it has no methods yet: see limits."""
    script, snapshot = tmp_path / "units.py", tmp_path / "snapshot"
    script.write_text(KEEPS_INSTANCES)
    assert run_python(script, snapshot).stdout == "m\n"
    program = "import sys, sauerkraut as skt; skt.Snapshot.from_bytes(open({!r}, 'rb').read())"
    with pytest.raises(AssertionError, match=r"ResumeError: .*Unit\(\) takes no arguments"):
        run_python("-c", f"{program.format(str(snapshot))}.resume()")
