"""What a cluster's settings mean for a job."""

import pytest

from sauerkraut.slurm import checks, commands
from sauerkraut.slurm.checks import Partition

CONFIGURATION = """Configuration data as of 2026-11-22T08:38:49
JobRequeue              = 1
KillWait                = 30 sec
MpiDefault              = pmix
PreemptType             = preempt/partition_prio
SlurmctldParameters     = preempt_send_user_signal
"""


def states(*, checkpoint=None, known=(), plugins=("none", "pmix"), **changed):
    settings = checks.parse_configuration(CONFIGURATION) | changed
    found = checks.check(settings, list(known), list(plugins), checkpoint=checkpoint)
    return {each.name: each.state for each in found}


def test_all_is_well():
    assert set(states().values()) == {"good"}


@pytest.mark.parametrize(
    ("changed", "name", "state"),
    [
        ({"JobRequeue": "0"}, "JobRequeue", "note"),
        ({"SlurmctldParameters": "(null)"}, "preempt_send_user_signal", "note"),
        ({"MpiDefault": "none"}, "srun --mpi", "note"),
        ({"plugins": ["none", "pmi2"]}, "srun --mpi", "note"),
        ({"checkpoint": 40.0}, "KillWait", "bad"),
        ({"checkpoint": 20.0}, "KillWait", "good"),
        ({"known": [Partition("low", 0, "REQUEUE")]}, "partition low", "note"),
        ({"known": [Partition("low", 60, "REQUEUE")], "checkpoint": 70.0}, "partition low", "bad"),
        ({"known": [Partition("low", 60, "REQUEUE")]}, "partition low", "good"),
    ],
)
def test_what_a_setting_means(changed, name, state):
    assert states(**changed)[name] == state


@pytest.mark.parametrize("plugins", [["none", "pmi2"], ["none", "pmix"]])
def test_tasks_that_know_nothing_of_each_other_are_said_to_be_refused(plugins):
    found = checks.check({"MpiDefault": "none"}, [], plugins)
    (told,) = (each.text for each in found if each.name == "srun --mpi")

    assert "makes each task a job of its own, which ends with status 87" in told


def test_partitions_that_nobody_preempts_are_not_mentioned():
    assert "partition high" not in states(known=[Partition("high", 0, "OFF")])
    without = states(PreemptType="preempt/none", known=[Partition("low", 0, "REQUEUE")])
    assert "partition low" not in without


@pytest.mark.parametrize(
    ("time", "seconds"), [("0", 0), ("00:01:30", 90), ("1-00:00:10", 86410), ("45", 45)]
)
def test_a_partition_as_slurm_shows_it(time, seconds):
    line = f"PartitionName=low GraceTime={time} PreemptMode=REQUEUE State=UP"

    assert checks.parse_partition(line) == Partition("low", seconds, "REQUEUE")


def test_nodes_that_take_no_steps(monkeypatch):
    states = "n1 idle\nn2 down*\nn3 allocated\nn4 mixed*\nn5 drained\nn2 down*\nn6 draining\n"
    monkeypatch.setenv("SLURM_JOB_NODELIST", "n[1-6]")
    monkeypatch.setattr(commands, "output", lambda *_: states)

    assert commands.nodes_down() == ["n2", "n4", "n5"]


def test_outside_of_an_allocation_nothing_is_asked(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_NODELIST", raising=False)

    assert commands.nodes_down() == []
    assert commands.output("no-such-program") is None
    assert commands.output("false") is None
