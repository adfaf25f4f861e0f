"""Enumerations made at run time, and their members."""
# ruff: noqa: RUF012, SLOT001

import datetime as dt
import enum
import functools

import pytest

from tests.unit.objects.crossing import round_trip as rt


class Pair:
    def __init__(self, first, second):
        self.first, self.second = first, second


def test_enums_with_aliases_and_unhashable_values():
    class E(enum.Enum):
        A = [1]
        B = A
        C = {"x": 2}

        @classmethod
        def first(cls):
            return cls.A

    cls, b, c = rt(E, E.B, E.C)
    assert b is cls.A is cls.B is cls.first()
    assert c.value == {"x": 2}
    assert list(cls.__members__) == ["A", "B", "C"]


def test_enums_keep_their_boundary():
    class Eject(enum.IntFlag, boundary=enum.EJECT):
        A = 1

    class Conform(enum.Flag, boundary=enum.CONFORM):
        A = 1
        B = 4

    class Strict(enum.IntFlag, boundary=enum.STRICT):
        A = 1

    eject, conform, strict = rt(Eject, Conform, Strict)
    assert type(eject(8)) is int
    assert conform(7) is conform.A | conform.B
    with pytest.raises(ValueError, match="invalid value 8"):
        strict(8)


def test_enums_whose_new_makes_something_else_of_the_body():
    class Axis(bytes, enum.Enum):
        def __new__(cls, number, label):
            self = bytes.__new__(cls, [number])
            self._value_ = number
            self.label = label
            return self

        X = (0, "x axis")
        Y = (1, "y axis")

    class Counted(enum.Enum):
        def __new__(cls, *colour):
            self = object.__new__(cls)
            self._value_ = len(cls.__members__) + 1
            self.colour = colour
            return self

        RED = 255, 0
        BLUE = 0, 255

    begun = []

    class Day(dt.date, enum.Enum):
        FIRST = 2020, 1, 1

    class Couple(Pair, enum.Enum):
        ONE = 1, 2

        def __init__(self, first, second):
            super().__init__(first, second)
            begun.append(first)

    class Sides(tuple, enum.Enum):
        BOTH = (1, 2)

    axis, y, counted, day, couple, sides, *back = rt(
        Axis, Axis.Y, Counted, Day, Couple, Sides, begun
    )
    assert (y is axis.Y, y.value, y.label, bytes.hex(y)) == (True, 1, "y axis", "01")
    assert axis(0) is axis.X
    assert (counted(2) is counted.BLUE, counted.RED.colour) == (True, (255, 0))
    assert (day.FIRST.year, day.FIRST.value) == (2020, dt.date(2020, 1, 1))
    assert (couple.ONE.first, couple.ONE.second) == (1, 2)
    assert sides.BOTH == sides.BOTH.value == (1, 2)
    assert back == [[1]]
    for before, after in ((Axis, axis), (Counted, counted), (Couple, couple), (Sides, sides)):
        assert set(vars(after)) == set(vars(before)) - {"__static_attributes__"}


def test_enums_with_functions_as_members():
    class Rule(enum.Enum):
        DOUBLE = enum.member(lambda x: 2 * x)
        PART = enum.member(functools.partial(max, 3))
        plain = enum.nonmember(5)

    rule, double = rt(Rule, Rule.DOUBLE)
    assert double is rule.DOUBLE
    assert (double.value(4), rule.PART.value(1), rule.plain) == (8, 3, 5)
    assert list(rule.__members__) == ["DOUBLE", "PART"]
