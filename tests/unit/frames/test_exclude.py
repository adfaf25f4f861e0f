"""Locals that are left out of a capture, of frames and of the generators they lead to."""

import pytest

import sauerkraut as skt
from sauerkraut import CaptureError, Snapshot


def again(snapshot, *args, **kwargs):
    """Through bytes, as another process would."""
    return Snapshot.from_bytes(snapshot.to_bytes()).resume(*args, **kwargs)


class Unpicklable:
    def __reduce_ex__(self, protocol):
        raise TypeError("never")


def holds(kept, exclude=()):
    sock = Unpicklable()
    snapshot = skt.capture(exclude=exclude)
    if snapshot:
        kept.append(snapshot)
        return sock
    return sock


def test_what_cannot_be_captured_is_named():
    with pytest.raises(CaptureError, match=r"holds\(\).*local 'sock'.*Unpicklable"):
        skt.call(holds, [])


def test_what_locals_returned_is_left_out_with_its_name():
    def program():
        held = Unpicklable()
        names = locals()
        snapshot = skt.capture(exclude=["held", "names"], base=program)
        return snapshot or (sorted(locals()), held is skt.EXCLUDED, names is skt.EXCLUDED)

    assert program().resume() == (["held", "names", "program", "snapshot"], True, True)


def test_excluded_locals_come_back_as_excluded_and_say_so():
    kept = []
    skt.call(holds, kept, ("sock",))
    back = again(kept[0])
    assert back is skt.EXCLUDED
    assert kept[0].frames[0].excluded == ("sock",)
    sock = back
    with pytest.raises(NameError, match="'sock' was excluded"):
        sock.send()
    with pytest.raises(NameError, match="excluded"):
        bool(sock)
    assert again(kept[0], replace={"sock": 5}) == 5


def test_an_unknown_excluded_name_is_an_error():
    with pytest.raises(KeyError, match="nope"):
        skt.call(holds, [], ("sock", "nope"))


def numbers(connection):
    for number in range(5):
        yield number, connection is skt.EXCLUDED


def doubled(source):
    for number, gone in source:
        yield 2 * number, gone


async def waits(connection):
    return connection is skt.EXCLUDED


def leads_to_generators(kept, exclude):
    fresh, begun = numbers(Unpicklable()), doubled(numbers(Unpicklable()))
    next(begun)
    coroutine = waits(Unpicklable())
    try:
        if snapshot := skt.capture(exclude=exclude):
            kept.append(snapshot)
            return None
        with pytest.raises(StopIteration) as ended:
            coroutine.send(None)
        return [*fresh, *begun], ended.value.value
    finally:
        coroutine.close()


EXPECTED = [(n, True) for n in range(5)] + [(2 * n, True) for n in range(1, 5)], True


@pytest.mark.parametrize(
    "exclude", [["connection"], {"numbers": ["connection"], "waits": {"connection"}}]
)
def test_locals_of_generators_are_left_out(exclude):
    kept = []
    skt.call(leads_to_generators, kept, exclude)
    assert again(kept[0]) == EXPECTED
    assert again(kept[0]) == EXPECTED


def test_locals_of_a_generator_in_the_stack_are_left_out():
    def work():
        return next(steps(Unpicklable()))

    def steps(connection):
        snapshot = skt.capture(base=work, exclude=["connection"])
        yield snapshot or connection

    snapshot = work()
    assert [each.excluded for each in snapshot.frames] == [(), ("connection",)]
    assert again(snapshot) is skt.EXCLUDED


def test_what_is_left_out_of_one_generator_is_captured_in_another():
    with pytest.raises(CaptureError, match=r"waits\(\), a generator -> local 'connection'"):
        skt.call(leads_to_generators, [], {"numbers": ["connection"]})


def test_an_unknown_name_is_told_beside_those_of_generators():
    with pytest.raises(KeyError, match=r"\['nope'\]; they have .*'connection'.*'number'"):
        skt.call(leads_to_generators, [], ["connection", "nope"])


def test_a_variable_that_frames_share_stays_one():
    def work():
        shared = Unpicklable()

        def inner():
            snapshot = skt.capture(base=work, exclude=["shared", "inner"])
            return snapshot or shared

        def numbers():
            yield shared
            yield shared

        held = numbers()
        next(held)
        del numbers
        got = inner()
        return got if isinstance(got, Snapshot) else (got, shared, next(held))

    assert again(work(), replace={"shared": 5}) == (5, 5, 5)


def test_what_the_compiler_names_stays():
    def work():
        pairs = ((i, j) for i in range(3) for j in range(2))
        next(pairs)
        snapshot = skt.capture(base=work, exclude=["i", ".0"])
        return snapshot or list(pairs)

    (excluded, j), *rest = again(work())
    assert excluded is skt.EXCLUDED
    assert [(0, j), *rest] == [(i, j) for i in range(3) for j in range(2)][1:]
