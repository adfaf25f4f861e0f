"""A start with random hashing that captures a set of strings is told so, once."""

import os

import pytest

from tests.processes import run_python

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
    done = run_python("-c", PROGRAM, cwd=tmp_path, env=environment)
    assert done.stderr.count("PYTHONHASHSEED") == times, done.stderr
