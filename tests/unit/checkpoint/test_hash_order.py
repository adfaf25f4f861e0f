"""Sets of strings are found in a pickle stream without running it."""

import os
import pickle
import subprocess
import sys

import pytest

from sauerkraut.checkpoint.hash_order import has_set_of_strings

name = "a name used twice"


@pytest.mark.parametrize(
    "value",
    [
        {"a"},
        frozenset({"a"}),
        {("x", 1)},
        [1, {"x": {"q"}}],
        [name, {name}],
        {frozenset({"deep"})},
        [{1, 2}, {"a", 3}],
    ],
)
def test_a_set_of_strings_is_found(value):
    assert has_set_of_strings(pickle.dumps(value, protocol=5))


@pytest.mark.parametrize(
    "value", [{1}, ["a"], {"a": 1}, [{"k": ("x",)}, {3}], {"s": {1, 2}, "t": "u"}, set(), name]
)
def test_other_values_are_none(value):
    assert not has_set_of_strings(pickle.dumps(value, protocol=5))


PROGRAM = """
import sauerkraut as skt
def work():
    names = {"one", "two"}
    skt.current().checkpoint()
    skt.current().checkpoint()
    return len(names)
skt.Checkpointer("ckpt").run(work)
"""


@pytest.mark.parametrize(("seed", "times"), [(None, 1), ("0", 0), ("7", 0)])
def test_a_start_with_random_hashing_is_warned_once(tmp_path, seed, times):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONHASHSEED"}
    if seed:
        environment["PYTHONHASHSEED"] = seed
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr.count("PYTHONHASHSEED is not set") == times, done.stderr
