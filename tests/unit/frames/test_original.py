"""A captured stack can be ended where it is, and none of its handlers runs."""

import gc
import sys
import weakref

import pytest

import sauerkraut as skt
from sauerkraut.frames.capture import call, capture_stack
from sauerkraut.frames.original import Original

greenlet = pytest.importorskip("greenlet", reason="pip install greenlet")
ran = []


class Finalized:
    """Tells when it is, in a handler of its own."""

    def __del__(self):
        try:
            {}[self]
        except KeyError:
            ran.append("finalized")


def leave():
    original = Original()
    snapshot = capture_stack(sys._getframe(1), arrays="borrow", original=original)
    return greenlet.getcurrent().parent.switch((snapshot.to_bytes(), original))


def suspended():
    held = Finalized()
    try:
        yield from delegated(held)
    finally:
        ran.append("generator")


def delegated(held):
    try:
        for number in range(3):
            yield number, held
    finally:
        ran.append("delegated")


def active():
    try:
        yield leave()
    finally:
        ran.append("active")


class Manager:
    def __enter__(self):
        return self

    def __exit__(self, *error):
        ran.append("exit")


def task(numbers):
    held = Finalized()
    numbers = numbers if numbers is not None else suspended()
    next(numbers)
    with Manager():
        try:
            for got in active():
                got = got, held is not None
        except BaseException:
            ran.append("except")
            raise
        finally:
            ran.append("finally")
    return got[0], next(numbers)[0]


def ended(numbers=None):
    """A snapshot of `task`, whose original has ended."""
    running = greenlet.greenlet(lambda: call(task, numbers))
    data, original = running.switch()
    original.end(lambda: running.throw(greenlet.GreenletExit))
    assert running.dead
    original.end(lambda: pytest.fail("it has ended"))
    return data


@pytest.fixture(autouse=True)
def forget():
    ran.clear()
    yield
    ran.clear()


def test_no_handler_runs_and_objects_are_finalized():
    data = ended()
    assert ran == ["finalized", "finalized"]
    ran.clear()
    assert skt.Snapshot.from_bytes(data).resume("here") == ("here", 1)
    assert ran[:3] == ["active", "finally", "exit"]


def test_its_code_has_its_handlers_again():
    ended()
    ran.clear()
    running = greenlet.greenlet(lambda: call(task, None))
    running.switch()
    running.throw(greenlet.GreenletExit)
    assert ran[:4] == ["active", "except", "finally", "exit"]
    assert {"generator", "delegated"} <= set(ran)


def test_a_generator_that_others_hold_lives():
    numbers = suspended()
    ended(numbers)
    assert ran == ["finalized"]
    assert next(numbers)[0] == 1
    numbers.close()
    assert ran[1:3] == ["delegated", "generator"]


def test_one_that_is_let_go_of_goes_on():
    running = greenlet.greenlet(lambda: call(task, None))
    _, original = running.switch()
    original.forget()
    original.end(lambda: pytest.fail("it goes on"))
    assert running.switch("on") == ("on", 1)


def test_under_tracing():
    seen = []
    sys.settrace(lambda frame, event, argument: seen.append(event))
    try:
        ended()
    finally:
        sys.settrace(None)
    assert ran == ["finalized", "finalized"]
    assert seen


def test_nothing_is_left():
    class Mark:
        pass

    def holds():
        mark = Mark()
        marks.append(weakref.ref(mark))
        leave()
        return mark

    marks = []
    for _ in range(3):
        running = greenlet.greenlet(lambda: call(holds))
        _, original = running.switch()
        original.end(lambda running=running: running.throw(greenlet.GreenletExit))
    gc.collect()
    assert [mark() for mark in marks] == [None] * 3
