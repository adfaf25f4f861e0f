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


WITHOUT_DIRECTORY = """
from mpi4py import MPI
from sauerkraut import mpi

with mpi.TaskPool(MPI.COMM_WORLD) as pool:
    if pool.rank == 0:
        pool.spawn(5)
    pool.run()
"""
RAISES = """
from mpi4py import MPI
from sauerkraut import mpi

with mpi.TaskPool(MPI.COMM_WORLD) as pool:
    if pool.rank == 0:
        pool.spawn(divmod, 1, 0, name="divides")
    pool.run()
"""


def test_an_error_on_one_rank_ends_the_job_of_a_pool_without_a_directory(on_ranks):
    done = on_ranks(2, "-c", WITHOUT_DIRECTORY, stderr=subprocess.STDOUT, timeout=LIMIT)
    assert done.returncode == 1, done.stdout
    assert "MigrationError: spawn(5): a task is a function and its arguments" in done.stdout
    assert "rank 0 ends the job" in done.stdout


def test_an_error_of_all_ranks_needs_nobody_to_end_the_job(on_ranks):
    done = on_ranks(2, "-c", RAISES, stderr=subprocess.STDOUT, timeout=LIMIT)
    assert done.returncode == 1, done.stdout
    assert done.stdout.count("ZeroDivisionError: ") >= 2
    assert "ends the job" not in done.stdout
