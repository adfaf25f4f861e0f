"""examples/stencil.py, as a reader types it."""

import sys
from pathlib import Path

import pytest

from tests.processes import run_python

pytestmark = pytest.mark.job
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "stencil.py"


@pytest.mark.parametrize("words", [(), ("--mpi",)], ids=["tasks", "mpi"])
def test_it_checks_itself(words):
    small = "--size=48", "--steps=20"
    done = run_python("-m", "sauerkraut.testing", 2, sys.executable, EXAMPLE, *small, *words)
    assert done.stdout.endswith("small steps, the same bits as one\n")
