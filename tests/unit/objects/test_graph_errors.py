"""What cannot be captured is told: where it is, and why."""

import functools
import gc
import itertools
import types

import pytest

from sauerkraut.errors import CaptureError
from sauerkraut.objects import graph
from tests.unit.objects import things
from tests.unit.objects.crossing import round_trip


class Unpicklable:
    def __reduce_ex__(self, protocol):
        raise TypeError("cannot pickle 'Unpicklable' object")


def test_errors_name_the_variable():
    node = things.Node("a")
    node.children.append({"conn": Unpicklable()})
    with pytest.raises(CaptureError) as raised:
        graph.freeze([1, node], names=lambda i: f"simulate() -> local {'xy'[i]!r}")
    assert str(raised.value) == (
        "simulate() -> local 'y' -> attribute 'children' -> item 0 -> item 'conn': "
        f"{__name__}.Unpicklable cannot be captured; exclude it or register a reducer "
        "(cannot pickle 'Unpicklable' object)"
    )


def test_errors_name_closure_variables():
    held = Unpicklable()

    def f():
        return held

    with pytest.raises(CaptureError, match="closure variable 'held' -> its contents: "):
        graph.freeze([f])


def test_any_error_of_users_code_is_told():
    class Bad:
        def __getstate__(self):
            raise ValueError("boom")

    with pytest.raises(CaptureError, match="boom") as raised:
        graph.freeze([Bad()])
    assert isinstance(raised.value.__cause__, ValueError)


def test_keyboard_interrupt_goes_through():
    class Interrupted:
        def __getstate__(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        graph.freeze([Interrupted()])
    assert round_trip(1) == [1]


def test_too_deep_is_a_capture_error():
    nested = []
    for _ in range(200_000):
        nested = [nested]
    with pytest.raises(CaptureError, match="nested too deeply"):
        graph.freeze([nested], names=lambda _: "f() -> local 'nested'")


def chain_of(make, depth=100_000):
    last = None
    for _ in range(depth):
        last = make(last)
    return last


def wrapping(inner):
    return lambda: inner


@pytest.mark.parametrize(
    "make",
    [
        lambda last: [last],
        lambda last: (last,),
        lambda last: {"next": last},
        lambda last: types.SimpleNamespace(next=last),
        wrapping,
        lambda last: itertools.chain(last or ()),
        lambda last: functools.partial(print, last),
    ],
    ids=["list", "tuple", "dict", "instance", "closure", "iterator", "partial"],
)
def test_too_deep_in_every_way_is_an_error_with_its_path(make):
    chain = chain_of(make)
    with pytest.raises(CaptureError, match=r"^f\(\) -> local 'chain'.* is nested too deeply"):
        graph.freeze([chain], names=lambda _: "f() -> local 'chain'")
    while chain is not None:  # not by one recursion in C
        held = gc.get_referents(chain)
        chain = next((each for each in held if type(each) is type(chain)), None)
        if chain is None:
            cells = [e for e in held if isinstance(e, types.CellType)]
            inner = cells[0].cell_contents if cells else None
            chain = inner
