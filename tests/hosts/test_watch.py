"""Beats between hosts: a silent one ends the job, one that computes does not; stacks of others."""

import re
import sys
import time
from pathlib import Path

import pytest

from sauerkraut.testing import events
from tests.hosts.supervised import Started

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(300)]

STEPPING = Path(__file__).resolve().parents[1] / "programs" / "stepping.py"
LIMIT = 120  # seconds
TIMEOUT = 6  # seconds of silence
SLACK = 20  # seconds that a busy machine may take for what it does at once


class Job(Started):
    """stepping.py on two hosts."""

    def wait_for(self, words):
        self.wait_until(lambda: words in self.said)


@pytest.fixture
def start(three_hosts, launcher, across, tmp_path):
    made = []

    def start(scenario, **options):
        words = [f"{name}={value}" for name, value in options.items()]
        settings = ["SAUERKRAUT_SIGNAL_LATENCY=0.1", f"SAUERKRAUT_NODE_TIMEOUT={TIMEOUT}"]
        program = ["env", *settings, sys.executable, STEPPING, scenario, "ckpt", *words]
        there = ["sh", "-c", 'cd "$0" && exec "$@"', tmp_path]  # another mount namespace: at /
        on_first = three_hosts.on(three_hosts.names[0], *there, *across, *program)
        made.append(Job(on_first, tmp_path, launcher.environment))
        return made[-1]

    yield start
    for job in made:
        job.end()


def test_a_host_that_falls_silent_is_named_and_ends_the_job(three_hosts, start, tmp_path):
    job = start("step_on", steps=3000)
    job.wait_until(lambda: events(tmp_path / "ckpt"))
    lost = three_hosts.names[1]
    cut = time.monotonic()
    three_hosts.cut(lost)
    job.wait_for(f"watchdog: no beats from node {lost} (rank 1) since ")
    reported = time.monotonic() - cut
    job.wait_for(f"watchdog: node {lost} (rank 1) has been silent for ")
    ended = time.monotonic() - cut
    # docs/collective.md: a quarter of the timeout is reported, the whole ends the job
    assert reported <= TIMEOUT / 4 + SLACK
    assert TIMEOUT / 2 <= ended <= TIMEOUT + SLACK  # the last beat may be older than the cut
    for name in three_hosts.names[1:]:  # its daemon there cannot be told, nor tell
        three_hosts.kill(name)
    job.process.wait(LIMIT)  # Open MPI's launcher says 0 when it has lost a host


def test_a_host_that_computes_for_long_is_not_silent(start):
    job = start("holding_the_gil", seconds=2 * TIMEOUT)
    assert job.process.wait(LIMIT) == 0, job.said
    assert len(re.findall(r"^rank \d: \(", job.said, re.MULTILINE)) == 2, job.said
    assert "silent" not in job.said


def test_the_stack_of_a_rank_on_another_host_is_had(three_hosts, start):
    job = start("raising")
    assert job.process.wait(LIMIT) not in (0, 85, 87), job.said
    first, second = three_hosts.names[:2]
    assert "sauerkraut: rank 1 failed:" in job.said
    assert re.search(rf"^rank 0 on {first}:\n(  .*\n)*.*in in_c_code\n", job.said, re.MULTILINE)
    assert f"rank 1 on {second}" not in job.said
