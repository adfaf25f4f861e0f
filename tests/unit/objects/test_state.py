"""Roots: state taken from the caller's objects and set on them in place."""

import array
import collections
import dataclasses
import datetime as dt
import enum
import pathlib
import random

import numpy as np
import pytest

from sauerkraut.errors import CaptureError, ResumeError
from sauerkraut.objects import graph, state
from tests.unit.objects import things


class Simulation:
    def __init__(self):
        self.u = np.arange(10.0)
        self.step = 0
        self.me = self


class Slotted:
    __slots__ = ("__private", "a", "b")

    def __init__(self):
        self.a = 1
        self.__private = 2


class SlottedChild(Slotted):
    def __init__(self):
        super().__init__()
        self.c = 3


class WithState:
    def __init__(self, x):
        self.x = x

    def __getstate__(self):
        return {"twice": 2 * self.x}

    def __setstate__(self, given):
        self.x = given["twice"] // 2


class Numbers(list):
    def __init__(self, *args):
        super().__init__(*args)
        self.note = "n"


class Labelled(np.ndarray):
    pass


@dataclasses.dataclass(frozen=True)
class Frozen:
    x: int


def restarted(root, change, values=()):
    """State of ``root`` after the capture, ``change``, and a restart onto it."""
    frozen = graph.freeze([state.state_of(root), *values], anchors={"root": root}, threshold=64)
    change(root)
    thawed = graph.thaw(frozen, anchors={"root": root})
    state.set_state(root, thawed[0])
    return thawed[1:]


def test_instances():
    sim = Simulation()
    u = sim.u

    def change(sim):
        sim.u = None
        sim.step = 5
        sim.extra = 1

    back, again = restarted(sim, change, [u, sim])
    assert again is sim
    assert sim.u is back
    assert sim.me is sim
    assert np.array_equal(sim.u, np.arange(10.0))
    assert vars(sim).keys() == {"u", "step", "me"}


@pytest.mark.parametrize("cls", [Slotted, SlottedChild])
def test_slots(cls):
    obj = cls()

    def change(obj):
        del obj.a
        obj.b = 7
        obj._Slotted__private = 8

    restarted(obj, change)
    assert obj.a == 1
    assert not hasattr(obj, "b")
    assert obj._Slotted__private == 2
    assert getattr(obj, "c", 3) == 3


def test_own_state():
    obj = WithState(4)
    restarted(obj, lambda o: setattr(o, "x", 9))
    assert obj.x == 4


@pytest.mark.parametrize(
    ("root", "change"),
    [
        ([1, [2]], lambda o: o.clear()),
        ({"a": 1, "b": 2}, lambda o: o.pop("a")),
        (collections.OrderedDict(b=1, a=2), lambda o: o.move_to_end("b")),
        (collections.defaultdict(list, a=[1]), lambda o: o["b"].append(1)),
        (collections.Counter("aab"), lambda o: o.update("c")),
        ({1, 2}, lambda o: o.add(3)),
        (bytearray(b"abc"), lambda o: o.extend(b"d")),
        (collections.deque([1, 2], maxlen=5), lambda o: o.append(3)),
        (array.array("d", [1.0]), lambda o: o.append(3)),
        (np.arange(12.0).reshape(3, 4), lambda o: o.fill(0)),
        (np.asfortranarray(np.arange(12.0).reshape(3, 4)), lambda o: o.fill(0)),
        (np.arange(24.0)[::-2], lambda o: o.fill(0)),
        (np.array([1, "a", None], object), lambda o: o.fill(0)),
        (np.array(3.5), lambda o: o.fill(0)),
    ],
    ids=lambda o: type(o).__name__ + str(getattr(o, "strides", "")),
)
def test_containers_by_content(root, change):
    import copy

    before = copy.deepcopy(root)
    restarted(root, change)
    assert list(root) == list(before) if not isinstance(root, np.ndarray) else True
    assert np.array_equal(root, before) if isinstance(root, np.ndarray) else root == before


def test_subclasses_of_containers_keep_their_attributes():
    numbers = Numbers([1, 2])

    def change(n):
        n.append(3)
        n.note = "changed"

    restarted(numbers, change)
    assert numbers == [1, 2]
    assert numbers.note == "n"


