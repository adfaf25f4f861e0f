"""Whether two calls have the same arguments."""

import collections
import enum
import functools
import json
import os
import pathlib

import numpy as np

from sauerkraut.objects import arguments
from tests.processes import run_python


class Colour(enum.Enum):
    RED = 1


class Solver:
    def run(self, n):
        pass


def simulate(n, *rest, tolerance=1e-6, **options):
    pass


def described(*args, **kwargs):
    return arguments.describe_arguments(simulate, args, kwargs)


def test_what_is_compared():
    assert described(4) == described(4)
    assert described(4) == described(4, tolerance=1e-6)
    for one, other in [
        (4, 5),
        (4, 4.0),
        ("a", "b"),
        (pathlib.Path("a"), pathlib.Path("b")),
        (Colour.RED, None),
        ((1, (2, "x")), (1, (2, "y"))),
        ({"a": 1}, {"a": 2}),
        (np.zeros(3), np.zeros(4)),
        (np.zeros(3), np.zeros(3, int)),
        (np.float64(1), np.float64(2)),
        ([], {}),
        (len, print),
    ]:
        assert described(one) == described(one)
        assert described(one) != described(other)
        assert arguments.difference(described(one), described(other)).startswith("n: ")
    for one, other in [
        (np.zeros(3), np.ones(3)),
        ([1], [2]),
        (Solver(), Solver()),
        (object(), object()),
        (frozenset("abc"), frozenset("cba")),
    ]:
        assert described(one) == described(other)


def test_texts():
    assert arguments.describe_arguments(Solver().run, (np.zeros((3, 4)),), {}) == {
        "self": f"a {Solver.__module__}.Solver",
        "n": "array of float64 (3, 4)",
    }
    then, now = described(1, 2, tolerance=3), described(1, 5, other=[])
    assert arguments.difference(then, now) == (
        "rest: (2,) then, (5,) now; tolerance: 3 then, 1e-06 now; "
        "options: {} then, {'other': a list} now"
    )
    assert arguments.difference(then, then) == ""
    json.dumps(then)


def test_what_a_partial_binds_is_described_as_given():
    def of_partial(*args, **kwargs):
        return arguments.describe_arguments(functools.partial(simulate, *args, **kwargs), (5,), {})

    assert of_partial(4) == described(4, 5)
    assert of_partial(tolerance=3) == described(5, tolerance=3)
    assert of_partial(4) != of_partial(3)


def test_long_texts_are_cut_and_told_apart():
    one, other = described("x" * 500 + "1"), described("x" * 500 + "2")
    assert len(one["n"]) <= arguments.LONGEST
    assert one != other


def test_calls_that_do_not_fit_are_described_too():
    assert described() == {}
    assert arguments.describe_arguments(collections.deque, ([],), {})


def test_equal_in_every_process():
    script = (
        "from sauerkraut.objects import arguments\n"
        "print(arguments.describe_arguments(lambda **k: 0, (), "
        "{'a': frozenset('abcdef'), 'b': {'x': object(), 'y': 1}, 'c': (1, 'q')}))"
    )
    texts = {
        run_python("-c", script, env={**os.environ, "PYTHONHASHSEED": str(seed)}).stdout
        for seed in range(3)
    }
    assert len(texts) == 1
