"""`sauerkraut launch` on several hosts: one is lost, and a spare one takes its place."""

import signal
from pathlib import Path

import pytest

from tests.hosts.supervised import ARRAY, send

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(600)]

STEPS = 200
FARM = Path(__file__).resolve().parents[2] / "examples" / "farm.py"
WATCHED = {"SAUERKRAUT_NODE_TIMEOUT": "10"}


@pytest.fixture
def start(three_hosts, supervise):
    """Ranks on hosts 1 and 2, a spare one, and the supervisor on host 1."""

    def start():
        names = three_hosts.names
        return supervise(three_hosts, names, names[0], steps=STEPS, **WATCHED)

    return start


@pytest.mark.parametrize("fault", ["kill", "cut"])
def test_a_lost_host_is_left_out(three_hosts, start, expected, tmp_path, fault):
    """MPICH does not notice a cut cable by itself: the beats of the host are missing."""
    job = start()
    job.wait_for("commit")
    lost, spare = three_hosts.names[1:]
    getattr(three_hosts, fault)(lost)

    assert job.wait() == 0, job.said
    assert f"do not answer, left out: {lost}" in job.said
    assert job.happened("restart")
    assert (tmp_path / "result").read_text() == expected(STEPS)
    crossed = ARRAY * job.steps_since_the_restart(STEPS)
    assert min(three_hosts.traffic(spare)) > crossed > 0


def test_the_ranks_of_several_hosts_use_the_network(three_hosts, start, expected, tmp_path):
    """Where they shared memory, being on one machine, none of this would show anything."""
    job = start()
    assert job.wait() == 0, job.said
    assert (tmp_path / "result").read_text() == expected(STEPS)
    first, second, spare = map(three_hosts.traffic, three_hosts.names)
    assert min(*first, *second) > ARRAY * STEPS
    assert max(spare) < ARRAY * STEPS


def test_a_killed_daemon(three_hosts, launcher, start, expected, tmp_path):
    """Open MPI ends the job at once. MPICH's runs on to its end, which its launcher says failed."""
    job = start()
    job.wait_for("commit")
    beheaded = three_hosts.names[1]
    send(job.daemons(beheaded), signal.SIGKILL)

    assert job.wait() == 0, job.said
    assert (tmp_path / "result").read_text() == expected(STEPS)
    assert len(job.happened("complete")) == 1
    if launcher.name == "openmpi":
        assert job.happened("restart")
        assert "not complete, whatever the launcher's 0 says" in job.said
    else:
        assert not job.happened("restart")
        assert "complete, but what follows the run ended with status" in job.said
    job.wait_until_gone(beheaded)


def test_tasks_go_on_on_the_hosts_that_are_left(three_hosts, supervise):
    """Two hosts and no spare one: what was on the lost one goes on on the other."""
    first, lost = three_hosts.names[:2]
    program = [FARM, "--queens=12", "--every=0.5s"]
    job = supervise(three_hosts, [first, lost], first, program=program, **WATCHED)
    job.wait_for("commit")
    three_hosts.kill(lost)

    assert job.wait() == 0, job.said
    assert f"do not answer: {lost}; tasks go on on 1 of 2 ranks" in job.said
    assert job.happened("restart")[-1]["ranks"] == 1
    assert "12 queens: 14200 ways, as is known" in job.said