def own_methods(base, *given):
    """An instance of a class derived from a container, whose own methods do nothing but fail."""

    def fail(*_):
        raise TypeError("not by this method")

    names = {"append", "extend", "add", "update", "clear", "pop", "copy", "items", "keys"}
    names |= {"__setitem__", "__getitem__", "__iter__", "__bytes__"}
    methods = dict.fromkeys(names & {"__bytes__", *dir(base)}, fail)
    return base.__new__(type("Own", (base,), methods), *given)


@pytest.mark.parametrize(
    ("base", "given", "put"),
    [
        (list, (), list.append),
        (dict, (), lambda o, x: dict.__setitem__(o, x, 1)),
        (collections.OrderedDict, (), lambda o, x: collections.OrderedDict.__setitem__(o, x, 1)),
        (collections.defaultdict, (), lambda o, x: dict.__setitem__(o, x, 1)),
        (collections.Counter, (), lambda o, x: dict.__setitem__(o, x, 1)),
        (set, (), set.add),
        (bytearray, (), bytearray.append),
        (collections.deque, (), collections.deque.append),
        (array.array, ("i",), array.array.append),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_containers_of_a_class_with_methods_of_its_own(base, given, put):
    root = own_methods(base, *given)
    for each in (2, 1):
        put(root, each)
    before = list(base.__iter__(root))
    restarted(root, lambda o: put(o, 3))
    assert list(base.__iter__(root)) == before
    assert len(root) == 2


def test_random_generators():
    for root, draw in [
        (np.random.default_rng(1), lambda r: r.random()),
        (np.random.RandomState(1), lambda r: r.random_sample()),
        (random.Random(1), lambda r: r.random()),
        (np.random.default_rng(1).bit_generator, lambda r: r.random_raw()),
    ]:
        drawn = []
        restarted(root, lambda r, d=draw, into=drawn: into.append(d(r)))
        assert draw(root) == drawn[0]


@pytest.mark.parametrize("threshold", [10, 10**6])
def test_views_of_a_root_look_at_the_callers_memory_again(threshold):
    u = np.zeros((20, 20))
    interior = u[1:-1, 1:-1]
    frozen = graph.freeze([state.state_of(u), interior, u.T], anchors={"u": u}, threshold=threshold)
    fresh = np.ones((20, 20))
    contents, inner, turned = graph.thaw(frozen, anchors={"u": fresh})
    state.set_state(fresh, contents)
    assert not fresh.any()
    inner[...] = 5.0
    assert fresh[1, 1] == 5.0
    assert turned.T.base is fresh or np.shares_memory(turned, fresh)


def test_a_root_is_stored_once():
    u = np.zeros(10_000)
    frozen = graph.freeze([state.state_of(u), u, u[::2]], anchors={"u": u}, threshold=100)
    assert [block.memory.nbytes for block in frozen.blocks] == [80_000]
    assert len(frozen.stream) < 2000


def test_another_shape_is_refused():
    (contents,) = graph.thaw(graph.freeze([state.state_of(np.zeros(3))]))
    with pytest.raises(ResumeError, match=r"float64 \(3,\) was captured, float64 \(4,\) is given"):
        state.set_state(np.zeros(4), contents)
    with pytest.raises(ResumeError, match="list cannot take the state of a captured array"):
        state.set_state([], contents)


def test_what_is_mutable():
    immutable = [
        1, 1.0, "s", b"b", None, (1, [2]), frozenset(), len, things.counter, things, things.Node,
        pathlib.Path("a"), dt.datetime.now(dt.UTC), np.float64(1), np.dtype("f8"),
        enum.Enum("E", "A").A, range(3), object(), things.Node("a").add,
        np.broadcast_to(np.zeros(3), (2, 3)),
    ]  # fmt: skip
    assert not any(map(state.is_mutable, immutable))
    mutable = [[], {}, set(), bytearray(), np.zeros(3), Simulation(), Frozen(1)]
    assert all(map(state.is_mutable, mutable))


def test_what_cannot_be_set_in_place_is_refused(tmp_path):
    with (tmp_path / "f").open("w") as file:
        for root in (file, memoryview(b"a"), iter([1]), (x for x in [])):
            with pytest.raises(CaptureError, match="its state cannot be set in place"):
                state.state_of(root)


def test_frozen_dataclasses():
    root = Frozen(3)
    restarted(root, lambda o: object.__setattr__(o, "x", 4))
    assert root.x == 3
