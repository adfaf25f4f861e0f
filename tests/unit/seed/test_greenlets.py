"""Suspended greenlets: their whole stacks, copied from outside and run in new ones."""

import functools
import sys

import greenlet
import numpy as np
import pytest

import sauerkraut as skt
from tests.unit.seed.threads import held_elsewhere


def away(value=None):
    return greenlet.getcurrent().parent.switch(value)


def begun(function, *args):
    started = greenlet.greenlet(function)
    started.switch(*args)
    return started


def in_greenlet(data, **options):
    frame = skt.deserialize_frame(data) if isinstance(data, bytes) else data
    return greenlet.greenlet(functools.partial(skt.run_frame, **options)).switch(frame)


def adds(c):
    a = np.array([1, 2, 3])
    greenlet.getcurrent().parent.switch()
    a += 1
    greenlet.getcurrent().parent.switch(a)
    return int(a.sum()) + c


def test_a_restored_greenlet_may_switch_out_again():
    started = begun(adds, 13)
    data = skt.copy_frame_from_greenlet(started, serialize=True)
    for _ in range(3):
        again = greenlet.greenlet(skt.run_frame)
        assert again.switch(skt.deserialize_frame(data)).tolist() == [2, 3, 4]
        assert again.switch() == 22
        assert again.dead
    assert started.switch().tolist() == [2, 3, 4]


def test_a_greenlet_can_be_copied_each_time_it_is_away():
    started = begun(adds, 13)
    first = skt.copy_frame_from_greenlet(started)
    started.switch()
    second = skt.copy_frame_from_greenlet(started)
    assert in_greenlet(first).tolist() == [2, 3, 4]
    assert in_greenlet(second) == 22
    assert in_greenlet(skt.serialize_frame(second)) == 22
    assert started.switch() == 22


def sums(c):
    a, b = 1, 2
    greenlet.getcurrent().parent.switch()
    return a + b + c


def test_locals_are_replaced_and_left_out():
    started = begun(sums, 13)
    for replaced, expected in (({"a": 9}, 24), ({"b": 35}, 49), ({"a": 9, "b": 35, "c": 100}, 144)):
        data = skt.copy_frame_from_greenlet(started, serialize=True)
        assert skt.run_frame(skt.deserialize_frame(data), replace_locals=replaced) == expected
    data = skt.copy_frame_from_greenlet(started, {"a"}, 500, True, True, True)
    with pytest.raises(TypeError):
        skt.deserialize_frame(data, run=True)
    assert skt.deserialize_frame(data, {"a": 9}, run=True) == 24
    data = skt.copy_frame_from_greenlet(
        started, serialize=True, exclude_locals=["c", "b"], exclude_immutables=True
    )
    assert skt.run_frame(skt.deserialize_frame(data), {"c": 100, "b": 35}) == 136


def test_resume_greenlet_runs_it_in_a_new_greenlet():
    started = begun(sums, 10)
    frame = skt.copy_frame_from_greenlet(started)
    assert skt.resume_greenlet(frame) == 13
    assert skt.resume_greenlet(frame, value=3) == 13


def test_the_pending_switch_returns_the_value():
    def job():
        got = away()
        return got, away("more")

    frame = skt.copy_frame_from_greenlet(begun(job))
    again = greenlet.greenlet(functools.partial(skt.run_frame, frame, value="hello"))
    assert again.switch() == "more"
    assert again.switch(7) == ("hello", 7)
    again = greenlet.greenlet(functools.partial(skt.run_frame, frame))
    again.switch()
    assert again.switch(7) == (None, 7)


def recurse(n):
    x = [n]
    if n == 0:
        away()
        return 0
    return recurse(n - 1) + x[0]


def test_the_whole_stack_comes_back():
    started = begun(recurse, 60)
    data = skt.copy_frame_from_greenlet(started, serialize=True)
    assert len(skt.deserialize_frame(data).frames) == 62
    assert in_greenlet(data) == sum(range(61))
    top = skt.copy_frame_from_greenlet(started, stack=False)
    assert [each.function for each in top.frames] == ["away"]
    part = skt.copy_frame_from_greenlet(started, base=recurse)
    assert [each.function for each in part.frames] == ["recurse", "away"]
    assert in_greenlet(part) == 0


class Built:
    def __init__(self, n, *, scale=1):
        self.n = n
        away()
        self.value = n * scale


class Derived(Built):
    def __init__(self, n):
        got = super().__init__(n, scale=2)
        self.got = got

    def again(self):
        Built.__init__(self, 5)
        return self.value


class Handed(Built):
    def __init__(self, n):
        return super().__init__(n, scale=3)


def builds():
    found = []
    for _ in range(20):  # often enough for CPython to inline the calls
        one = Built(3, scale=2)
        other = Derived(4)
        third = Handed(2)
        found.append((one.value, other.value, other.got, type(third).__name__, third.value))
        found.append(other.again())
    return found


