"""Generators that cannot be captured are refused by name; the others cost nobody anything."""

import asyncio
import contextlib
import gc
import sys
import weakref

import pytest

import sauerkraut as skt
from sauerkraut import CaptureError, ResumeError


def generate():
    yield skt.capture()


def in_list():
    return list(generate())


def in_enumerate():
    got = []
    for pair in enumerate(generate()):
        got += pair
    return got


def in_sum():
    return sum(1 for _ in generate())


def in_unpacking():
    return [*generate()]


def delegated_throw():
    def inner():
        try:
            yield 1
        except KeyError:
            yield skt.capture()

    def outer():
        yield from inner()

    g = outer()
    next(g)
    return g.throw(KeyError)


def in_asyncio():
    async def main():
        await asyncio.sleep(0)
        skt.capture()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("program", "told"),
    [
        (in_list, r"generate\(\) at .* by type list, called in in_list\(\)"),
        (
            in_enumerate,
            r"generate\(\) at .* an operation that runs in C, called in in_enumerate\(\)",
        ),
        (in_sum, r"genexpr.* by builtin_function_or_method sum, called in in_sum\(\)"),
        (in_unpacking, r"generate\(\) at .* called in in_unpacking\(\)"),
        (delegated_throw, r"inner\(\) at .* called in delegated_throw.<locals>.outer\(\)"),
        (in_asyncio, r"main\(\) at .* by builtin_function_or_method Context.run"),
    ],
)
def test_what_c_code_does_with_a_generator_is_refused_by_name(program, told):
    with pytest.raises(CaptureError, match=told):
        skt.call(program)


def test_the_outermost_frame_cannot_be_a_generator():
    def work():
        yield skt.capture(base=work)

    with pytest.raises(CaptureError, match=r"work\(\) at .* capture from further out"):
        next(work())


def test_a_generator_that_runs_further_out_is_refused_by_name():
    def inner():
        held = [outer]
        skt.capture(base=inner)
        return held

    def work():
        yield inner()

    outer = work()
    with pytest.raises(CaptureError, match=r"local 'held' -> item 0: .*work\(\) at .* is running"):
        next(outer)


def test_what_a_generator_holds_and_cannot_be_captured_is_named():
    def work():
        view = {"of": iter(memoryview(b"x"))}
        yield view

    def hold():
        g = work()
        next(g)
        skt.capture(base=hold)

    with pytest.raises(CaptureError, match=r"work\(\), a generator -> local 'view' -> item 'of'"):
        hold()


def held(log):
    def work():
        try:
            yield 1
        finally:
            log.append("closed")

    g = work()
    next(g)
    snapshot = skt.capture(base=held, exclude=["log"])
    return snapshot, g


def test_a_snapshot_keeps_no_generator_and_a_refused_one_closes_none():
    log = []
    snapshot, g = held(log)
    ref = weakref.ref(g)
    del g
    gc.collect()
    assert ref() is None
    assert log == ["closed"]

    thawed = snapshot.thaw()  # and then given up: no code of the program may run
    thawed.check()
    del thawed
    gc.collect()
    with pytest.raises(ResumeError):
        skt.Snapshot.of_parts(snapshot.control, snapshot.objects[:-9], ()).thaw()
    assert log == ["closed"]

    resumed, again = snapshot.resume(replace={"log": log})
    assert not resumed
    assert again.gi_running is False
    again.close()


def test_round_trips_leave_nothing_behind():
    def work(n):
        total = 0
        for i in range(n):
            total += i
            yield total

    def program():
        g = work(5)
        for x in g:
            if x == 1 and (snapshot := skt.capture(base=program)):
                return snapshot
        return x

    snapshot = skt.call(program)
    snapshot.resume()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(200):
        assert snapshot.resume() == 10
    gc.collect()
    assert abs(len(gc.get_objects()) - before) < 20


async def async_numbers():
    yield skt.capture()


def in_anext_with_a_default():
    async def use():
        return await anext(async_numbers(), None)

    use().send(None)


def test_anext_with_a_default_is_refused_by_name():
    with pytest.raises(CaptureError, match=r"async_numbers\(\) at .* called in .*use\(\)"):
        skt.call(in_anext_with_a_default)


def test_an_async_generator_of_an_event_loop_is_refused_by_name():
    async def one():
        yield 1

    def program():
        held = one()
        with contextlib.suppress(StopIteration):
            held.asend(None).send(None)
        skt.capture()
        return held

    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(finalizer=lambda _: None)
    try:
        with pytest.raises(CaptureError, match=r"one\(\) at .* belongs to an event loop"):
            skt.call(program)
    finally:
        sys.set_asyncgen_hooks(*hooks)


def test_an_athrow_that_nobody_awaits_yet_is_refused_by_name():
    def program():
        g = async_numbers()
        held = g.athrow(KeyError)
        try:
            skt.capture()
        finally:
            with contextlib.suppress(KeyError):
                held.send(None)

    with pytest.raises(CaptureError, match=r"local 'held'.*await it before the checkpoint"):
        skt.call(program)
