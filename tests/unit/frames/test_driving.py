"""Calls that an iterator in C may have made as well as the statement: refused by name."""

import functools
import itertools
import operator

import pytest

import sauerkraut as skt
from sauerkraut import CaptureError
from tests.unit.frames.pausing import looped, pause


class Nested:
    def __init__(self, *parts):
        pause()

    def method(self, *parts):
        return pause(len(parts))

    @classmethod
    def of_class(cls, *parts):
        return pause(len(parts))

    @staticmethod
    def of_none(*parts):
        return pause(len(parts))

    def __call__(self, *parts):
        return pause(len(parts))


class Whole(tuple):
    __slots__ = ()

    def __init__(self, *parts):
        pause()


class Apart(frozenset):
    def __init__(self, *parts):
        pause()


class Again:
    """Gone over by what it is called by."""

    def __next__(self, *given):
        return pause(given)

    def __iter__(self):
        return self

    __call__ = __next__


class Asked:
    """One function for both ways in which an attribute is found."""

    def __getattribute__(self, name):
        pause()
        raise AttributeError(name)

    __getattr__ = __getattribute__


def made(kind, *args):
    """An object whose making pauses not."""
    return kind.__new__(kind, *args)


# Who calls is told by the code that runs: where an iterator in C may call the same function as the
# statement does, nothing tells which of the two calls it is.
def several(*args):
    return pause(len(args))


one = made(Nested)
SAME = {
    "starred": lambda: several(*map(several, [1])),
    "starred and named": lambda: several(*map(several, [1]), x=1),
    "starred class": lambda: Nested(*map(Nested, [1])),
    "starred method": lambda: one.method(*map(one.method, [1])),
    "starred class method": lambda: Nested.of_class(*map(Nested.of_class, [1])),
    "starred static method": lambda: one.of_none(*map(Nested.of_none, [1])),
    "starred object": lambda: one(*map(one, [1])),
    "starred lambda": lambda: (lambda f: f(*map(f, [1])))(lambda *x: pause(x)),
    "starred partial": lambda: functools.partial(several, 1)(*map(several, [1])),
    "starred, of a partial": lambda: several(*map(functools.partial(several, 1), [1])),
    "starred, until": lambda: several(*iter(several, 1)),
    "starred, twice wrapped": lambda: one.method(*zip(map(one.method, [1]))),
    "starred itself": lambda: (lambda again: again(*again))(Again()),
    "starred starmap": lambda: one(*itertools.starmap(one, [(1,)])),
    "starred chain": lambda: one(*itertools.chain.from_iterable([map(one, [1])])),
    "map of map": lambda: looped(map(several, map(several, [1]))),
    "next of map of map": lambda: next(map(several, map(several, [1]))),
    "map of two": lambda: looped(map(several, [1], map(several, [2]))),
    "map of starmap": lambda: looped(map(several, itertools.starmap(several, [(1,)]))),
    "map of zip of map": lambda: looped(map(several, zip(map(several, [1])))),
    "map of iter": lambda: looped(map(several, iter(several, 1))),
    "map of itself": lambda: (lambda again: looped(map(again.__next__, again)))(Again()),
    "map of methods": lambda: looped(map(one.method, map(made(Nested).method, [1]))),
    "map of filter of it": lambda: looped(map(several, filter(several, [1]))),
    "map of called methods": lambda: looped(
        map(Nested.method, map(operator.methodcaller("method"), [one]))
    ),
    "whole": lambda: Whole(map(Whole, [(1,)])),
    "apart": lambda: Apart(map(Apart, ["a"])),
    "attribute": lambda: Asked().x,
}


@pytest.mark.parametrize("name", SAME)
def test_a_function_that_an_iterator_in_c_may_call_as_well_is_refused(name):
    with pytest.raises(CaptureError, match="was entered from C by"):
        skt.call(SAME[name])