def test_objects_that_were_being_made_come_back_from_each_place():
    expected = None
    started = greenlet.greenlet(builds)
    started.switch()
    frames = []
    while not started.dead:
        frames.append(skt.copy_frame_from_greenlet(started, exclude_dead_locals=False))
        result = started.switch()
        if started.dead:
            expected = result
    assert len(frames) == 80
    for frame in frames[::7]:
        again = greenlet.greenlet(skt.run_frame)
        got = again.switch(frame)
        while not again.dead:
            got = again.switch()
        assert got == expected


def cleans_up():
    seen = []
    try:
        try:
            raise KeyError("first")
        finally:
            away()
            seen.append(repr(sys.exception()))
            try:
                raise ValueError("second")
            finally:
                away()
                seen.append(repr(sys.exception()))
    except ValueError as error:
        return repr(error), repr(error.__context__), seen


def test_the_exception_that_a_greenlet_handles():
    started = begun(cleans_up)
    frames = [skt.copy_frame_from_greenlet(started)]
    started.switch()
    frames.append(skt.copy_frame_from_greenlet(started))
    expected = started.switch()
    assert expected[:2] == ("ValueError('second')", "KeyError('first')")
    for frame in frames:
        again = greenlet.greenlet(skt.run_frame)
        got = again.switch(frame)
        while not again.dead:
            got = again.switch()
        assert got == expected


def test_an_exception_that_only_the_greenlet_knows():
    def job():
        try:
            raise KeyError("first")  # noqa: TRY301
        except KeyError:
            away()
            raise

    started = begun(job)
    with pytest.raises(skt.CaptureError, match=r"except block of .*job"):
        skt.copy_frame_from_greenlet(started)
    with pytest.raises(KeyError):
        started.switch()


def test_a_greenlet_that_was_restored_is_copied_again():
    started = begun(recurse, 3)
    for _ in range(5):
        frame = skt.copy_frame_from_greenlet(started, exclude_dead_locals=False)
        assert len(frame.frames) == 5
        holder = []

        def rerun(frame=frame, holder=holder):
            holder.append(skt.run_frame(frame, throw=None, value=None))

        # Run it up to its next switch: a stack that waits inside of a resumed one.
        started = greenlet.greenlet(functools.partial(twice, frame))
        assert started.switch() == "away again"
        assert [each.function for each in skt.copy_frame_from_greenlet(started).frames] == ["twice"]
        started = begun(recurse, 3)


def twice(frame):
    result = skt.run_frame(frame)
    greenlet.getcurrent().parent.switch("away again")
    return result


def switching(n):
    total = 0
    for i in range(n):
        total += away(i) or 0
    return total


def calling(n):
    return [switching(n), "done"]


def test_five_generations_of_a_greenlet():
    started = begun(calling, 6)
    for generation in range(5):
        frame = skt.copy_frame_from_greenlet(started)
        assert [each.function for each in frame.frames] == ["calling", "switching", "away"]
        started = greenlet.greenlet(functools.partial(skt.run_frame, frame, value=1))
        assert started.switch() == generation + 1
    assert started.switch(1) == [6, "done"]


def test_greenlets_that_end_in_another_order_than_they_began():
    def job(n):
        return ("outer", inner(n))

    def inner(n):
        for i in range(3):
            away((n, i))
        return n

    frames = [skt.copy_frame_from_greenlet(begun(job, n)) for n in range(4)]
    running = [greenlet.greenlet(functools.partial(skt.run_frame, each)) for each in frames]
    for i in (1, 2):
        assert [each.switch() for each in running] == [(n, i) for n in range(4)]
    copies = [skt.copy_frame_from_greenlet(each) for each in running]
    assert [each.switch() for each in running] == [("outer", n) for n in range(4)]
    assert [in_greenlet(each) for each in copies] == [("outer", n) for n in range(4)]


def test_greenlets_that_cannot_be_copied():
    with pytest.raises(ValueError, match="not started"):
        skt.copy_frame_from_greenlet(greenlet.greenlet(sums))
    done = begun(sums, 1)
    done.switch()
    with pytest.raises(ValueError, match="dead"):
        skt.copy_frame_from_greenlet(done)
    with pytest.raises(ValueError, match="running"):
        skt.copy_frame_from_greenlet(greenlet.getcurrent())
    with (
        held_elsewhere(lambda: begun(sums, 1), greenlet.greenlet.throw) as other,
        pytest.raises(ValueError, match="another thread"),
    ):
        skt.copy_frame_from_greenlet(other)


def test_a_switch_from_inside_c_code_is_refused_by_name():
    def job():
        return list(map(greenlet.getcurrent().parent.switch, [1, 2]))

    def through_python():
        return sorted([2, 1], key=away)

    for each in (job, through_python):
        started = begun(each)
        with pytest.raises(skt.CaptureError, match="C"):
            skt.copy_frame_from_greenlet(started)
        started.throw()


def test_the_parent_of_a_greenlet_can_be_copied():
    found = []

    def child():
        main = greenlet.getcurrent().parent
        found.append(skt.copy_frame_from_greenlet(main, base=asks, exclude_dead_locals=False))
        return 5

    def asks():
        x = 10
        return x + greenlet.greenlet(child).switch()

    assert asks() == 15
    assert skt.run_frame(found[0], value=7) == 17
