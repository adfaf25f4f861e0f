"""Errors of a program around its tasks, on one rank and on all."""

import subprocess

import pytest

pytestmark = pytest.mark.job

LIMIT = 60  # seconds that a job may take
UNGUARDED = """
from mpi4py import MPI
from sauerkraut import mpi

with mpi.TaskPool(MPI.COMM_WORLD, "ckpt") as pool:
    if pool.rank == 0:  # it does not ask whether the pool was restarted
        pool.spawn(int, name="zero")
    results = pool.run()
if pool.rank == 0:
    print(results)
"""


def test_an_error_on_one_rank_ends_the_job(on_ranks):
    def start():
        return on_ranks(2, "-c", UNGUARDED, stderr=subprocess.STDOUT, timeout=LIMIT)

    first = start()
    assert (first.returncode, first.stdout) == (0, "{'zero': 0}\n")
    second = start()
    assert second.returncode == 1, second.stdout
    assert "MigrationError: spawn(<class 'int'>): this run has finished" in second.stdout
    assert "rank 0 ends the job" in second.stdout
