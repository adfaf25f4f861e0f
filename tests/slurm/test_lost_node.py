"""restart_loop.sbatch: a node dies, a spare one stands in, and the old ranks cannot commit."""

import pytest

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]
CLUSTER = {"nodes": 4}


def test_a_killed_slurmd_with_a_spare_node(slurm, submit, undisturbed):
    job = submit("restart_loop.sbatch", "--nodes=3", steps=1200)
    job.wait_for_commit()
    slurm.kill_node(job.nodes()[1])

    assert job.wait_for_end(500) == "COMPLETED", job.said()
    assert "nodes that are down, left out:" in job.said()
    assert job.result() == undisturbed(1200)
    assert job.requeues() == 0
