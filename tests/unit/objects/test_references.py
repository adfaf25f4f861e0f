"""Weak references and locks."""

import gc
import threading
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


def test_locks_held_by_this_thread_come_back_held():
    lock, free, again = threading.Lock(), threading.Lock(), threading.RLock()
    with lock, again, again:
        held, open_, recursive, same = round_trip(lock, free, again, lock)
    assert held.locked()
    assert same is held
    assert not open_.locked()
    recursive.release()
    assert recursive._is_owned()
    recursive.release()
    assert not recursive._is_owned()


def test_conditions_events_and_queues():
    import queue

    event, condition, waiting = threading.Event(), threading.Condition(), queue.Queue()
    event.set()
    waiting.put("item")
    event2, condition2, waiting2 = round_trip(event, condition, waiting)
    assert event2.is_set()
    with condition2:
        condition2.notify_all()
    assert waiting2.get(timeout=1) == "item"


def test_locks_of_other_threads_are_refused():
    lock, recursive = threading.Lock(), threading.RLock()
    ready, done = threading.Event(), threading.Event()

    def hold():
        with lock, recursive:
            ready.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert ready.wait(30)
        for held in (lock, recursive, thread):
            with pytest.raises(CaptureError, match="cannot be captured; "):
                round_trip(held)
    finally:
        done.set()
        thread.join()


def test_thread_locals_and_the_main_thread():
    local = threading.local()
    local.x = [1]
    back, main = round_trip(local, threading.main_thread())
    assert back.x == [1]
    assert main is threading.main_thread()
