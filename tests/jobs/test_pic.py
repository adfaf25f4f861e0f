"""examples/pic.py verifies itself, also while its tasks move."""

import re
import sys
from pathlib import Path

import pytest

from tests.processes import run_python

pytestmark = pytest.mark.job

ROOT = Path(__file__).resolve().parents[2]
SIZE = ["--cells=256", "--ratio=0.97", "--particles=20000", "--steps=60", "--blocks=6"]


@pytest.mark.parametrize("ranks", [1, 3])
def test_particles_are_where_they_must_be(ranks):
    program = ["-m", "sauerkraut.testing", ranks, sys.executable, ROOT / "examples" / "pic.py"]
    balanced = [*SIZE, "--balance=rotate", "--every=0.05s"]
    done = run_python(*program, *balanced)
    said = r"20000 particles are where they must be after 60 steps; .* (\d+) moves"
    found = re.match(said, done.stdout)
    assert found, done.stdout
    assert (int(found[1]) > 0) == (ranks > 1)
