"""Rows of docs/limits.md that no other test stands for."""

import bz2
import functools
import hashlib
import inspect
import xml.etree.ElementTree as ET
import zlib

import numpy as np
import pytest

from sauerkraut.errors import CaptureError, ResumeError
from sauerkraut.objects import graph
from tests.unit.objects.crossing import round_trip as rt

REFUSED = {
    "frame": (inspect.currentframe, "do not keep a frame in a variable"),
    "nditer": (lambda: np.nditer(np.ones(3)), "nditer cannot be captured"),
    "elements": (lambda: ET.Element("a").iter(), "cannot be captured"),
    "hash": (hashlib.sha256, "HASH.* cannot be captured"),
    "compression": (zlib.compressobj, "Compress cannot be captured"),
    "another": (bz2.BZ2Compressor, "BZ2Compressor cannot be captured"),
    "ufunc": (lambda: np.frompyfunc(lambda x: x, 1, 1), "ufunc cannot be captured"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_by_name(name):
    make, told = REFUSED[name]
    with pytest.raises(CaptureError, match=rf"local 'state' -> item 'held': .*{told}"):
        graph.freeze([{"held": make()}], names=lambda _: "f() -> local 'state'")


class Leads:
    """Hashed by an attribute that comes back later than the dict it is a key of."""

    def __init__(self, name):
        self.name = name
        self.table = {self: 1}

    def __hash__(self):
        return hash(self.name)

    def __eq__(self, other):
        return self is other


def test_a_key_of_its_own_dict_that_is_hashed_by_its_attributes_is_refused_at_the_restart():
    frozen = graph.freeze([Leads("a")])
    with pytest.raises(ResumeError, match="name"):
        graph.thaw(frozen)


def test_the_cache_of_a_local_function_comes_back_empty():
    @functools.lru_cache(maxsize=7)
    def square(x):
        return x * x

    square(3)
    (back,) = rt(square)
    assert back.cache_info() == (0, 0, 7, 0)
    assert back(3) == 9


def test_scalars_of_structured_arrays_are_copies():
    array = np.zeros(2, "i4,i4")
    back, scalar = rt(array, array[0])
    back["f0"][0] = 5
    assert (array[0]["f0"], scalar["f0"]) == (0, 0)
