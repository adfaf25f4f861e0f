"""preemptible.sbatch where SlurmctldParameters=preempt_send_user_signal: USR1 comes first."""

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
    assert (job.result(), job.restarts()) == (undisturbed(200), 1)
