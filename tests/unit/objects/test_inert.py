"""An object stream is read without running anything from it."""

import fractions
import os
import pickle
import random

import numpy as np
import pytest

from sauerkraut.errors import ResumeError
from sauerkraut.objects import graph, inert


def read(*values):
    return inert.read(graph.freeze(values).stream)[0]


NO_TABLE = bytes(8)


def cell_of(value):
    return (lambda: value).__closure__[0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (-2.5, "-2.5"),
        ("text", "'text'"),
        ([1, (2, None)], "[1, (2, None)]"),
        (np.float64(0.5), "0.5"),
        (np.int32(-7), "-7"),
        (np.complex128(1 + 2j), "(1+2j)"),
        (np.bool_(True), "True"),
        (range(1, 9, 2), "range(1, 9, 2)"),
        ([slice(2), np.float64(3)], "[slice(None, 2, None), 3.0]"),
        (fractions.Fraction(1, 3), None),
        (cell_of(12), "12"),
        (np.zeros(3), None),
        (fractions.Fraction, "fractions.Fraction"),
        ([os.mkdir], "[posix.mkdir]"),
    ],
    ids=lambda value: repr(value).partition(" at 0x")[0],
)
def test_small_values_have_a_text(value, text):
    assert inert.text(read(value)[0]) == text


def test_long_values_are_cut():
    for value in ("x" * 10_000, list(range(10_000)), 10**3000):
        assert len(inert.text(read(value)[0])) < 100


class Runs:
    def __init__(self, call, *arguments):
        self.reduced = (call, arguments)

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("protocol", [4, 5])
def test_nothing_runs(tmp_path, protocol):
    path = tmp_path / "ran"
    stream = pickle.dumps([Runs(os.mkdir, str(path)), Runs(eval, "1 / 0")], protocol)

    (made, other), _ = inert.read(stream + NO_TABLE)

    assert not path.exists()
    assert (made.label, other.label) == ("posix.mkdir", "eval")


def test_streams_of_random_opcodes_end_in_an_error_or_in_values():
    chance = random.Random(1)
    good = graph.freeze([1, "a", {2: [3.0]}, fractions.Fraction(1, 3), np.arange(4)]).stream
    for _ in range(3000):
        stream = bytearray(good)
        for _ in range(chance.randrange(1, 6)):
            stream[chance.randrange(len(stream))] = chance.choice(
                b"()]}.0123NQRab\x81\x85\x93\x94eus"
            )
        try:
            values, _ = inert.read(bytes(stream))
        except ResumeError:
            continue
        for value in values:
            inert.text(value)


@pytest.mark.parametrize(
    "stream",
    [
        b"\x80\x05]r\xff\xff\xff\x7f.",  # LONG_BINPUT far beyond the stream
        b"(lp2000000000\n.",
        b"\x80\x05\x8e\xff\xff\xff\xff\xff\xff\xff\x00abc.",
        b"\x80\x05\x96\xff\xff\xff\xff\x00\x00\x00\x00abc.",
    ],
)
def test_streams_that_ask_for_more_memory_than_they_have_bytes(stream):
    with pytest.raises(ResumeError, match="cannot be read"):
        inert.read(stream + NO_TABLE)


def test_large_streams_are_not_read():
    with pytest.raises(ResumeError, match="at most"):
        inert.read(bytes(inert.LARGEST + 1))


def nested_key(depth):
    """A dict whose key is a tuple in a tuple in a tuple."""
    deep = pickle.EMPTY_TUPLE + pickle.TUPLE1 * depth
    return pickle.PROTO + b"\x05" + b"]}" + deep + b"Nsa." + NO_TABLE


def test_tuples_too_deep_to_hash_are_refused():
    assert len(inert.read(nested_key(500))[0]) == 1
    with pytest.raises(ResumeError, match="nested 1001 deep"):
        inert.read(nested_key(5_000_000))


def test_tuples_too_deep_through_the_memo_are_refused():
    steps = b"".join(b"\x94h" + bytes([i % 250]) + b"\x85" for i in range(3000))
    with pytest.raises(ResumeError):
        inert.read(pickle.PROTO + b"\x05" + b"]})" + steps + b"Nsa." + NO_TABLE)


def test_depth_of_ordinary_values_is_followed_right():
    values = [
        {(1, (2, 3)): [({4: 5},)]},
        frozenset([(1, 2)]),
        {"a": {(i, (i,)) for i in range(50)}},
    ]
    for protocol in (4, 5):
        assert inert.read(pickle.dumps(values, protocol) + NO_TABLE) == (values, [])
