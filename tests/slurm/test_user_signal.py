"""preemptible.sbatch where SlurmctldParameters=preempt_send_user_signal: USR1 comes first."""

import json
import sys

import pytest

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]
CLUSTER = {"grace": 30, "user_signal": True}


@pytest.mark.parametrize("mpi", ["srun", "mpirun"])
def test_a_preempted_job_checkpoints_first(slurm, submit, undisturbed, mpi):
    job = submit("preemptible.sbatch", "--nodes=1", "--ntasks=2", mpi=mpi, interval="1h")
    job.wait_for_start()
    every_node = ("--partition=high", "--nodes=3", "--exclusive", "--output=/dev/null")
    slurm.run("sbatch", *every_node, "--wrap=sleep 2")

    job.wait_for(lambda: job.requeues() == 1)
    assert job.commits() == 1  # the one that the signal asked for
    assert job.wait_for_end() == "COMPLETED", job.said()
    assert (job.result(), job.restarts(), job.requeues()) == (undisturbed(200), 1, 1)


def test_doctor_reads_the_cluster(slurm, tmp_path):
    words = [sys.executable, "-m", "sauerkraut", "doctor", "--json", "--launcher=no-such-mpiexec"]
    found = {each["name"]: each for each in json.loads(slurm.run(*words))["checks"]}

    assert found["preempt_send_user_signal"]["state"] == "good"
    assert "GraceTime 30 s" in found["partition low"]["text"]
    assert "partition high" not in found  # nobody preempts it
    assert found["KillWait"]["text"].startswith("10 s from TERM to KILL")
    assert "say srun --mpi=pmix" in found["srun --mpi"]["text"]
