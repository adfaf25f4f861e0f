"""A pool whose directory or whose end makes trouble, and the start after it."""

import re
import subprocess
from pathlib import Path

import pytest

from sauerkraut.storage import catalog
from tests.programs import troubled

pytestmark = pytest.mark.job

RANKS = 2
LIMIT = 240  # seconds that a job may take
RESULTS = {f"works {me} {sum(range(troubled.TURNS)) * me}" for me in range(2 * RANKS)}


@pytest.fixture
def start(on_ranks):
    """Run the program, with trouble or without: its exit status and what it said."""

    def start(*trouble, ranks=RANKS):
        program = Path(troubled.__file__)
        done = on_ranks(ranks, program, *trouble, stderr=subprocess.STDOUT, timeout=LIMIT)
        return done.returncode, done.stdout

    return start


def results(said):
    return {line for line in said.splitlines() if line.startswith("works ")}


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "ckpt"


@pytest.mark.thorough
def test_a_signal_that_comes_twice_at_once_stops_the_job_once(start):
    status, said = start("twice")
    assert status == 85, said
    assert "second SIGTERM" not in said
    status, said = start()
    assert (status, results(said)) == (0, RESULTS), said


@pytest.mark.thorough
def test_a_second_sigterm_ends_a_task_that_calls_nothing(start, directory):
    status, said = start("late")
    assert status not in (0, 85), said
    assert "second SIGTERM: ending at once, without a checkpoint" in said
    assert catalog.committed(directory)
    status, said = start(ranks=1)
    assert (status, results(said)) == (0, RESULTS), said


def test_a_directory_that_is_read_only_is_refused_on_all_ranks(start, directory):
    status, said = start("read-only")
    assert status == 1, said
    text = r"(?m)^sauerkraut.errors.StorageError: taking .*ckpt: .* Read-only file system: .*ckpt'$"
    assert len(re.findall(text, said)) == RANKS, said
    assert not directory.exists()


def test_a_directory_that_becomes_read_only_stops_no_task(start, directory):
    status, said = start("soon")
    assert (status, results(said)) == (0, RESULTS), said
    assert re.search("Read-only file system: .*; the last valid epoch is 1, ", said), said
    assert "the end of the run was not stored: " in said
    assert catalog.completion(directory) is None
    status, said = start(ranks=1)
    assert (status, results(said)) == (0, RESULTS), said
    assert "restart 1: going on from epoch 1 with 4 tasks, stored by 2 ranks, on 1" in said
    assert catalog.completion(directory)


def test_a_kill_before_the_run_is_said_to_be_complete(start, directory):
    status, said = start("killed")
    assert status != 0, said
    assert catalog.completion(directory) is None
    newest = catalog.committed(directory)[0].name.number
    status, said = start(ranks=1)
    assert (status, results(said)) == (0, RESULTS), said
    assert f"this run has finished (epoch {newest})" in said
    assert catalog.completion(directory).epoch == newest
