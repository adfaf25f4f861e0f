"""One graph: identity, cycles and aliasing come back, in this process and in another."""

import collections
import logging
import sys

import numpy as np
import pytest

from sauerkraut.errors import CaptureError, ResumeError
from sauerkraut.objects import freezing, graph, passes
from tests.unit.objects import things
from tests.unit.objects.crossing import round_trip


def test_containers_keep_identity_and_cycles():
    shared = [1]
    cycle = {"shared": shared}
    cycle["self"] = cycle
    deque = collections.deque([shared])
    deque.append(deque)
    a, b, c = round_trip(cycle, deque, (shared, shared))

    assert a["self"] is a
    assert a["shared"] is b[0] is c[0] is c[1]
    assert b[1] is b


def test_module_globals_go_by_name():
    (back, in_list) = round_trip(vars(things), [vars(things)])
    assert back is vars(things)
    assert in_list[0] is vars(things)
    assert round_trip(things)[0] is things


def test_anchors_are_found_by_identity():
    root, data, text = [1, 2], {"a": 1}, object()
    frozen = graph.freeze(
        [[root, data], {"k": text, "r": [root]}],
        anchors={"root": root, "data": data, "text": text},
    )
    here = {"root": [], "data": {}, "text": "T"}
    a, b = graph.thaw(frozen, anchors=here)
    assert a[0] is here["root"] is b["r"][0]
    assert a[1] is here["data"]
    assert b["k"] == "T"
    with pytest.raises(ResumeError, match="'root'"):
        graph.thaw(frozen)


def test_sentinels_go_by_name():
    sentinel, missing, own = round_trip(things.MISSING, things.Node.NOTHING, (o := object()))
    assert sentinel is things.MISSING
    assert missing is things.Node.NOTHING
    assert type(own) is object
    assert own is not o


def test_module_level_random_generator_stays_the_one():
    import random

    bound, generator, private = round_trip(random.random, random._inst, random.Random(3))
    assert bound.__self__ is random._inst
    assert generator is random._inst
    assert private.random() == random.Random(3).random()


def test_registered_reducers(monkeypatch):
    monkeypatch.setattr(freezing, "_user_by_type", {})
    monkeypatch.setattr(freezing, "_user_by_subclass", {})
    freezing.register_reducer(things.Node, lambda node: (things.Node, (node.name + "!",)))
    assert round_trip(things.Node("a"))[0].name == "a!"

    class Derived(things.Node):
        pass

    assert round_trip(Derived("a"))[0].name == "a"
    freezing.register_reducer(things.Node, lambda n: (things.Node, ("sub",)), by="subclass")
    assert round_trip(Derived("a"))[0].name == "sub"
    assert round_trip(things.Node("a"))[0].name == "a!"
    with pytest.raises(ValueError, match="by='x'"):
        freezing.register_reducer(things.Node, repr, by="x")
    with pytest.raises(TypeError):
        freezing.register_reducer(dict, repr)


def test_dill_takes_the_whole_graph_when_the_pickler_cannot(caplog, monkeypatch):
    monkeypatch.setattr(passes, "_warned", set())
    array = np.arange(10.0)
    increment, read = things.counter(1)
    odd = dict.__dict__["fromkeys"]  # a classmethod_descriptor
    root = [1]
    with caplog.at_level(logging.WARNING, "sauerkraut"):
        frozen = graph.freeze(
            [odd, array, array[::2], increment, read, [root]], anchors={"root": root}, threshold=10
        )
        graph.freeze([odd])
    (told,) = caplog.records
    assert "classmethod_descriptor" in told.message
    assert len(frozen.blocks) == 1
    back = graph.thaw(frozen, anchors={"root": root})
    assert back[0].__get__(None, dict)("ab") == {"a": None, "b": None}
    assert np.shares_memory(back[1], back[2])
    back[3]()
    assert back[4]() == 2
    assert back[5][0] is root


def test_a_deep_stack_leaves_room_for_deep_objects():
    nested = []
    for _ in range(200):
        nested = [nested]

    def deep(n):
        return graph.freeze([nested]) if n == 0 else deep(n - 1)

    import inspect

    room = sys.getrecursionlimit() - len(inspect.stack()) - 60
    assert deep(room).stream


def test_released_blocks_refuse_use():
    frozen = graph.freeze([np.zeros(1000)], arrays="borrow", threshold=100)
    with frozen:
        assert len(frozen.blocks) == 1
    for use in (lambda: frozen.blocks, lambda: frozen.stream, lambda: graph.thaw(frozen)):
        with pytest.raises(CaptureError, match="released"):
            use()


def test_damaged_streams_are_resume_errors():
    stream = graph.freeze([{"a": 1}]).stream
    for damaged in (b"", stream[:5], stream[:-9], stream[:-1] + b"\xff", b"x" + stream[1:]):
        with pytest.raises(ResumeError):
            graph.thaw((damaged, []))


def test_missing_blocks_are_resume_errors():
    frozen = graph.freeze([np.zeros(1000)], threshold=100)
    with pytest.raises(ResumeError, match="1 blocks"):
        graph.thaw((frozen.stream, []))
    with pytest.raises(ResumeError, match="7 bytes"):
        graph.thaw((frozen.stream, [bytearray(7)]))


def test_numpy_is_not_imported_for_programs_without_it():
    script = (
        "import sys\nfrom sauerkraut.objects import graph\n"
        "graph.thaw(graph.freeze([{'a': [1]}, bytearray(3)]))\nassert 'numpy' not in sys.modules"
    )
    import subprocess

    subprocess.run([sys.executable, "-c", script], check=True, timeout=60, stdin=subprocess.DEVNULL)


def test_instances_whose_class_forwards_attributes():
    for cls in (things.Forwarding, things.SlottedForwarding):
        (back,) = round_trip(cls([1, 2]))
        assert type(back) is cls
        assert back.count(2) == 1


def test_kinds_that_pickle_takes_and_cannot_bring_back():
    import random

    system, floats, ints = round_trip(random.SystemRandom(), np.finfo("f4"), np.iinfo("i2"))
    assert 0 <= system.random() < 1
    assert floats.eps == np.finfo("f4").eps
    assert ints.max == 32767
