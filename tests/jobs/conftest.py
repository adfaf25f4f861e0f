"""Jobs of `tests/programs/stepping.py`: start one, wait for it, read what it said."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sauerkraut.testing import find_launcher

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
def step(launcher, tmp_path):
    """Run a scenario of stepping.py on some ranks to its end, in the test's directory."""

    def step(scenario, ranks=4, *, program=STEPPING, environment=None, **options):
        words = [f"{name}={value}" for name, value in options.items()]
        started = launcher.command(ranks)
        if not ranks:
            started, words = [], [*words, "mpi=0"]
        done = subprocess.run(
            [*started, sys.executable, str(program), scenario, "ckpt", *words],
            cwd=tmp_path,
            env={**os.environ, **launcher.environment, **SOON, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        return Done(done.returncode, done.stdout)

    return step
