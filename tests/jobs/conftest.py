"""Jobs of `tests/programs/stepping.py`: start one, wait for it, read what it said."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sauerkraut.testing import find_launcher
from tests.processes import run

STEPPING = Path(__file__).resolve().parents[1] / "programs" / "stepping.py"
LIMIT = 60  # seconds that a job may take
SOON = {
    "PYTHONHASHSEED": "0",
    "SAUERKRAUT_SIGNAL_LATENCY": "0.1",
    "SAUERKRAUT_GIVE_UP": "40",
}


class Done:
    """A job that has ended."""

    def __init__(self, status, said):
        self.status, self.said = status, said

    @property
    def values(self):
        """What each rank printed, by rank."""
        found = re.findall(r"rank (\d+): (.*)", self.said)
        return {int(rank): value for rank, value in found if not value.startswith("failed")}


@pytest.fixture(scope="session")
def launcher():
    return find_launcher()


@pytest.fixture(scope="session")
def stepping():
    """The program."""
    return STEPPING


@pytest.fixture
def on_ranks(launcher, tmp_path):
    """Run a program on some ranks to its end, in the test's directory."""

    def on_ranks(ranks, *words, environment=None, **options):
        started = launcher.command(ranks) if ranks else []
        return run(
            *(*started, sys.executable, *words),
            cwd=tmp_path,
            environment={**launcher.environment, **(environment or {})},
            check=False,
            **options,
        )

    return on_ranks


@pytest.fixture
def step(on_ranks):
    """Run a scenario of stepping.py on some ranks to its end, in the test's directory."""

    def step(scenario, ranks=4, *, program=STEPPING, environment=None, **options):
        words = [f"{name}={value}" for name, value in options.items()]
        words += [] if ranks else ["mpi=0"]
        done = on_ranks(
            *(ranks, program, scenario, "ckpt", *words),
            environment={**SOON, **(environment or {})},
            stderr=subprocess.STDOUT,
            timeout=LIMIT,
        )
        return Done(done.returncode, done.stdout)

    return step
