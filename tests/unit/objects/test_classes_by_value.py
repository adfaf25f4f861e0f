"""Instances that a class made at run time leads to: they may come back before its methods do."""

import dataclasses
from typing import NamedTuple

import pytest

from sauerkraut.errors import ResumeError
from sauerkraut.objects import graph
from tests.unit.objects.crossing import elsewhere
from tests.unit.objects.crossing import round_trip as rt


def test_a_class_that_keeps_instances_whose_new_is_told_its_arguments():
    class Unit:
        def __new__(cls, name):
            made = cls.known.get(name)
            if made is None:
                made = cls.known[name] = super().__new__(cls)
                made.name = name
            return made

        def __getnewargs__(self):
            return (self.name,)

    Unit.known = {}
    unit, cls = rt(Unit("m"), Unit)
    assert cls("m") is unit
    assert (unit.name, list(cls.known)) == ("m", ["m"])


def test_values_of_the_class_that_keeps_them():
    class Point(NamedTuple):
        x: int
        y: int = 0

    class Angle(float):
        zero = None

        def __new__(cls, degrees):
            return super().__new__(cls, degrees % 360)

        def __getnewargs__(self):
            return (float(self),)

    Point.origin = Point(0)
    Angle.zero = Angle(720)
    point, origin, angle = rt(Point, Point.origin, Angle(365))
    assert point.origin is origin
    assert (origin, point(1)) == ((0, 0), (1, 0))
    assert (angle, type(angle).zero, type(type(angle).zero)) == (5, 0, type(angle))


def test_new_is_not_called_again():
    class Counted:
        made = 0

        def __new__(cls):
            cls.made += 1
            return super().__new__(cls)

    several, cls = rt([Counted(), Counted()], Counted)
    assert (cls.made, len(several)) == (2, 2)


def test_one_with_a_reduce_of_its_own_that_its_class_leads_to_is_refused_at_the_restart():
    class Pair:
        def __init__(self, both):
            self.both = both

        def __reduce__(self):
            return Pair, (self.both,)

    back, cls = rt(Pair(1), Pair)
    assert (type(back) is cls, back.both) == (True, 1)
    Pair.first = Pair(2)
    frozen = graph.freeze([Pair])
    with pytest.raises(ResumeError, match="Pair"):
        graph.thaw(frozen)


def local_classes():
    held = []

    class Text:
        first = None

        def __init__(self, text):
            self.text = text
            held.append(self)

        def __getstate__(self):
            return {"parts": list(self.text)}

        def __setstate__(self, state):
            self.text = "".join(state["parts"])

    @dataclasses.dataclass(frozen=True, slots=True)
    class Span:
        low: int
        high: int

    Text.first = Text("abc")
    Span.whole = Span(1, 2)
    return Text, Span, held


def test_instances_that_set_their_own_state():
    text, span, held = rt(*local_classes())
    assert vars(text.first) == {"text": "abc"}
    assert held == [text.first]
    assert span.whole == span(1, 2)
    text("d")
    assert [each.text for each in held] == ["abc", "d"]


def test_instances_that_set_their_own_state_elsewhere():
    body = "text, span, held = values\nresult = vars(text.first), held[0] is text.first, "
    body += "(span.whole.low, span.whole.high)"
    assert elsewhere(local_classes(), body) == ({"text": "abc"}, True, (1, 2))
