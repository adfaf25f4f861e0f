"""The old side of a lost link comes back when a restart has taken over: it can harm nothing."""

import pytest

from tests.hosts.supervised import freeze, thaw
from tests.incarnations import only_the_last_one_wrote

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(900)]

STEPS = 200
SETTINGS = {"SAUERKRAUT_NODE_TIMEOUT": "10", "SAUERKRAUT_OWNER_TOUCH": "1"}
SILENT = ("--end-silent", "30")  # the supervisor is on another host than rank 0


def ends_as_if_undisturbed(job, expected, result):
    assert job.wait() == 0, job.said
    assert result.read_text() == expected(STEPS)
    only_the_last_one_wrote(job.checkpoints)


def test_the_host_of_rank_0_comes_back(five_hosts, supervise, expected, tmp_path):
    """Cut off from the launcher and from rank 1, it ends: by its beats, or with its daemon."""
    lost, other, spare, supervisor, _ = five_hosts.names
    names = [lost, other, spare]
    job = supervise(five_hosts, names, supervisor, *SILENT, steps=STEPS, **SETTINGS)
    job.wait_for("commit")
    five_hosts.cut(lost)
    job.wait_for("restart")
    five_hosts.plug_in(lost)

    ends_as_if_undisturbed(job, expected, tmp_path / "result")
    assert f"do not answer, left out: {lost}" in job.said
    job.wait_until_gone(lost)


def test_two_hosts_that_stood_still_come_back(five_hosts, supervise, expected, tmp_path):
    """All of the old job is alive, and would go on: it reads who owns the directory now."""
    *spares, supervisor = five_hosts.names[2:]
    old = five_hosts.names[:2]
    names = [*old, *spares]
    job = supervise(five_hosts, names, supervisor, *SILENT, steps=STEPS, **SETTINGS)
    job.wait_for("commit")
    ranks = [pid for name in old for pid in job.ranks(name)]
    assert len(ranks) == 2
    five_hosts.part(old)
    stopped = [pid for name in old for pid in five_hosts.processes(name)]
    freeze(stopped)
    job.wait_for("restart")
    assert set(ranks) == {pid for name in old for pid in job.ranks(name)}, "they are still there"
    five_hosts.rejoin(old)
    thaw(ranks)
    job.wait_for("superseded")
    thaw(stopped)

    ends_as_if_undisturbed(job, expected, tmp_path / "result")
    first, (superseded,) = job.happened("commit")[0], job.happened("superseded")
    assert superseded["incarnation"] == first["incarnation"]
    job.wait_until_gone(*old)
