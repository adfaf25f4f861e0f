"""preemptible.sbatch on a cluster whose preemption gives no signal to the batch script."""

import pytest

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]
CLUSTER = {"grace": 10}
SCRIPT = ("preemptible.sbatch", "--nodes=1", "--ntasks=2")
EVERY_NODE = ("--partition=high", "--nodes=3", "--exclusive", "--output=/dev/null")


@pytest.mark.parametrize("mpi", ["srun", "mpirun"])
def test_usr1_to_the_script_checkpoints_and_requeues(slurm, submit, undisturbed, mpi):
    job = submit(*SCRIPT, mpi=mpi)
    job.wait_for_commit()
    slurm.run("scancel", "--signal=USR1", "--batch", job.number)

    assert job.wait_for_end() == "COMPLETED", job.said()
    assert job.result() == undisturbed(200)
    assert (job.requeues(), job.restarts()) == (1, 1), job.said()


@pytest.mark.parametrize("mpi", ["srun", "mpirun"])
def test_a_preempted_job_goes_on_when_the_other_has_ended(slurm, submit, undisturbed, mpi):
    job = submit(*SCRIPT, mpi=mpi, steps=600)
    job.wait_for_commit()
    slurm.run("sbatch", *EVERY_NODE, "--wrap=sleep 2")
    job.wait_for(lambda: job.requeues() == 1)
    assert not job.is_complete()

    assert job.wait_for_end() == "COMPLETED", job.said()
    assert job.result() == undisturbed(600)
    assert (job.requeues(), job.restarts() >= 1) == (1, True), job.said()


def test_scontrol_requeue(slurm, submit, undisturbed):
    job = submit(*SCRIPT, steps=300)
    job.wait_for_commit()
    slurm.run("scontrol", "requeue", job.number)

    job.wait_for(lambda: job.state() == "RUNNING" and job.restarts())
    assert job.wait_for_end() == "COMPLETED", job.said()
    assert job.result() == undisturbed(300)
    assert job.requeues() == 1


def test_a_cancelled_job_stays_cancelled_and_the_next_one_goes_on(slurm, submit, undisturbed):
    job = submit(*SCRIPT, steps=300)
    job.wait_for_commit()
    slurm.run("scancel", job.number)
    assert job.wait_for_end() == "CANCELLED", job.said()
    assert not job.is_complete()

    again = submit(*SCRIPT, steps=300)
    assert job.state() == "CANCELLED"
    assert again.wait_for_end() == "COMPLETED", again.said()
    assert (again.result(), again.restarts()) == (undisturbed(300), 1)
