"""Tasks on ranks that are killed, and started again on other numbers of ranks.

TASK_KILLS in the environment is how many kills of ranks between which a task moves are counted.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

from sauerkraut.launch.progress import newest_epoch
from sauerkraut.storage import catalog
from sauerkraut.testing import Job
from tests.programs import exchanging

PROGRAM = Path(exchanging.__file__)
TASKS = exchanging.TASKS
LIMIT = 240  # seconds that a job may take
KILLS = int(os.environ.get("TASK_KILLS", "30"))

pytestmark = pytest.mark.job


def tasks_in_each_epoch(path):
    """Ids by epoch; the last one gathers what others return."""
    return [exchanging.tasks_in(entry.path)[:-1] for entry in catalog.committed(path)]


@pytest.fixture
def start(launcher, tmp_path):
    """Start the program on some ranks."""

    def start(ranks, turns, path="ckpt", interval="0.05s", **environment):
        words = [sys.executable, str(PROGRAM), path, str(turns), interval]
        output = tmp_path / "output"
        return Job(launcher, ranks, words, cwd=tmp_path, output=output, environment=environment)

    return start


@pytest.fixture
def results(tmp_path):
    """What all tasks returned, of a job that has ended."""

    def results(job):
        (tmp_path / "output").unlink(missing_ok=True)
        with job() as running:
            status = running.wait(LIMIT)
        said = (tmp_path / "output").read_text()
        assert status == 0, said
        return sorted(each for each in said.splitlines() if each.startswith(("wanders", "gathers")))

    return results


def under_way(moves):
    """The processes that a task moves between now."""
    pairs = exchanging.MOVE.iter_unpack(moves.read_bytes()[: TASKS * exchanging.MOVE.size])
    return [pid for source, dest in pairs if source != dest for pid in (source, dest)]


def wait_for_epoch(job, path, before):
    while job.status is None and newest_epoch(path) == before:
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("kills", "turns"), [(1, 60), pytest.param(20, 200, marks=pytest.mark.thorough)]
)
def test_kills(start, results, tmp_path, kills, turns):
    undisturbed = results(lambda: start(2, turns, "undisturbed", "1h"))
    assert len(undisturbed) == TASKS + 1
    draw, path = random.Random(3), tmp_path / "ckpt"
    for _ in range(kills):
        before = newest_epoch(path)
        with start(draw.choice([1, 2, 3, 4]), turns) as job:
            wait_for_epoch(job, path, before)
            time.sleep(draw.random() / 20)
            job.kill("rank", draw)
        assert all(ids == list(range(TASKS)) for ids in tasks_in_each_epoch(path))
    assert results(lambda: start(draw.choice([1, 3]), turns)) == undisturbed


@pytest.mark.thorough
def test_kills_of_ranks_between_which_a_task_moves(start, results, tmp_path):
    turns = 20 * KILLS
    undisturbed = results(lambda: start(2, turns, "undisturbed", "1h"))
    draw, path, moves = random.Random(5), tmp_path / "ckpt", tmp_path / "moves"
    hit = starts = 0
    while hit < KILLS:
        moves.write_bytes(bytes(TASKS * exchanging.MOVE.size + 8 * exchanging.PID.size))
        before = newest_epoch(path)
        with start(draw.choice([2, 3, 4]), turns, MOVES=str(moves)) as job:
            wait_for_epoch(job, path, before)
            time.sleep(draw.random() / 20)
            victims = []
            while job.status is None and not victims:
                victims = [pid for pid in under_way(moves) if pid in job.rank_pids()]
            assert victims, f"it ended after {hit} kills: {job.said()}"
            victim = draw.choice(victims)
            os.kill(victim, signal.SIGKILL)
            hit += victim in under_way(moves)
            starts += 1
        assert all(ids == list(range(TASKS)) for ids in tasks_in_each_epoch(path))
    print(f"{hit} of {starts} ranks were killed while a task moved from or to them")
    assert results(lambda: start(draw.choice([1, 3]), turns, MOVES=str(moves))) == undisturbed


def test_a_signal_stops_the_job_and_others_go_on(start, results, tmp_path):
    undisturbed = results(lambda: start(4, 100, "undisturbed", "1h"))
    with start(3, 100) as job:
        wait_for_epoch(job, tmp_path / "ckpt", 0)
        os.kill(job.rank_pids()[-1], signal.SIGUSR1)
        assert job.wait(LIMIT) == 85, job.said()
    assert results(lambda: start(2, 100)) == undisturbed


@pytest.mark.thorough
@pytest.mark.parametrize("then", [1, 2, 3, 4, 8])
def test_any_number_of_ranks_after_any_other(start, results, tmp_path, then):
    undisturbed = results(lambda: start(then, 100, "undisturbed", "1h"))
    for now in (1, 2, 3, 4, 8):
        path = f"from-{then}-to-{now}"
        with start(then, 100, path) as job:
            wait_for_epoch(job, tmp_path / path, 0)
            job.kill("all", random.Random(now))
        assert results(lambda path=path, now=now: start(now, 100, path)) == undisturbed
