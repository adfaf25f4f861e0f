"""Processes that are in no epoch: spawned ones, those of a pool, other programs of one job."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import run

pytestmark = pytest.mark.job

PROGRAM = Path(__file__).resolve().parents[1] / "programs" / "outsiders.py"
LIMIT = 90  # seconds that a job may take


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("spawn", "spawn() -> local 'workers': mpi4py.MPI.Intercomm cannot be captured; it has "),
        pytest.param(
            *("futures", "a restart would not bring back thread 'Thread-1 (_manager_spawn)' "),
            marks=pytest.mark.thorough,
        ),
    ],
)
def test_those_that_were_spawned_are_refused_by_name(on_ranks, kind, told):
    done = on_ranks(1, PROGRAM, kind, stderr=subprocess.STDOUT, timeout=LIMIT)
    assert done.returncode == 0, done.stdout
    assert f"rank 0: capture: {told}" in done.stdout, done.stdout


def test_other_programs_of_the_job_are_named(launcher, tmp_path):
    other = tmp_path / "other.py"
    shutil.copy(PROGRAM, other)
    one = launcher.command(1)
    done = run(
        *(*one, sys.executable, PROGRAM, "first", ":", "-n", "1", sys.executable, other, "second"),
        environment=launcher.environment,
        cwd=tmp_path,
        check=False,
        stderr=subprocess.STDOUT,
        timeout=LIMIT,
    )
    assert "ranks disagree: rank 0: checkpoint in " in done.stdout, done.stdout
    named = f"they run different programs, {PROGRAM} on rank 0, {other} on rank 1: give each a"
    assert named in done.stdout, done.stdout
