"""restart_loop.sbatch: a node dies, a spare one stands in, and the old ranks cannot commit."""

import pytest

from tests.incarnations import only_the_last_one_wrote
from tests.programs import paced_tasks

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]
CLUSTER = {"nodes": 4}


def test_a_killed_slurmd_with_a_spare_node(slurm, submit, undisturbed):
    """What it started lives on, until `launch` ends it: here all nodes are one host to it."""
    job = submit("restart_loop.sbatch", "--nodes=3", steps=1200)
    job.wait_for_commit()
    lost = job.nodes()[1]
    assert len(job.ranks_on(lost)) == 1
    slurm.kill_node(lost)

    assert job.wait_for_end(500) == "COMPLETED", job.said()
    assert f"nodes that are down, left out: {lost}" in job.said()
    assert job.result() == undisturbed(1200)
    assert job.requeues() == 0
    only_the_last_one_wrote(job.checkpoints)
    assert not job.ranks_on(lost)


def test_tasks_go_on_on_the_nodes_that_are_left(slurm, submit):
    job = submit("restart_loop.sbatch", "--nodes=3", of="paced_tasks.py", steps=400, STEP_NODES="3")
    job.wait_for_commit()
    lost = job.nodes()[1]
    slurm.kill_node(lost)

    assert job.wait_for_end(500) == "COMPLETED", job.said()
    assert f"nodes that are down: {lost}; tasks go on on 2 of 3 ranks" in job.said()
    assert "stored by 3 ranks, on 2" in job.said()
    assert job.result() == paced_tasks.expected(400)
    assert job.requeues() == 0
