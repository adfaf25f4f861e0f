"""Processes that were started as one of many, and are a job of their own to MPI."""

import subprocess

import pytest

pytestmark = pytest.mark.job

ADVICE = "sauerkraut: WorldSizeMismatch: srun started 2 processes, and each is a job of its own"
UNDER_SRUN = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_JOB_ID": "7", "SLURM_PROCID": "0"}
PROGRAM = """
import sys
from mpi4py import MPI
import sauerkraut as skt
comm = {"world": MPI.COMM_WORLD, "self": MPI.COMM_SELF, "none": None}[sys.argv[1]]
print("value", skt.Checkpointer("ckpt", comm, interval=None, quiet=True).run(abs, -3))
"""
PIPELINE = """
from mpi4py import MPI
from sauerkraut.flow import CheckpointFlow
CheckpointFlow("flow.h5", comm=MPI.COMM_WORLD)
"""


@pytest.fixture
def ends(on_ranks, tmp_path):
    """Run a program that gives this communicator to its Checkpointer; status and output."""
    (tmp_path / "program.py").write_text(PROGRAM)

    def ends(comm, ranks=0, **environment):
        done = on_ranks(
            *(ranks, tmp_path / "program.py", comm),
            environment=environment,
            stderr=subprocess.STDOUT,
            timeout=60,
        )
        return done.returncode, done.stdout

    return ends


def test_a_task_of_srun_that_mpi_takes_for_a_job_is_refused(ends, tmp_path):
    status, said = ends("world", **UNDER_SRUN)
    assert status == 87, said
    assert said.startswith(ADVICE)
    assert said.count("\n") == 1, said
    assert "srun --mpi=pmix" in said
    assert not (tmp_path / "ckpt").exists()


def test_a_rank_of_a_launcher_of_another_mpi_is_refused(ends, launcher):
    other = "PMI_SIZE" if launcher.name == "openmpi" else "OMPI_COMM_WORLD_SIZE"
    status, said = ends("world", **{other: "4"})
    assert status == 87, said
    assert "the launcher started 4 ranks, and MPI sees 1" in said


@pytest.mark.thorough
def test_a_pipeline_of_one_is_refused_too(on_ranks, tmp_path):
    (tmp_path / "program.py").write_text(PIPELINE)
    done = on_ranks(
        *(0, tmp_path / "program.py"),
        environment=UNDER_SRUN,
        stderr=subprocess.STDOUT,
        timeout=60,
    )
    assert done.returncode == 87, done.stdout
    assert done.stdout.startswith(ADVICE)


@pytest.mark.parametrize(
    ("comm", "ranks", "environment"),
    [
        ("world", 1, UNDER_SRUN),  # mpirun, whose daemons srun started
        ("self", 0, UNDER_SRUN),  # tasks that are to be alone
        *(
            pytest.param(*each, marks=pytest.mark.thorough)
            for each in [
                ("world", 0, {}),
                ("world", 0, {"SLURM_STEP_NUM_TASKS": "1"}),
                ("world", 2, UNDER_SRUN),
                ("none", 0, UNDER_SRUN),
            ]
        ),
    ],
)
def test_what_is_meant_so_is_not_refused(ends, comm, ranks, environment):
    status, said = ends(comm, ranks, **environment)
    assert status == 0, said
    assert said.count("value 3") == max(1, ranks)


def test_the_run_verb_refuses_it_too(on_ranks, tmp_path):
    (tmp_path / "program.py").write_text("for i in range(3):\n    print(i)\n")
    words = ["-m", "sauerkraut", "run", "--dir", "ckpt", "--at", "program.py:2", "program.py"]
    done = on_ranks(0, *words, environment=UNDER_SRUN, stderr=subprocess.STDOUT, timeout=60)
    assert done.returncode == 87, done.stdout
    assert "sauerkraut run: srun started 2 processes" in done.stdout
