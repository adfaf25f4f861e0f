"""Weak references and weak containers."""

import gc
import weakref

import pytest

from sauerkraut.errors import CaptureError
from sauerkraut.objects import graph
from tests.unit.objects.crossing import round_trip
from tests.unit.objects.things import Node


def test_weak_references_to_what_is_captured_anyway():
    node = Node("a")
    node.parent = weakref.ref(node)
    reference, back, proxy = round_trip(weakref.ref(node), node, weakref.proxy(node))
    assert reference() is back
    assert back.parent is reference
    assert proxy.name == "a"


def test_weak_references_to_nothing_else():
    node = Node("a")
    frozen = graph.freeze([weakref.ref(node), weakref.proxy(node)])
    assert frozen.dead == (f"{Node.__module__}.Node",) * 2
    reference, proxy = graph.thaw(frozen)
    gc.collect()
    assert reference() is None
    with pytest.raises(ReferenceError):
        _ = proxy.name


def test_already_dead_references():
    reference = weakref.ref(Node("a"))
    gc.collect()
    assert round_trip(reference)[0]() is None


def test_callbacks():
    node, gone = Node("a"), []
    back, reference, called = round_trip(node, weakref.ref(node, gone.append), gone)
    del back
    gc.collect()
    assert called == [reference]


def test_references_of_classes_of_ones_own():
    class Named(weakref.ref):
        __slots__ = ("name",)

        def __new__(cls, target, callback, name):
            return super().__new__(cls, target, callback)

        def __init__(self, target, callback, name):
            super().__init__(target, callback)
            self.name = name

    node, gone = Node("a"), []
    named, lost = Named(node, gone.append, "n"), Named(Node("b"), None, "lost")
    named2, lost2, back, called, cls = round_trip(named, lost, node, gone, Named)
    assert type(named2) is type(lost2) is cls
    assert named2() is back
    assert (named2.name, lost2.name, lost2()) == ("n", "lost", None)
    del back
    gc.collect()
    assert called == [named2]


def test_references_of_classes_derived_from_those_of_weakref():
    class Method(weakref.WeakMethod):
        pass

    with pytest.raises(CaptureError, match="Method cannot be captured; keep one of the class of"):
        graph.freeze([Method(Node("a").add)])


def test_weak_containers():
    kept, lost = Node("kept"), Node("lost")
    values = weakref.WeakValueDictionary(kept=kept, lost=lost)
    keys = weakref.WeakKeyDictionary({kept: 1, lost: 2})
    group = weakref.WeakSet([kept, lost])
    values2, keys2, group2, back = round_trip(values, keys, group, kept)
    gc.collect()
    assert dict(values2) == {"kept": back}
    assert dict(keys2) == {back: 1}
    assert list(group2) == [back]


def test_weak_methods():
    node = Node("a")
    reference, back = round_trip(weakref.WeakMethod(node.add), node)
    assert reference().__self__ is back


def test_weak_containers_of_what_holds_them():
    class Registry:
        def __init__(self):
            self.all = weakref.WeakSet([self])
            self.by_name = weakref.WeakValueDictionary(me=self)
            self.notes = weakref.WeakKeyDictionary({self: [self]})

    registry = Registry()
    (back,) = round_trip(registry)
    assert list(back.all) == [back]
    assert back.by_name["me"] is back
    assert back.notes[back] == [back]
    del registry, back
    gc.collect()


def test_weak_containers_forget_after_a_restart():
    node = Node("a")
    values, keys, group, back = round_trip(
        weakref.WeakValueDictionary(a=node),
        weakref.WeakKeyDictionary({node: 1}),
        weakref.WeakSet([node]),
        node,
    )
    del back
    gc.collect()
    assert (len(values), len(keys), len(group)) == (0, 0, 0)
