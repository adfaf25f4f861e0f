"""Annotations of local functions and classes: from CPython 3.14 on made on demand (PEP 649)."""

import sys
import types
from typing import TYPE_CHECKING

import pytest

from tests.unit.objects.crossing import round_trip

if TYPE_CHECKING:
    from decimal import Decimal  # not there when annotations are made

on_demand = pytest.mark.skipif(
    sys.version_info < (3, 14),
    reason="missing: CPython 3.14 or later, which `make test-all` brings",
)


def test_annotations_come_back():
    kind = list

    def f(x: int, *, y: kind) -> str: ...

    class A:
        x: int
        y: kind = ()

    back_f, back_class = round_trip(f, A)
    assert back_f.__annotations__ == {"x": int, "y": list, "return": str}
    assert back_class.__annotations__ == {"x": int, "y": list}


ALIASES = """
type Named = dict[str, "Named"]
def make():
    type Plain = int
    type Pair[T] = tuple[T, T]
    return Plain, Pair
"""


@pytest.mark.skipif(
    sys.version_info < (3, 12),
    reason="missing: CPython 3.12 or later: install one, `make test` runs this there",
)
def test_aliases(monkeypatch):
    made = types.ModuleType("aliases_sample")
    monkeypatch.setitem(sys.modules, made.__name__, made)
    exec(ALIASES, vars(made))
    plain, pair = made.make()
    back, named, of_two, applied = round_trip(plain, made.Named, pair, pair[int])
    assert named is made.Named
    assert (back.__name__, back.__value__, back.__module__) == ("Plain", int, "aliases_sample")
    (variable,) = of_two.__type_params__
    assert of_two.__value__ == tuple[variable, variable]
    assert (applied.__origin__, applied.__args__) == (of_two, (int,))


def test_annotations_that_were_changed_come_back_changed():
    def f(x: int): ...

    class A:
        x: int

    f.__annotations__ = {"z": bytes}
    A.__annotations__["z"] = bytes
    back_f, back_class = round_trip(f, A)
    assert back_f.__annotations__ == {"z": bytes}
    assert back_class.__annotations__ == {"x": int, "z": bytes}


@on_demand
def test_a_capture_makes_no_annotations():
    def f(x: Decimal): ...

    class A:
        kind = int
        x: kind
        y: Decimal

    back_f, back_class = round_trip(f, A)
    for each in (back_f, back_class):
        with pytest.raises(NameError):
            _ = each.__annotations__


@on_demand
def test_annotations_look_into_their_own_class():
    class A:
        kind = int
        x: kind

    annotate = A.__annotate__
    back_annotate, back = round_trip(annotate, A)
    assert back.__annotate__ is back_annotate
    back.kind = bytes
    assert back.__annotations__ == {"x": bytes}
    assert A.__annotations__ == {"x": int}
