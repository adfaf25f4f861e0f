"""time_limit_chain.sbatch reaches its time limit twice; array.sbatch is requeued one by one."""

import re

import pytest

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(900)]
ONE_NODE = ("--nodes=1", "--ntasks=2")


def test_a_time_limit_is_reached_twice(slurm, submit, undisturbed, tmp_path):
    """A script filled in by the verb: its successors have the same options."""
    words = ["--kind=chain", "--nodes=1", "--ntasks=2", "--time=1", "--checkpoints=ckpt"]
    words += ["--sbatch=signal=B:USR1@40", "--sbatch=output=job.log"]  # looked at every 30 s
    job = submit(None, steps=1300, interval="1h", filled=words)
    job.wait_for(lambda: not slurm.run("squeue", "-h").strip(), 500)

    assert job.is_complete(), job.said()
    assert job.result() == undisturbed(1300)
    assert (job.restarts() >= 2, job.requeues()) == (True, 0)
    ends = re.findall(r"exit status (\d+)", job.said())
    assert ends == ["85"] * job.restarts() + ["0"], job.said()


def test_a_job_stops_before_its_time_is_over(submit, undisturbed):
    """`interval="auto"`, no signal of the scheduler: `launch` has asked Slurm for the end."""
    words = ("--time=1", "--signal=B:CONT@1")
    soon = {"SAUERKRAUT_RESERVE": "35"}
    job = submit("preemptible.sbatch", *ONE_NODE, *words, steps=700, interval="auto", **soon)
    assert job.wait_for_end() == "COMPLETED", job.said()
    assert "exit status 85" in job.said()
    assert job.result() == undisturbed(700)
    assert job.requeues() == job.restarts() >= 1, job.said()


def test_each_of_an_array_is_requeued_by_itself(slurm, submit, undisturbed):
    results = ("--result", "mine-$SLURM_ARRAY_TASK_ID")
    job = submit("array.sbatch", "--array=0-1", *ONE_NODE, program=results, checkpoints=None)
    job.wait_for_commit("ckpt-0")
    slurm.run("scancel", "--signal=USR1", "--batch", f"{job.number}_0")

    for index in (0, 1):
        job.wait_for((job.directory / f"ckpt-{index}" / "COMPLETE").exists)
    assert (job.restarts("ckpt-0"), job.restarts("ckpt-1")) == (1, 0)
    for index in (0, 1):
        mine = job.directory / f"mine-{index}"
        job.wait_for(lambda mine=mine: mine.exists() and mine.read_text())
        assert mine.read_text() == undisturbed(200)
