"""Annotations of local functions and classes: from CPython 3.14 on made on demand (PEP 649)."""

import sys
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
