"""A pipeline inside of Checkpointer.run, killed at random, goes on behind the newest epoch.

FLOW_KILLS in the environment is how many kills of one process to count; of four ranks, a quarter.
"""

import os
import random
import sys
from pathlib import Path

import pytest

from sauerkraut.errors import NoCheckpoint
from sauerkraut.storage import catalog
from sauerkraut.testing import Job

PROGRAM = Path(__file__).parents[1] / "programs" / "pipeline_inside.py"
KILLS = int(os.environ.get("FLOW_KILLS", "10"))
LIMIT = 120  # seconds that a job may take
ENTRIES = [
    *("step 0", "step 1", "step 2", "turn 0", "turn 1", "turn 2"),
    *("step 3", "step 3", "step 4"),  # it fails once
]
STEPS = [0, 1, 2, 6, 8, 9]  # entries there are when so many steps are done
EPOCHS = [0, 1, 2, 4, 5, 6, 6, 8, 9, 9]  # likewise, with those of the turns and the final one

pytestmark = pytest.mark.job


def entries_stored(path):
    """How many entries the next run has behind it.

    An attempt that was sealed on all ranks counts as an epoch as well, as for the next start.
    """
    try:
        newest = next(iter(catalog.committed(path)), None)
    except NoCheckpoint:
        newest = None
    if newest is None:
        return {0}
    metrics = catalog.read_manifest(newest.path).epoch.metrics
    if "turn" in metrics:
        done = 4 + int(metrics["turn"])
    else:
        done = STEPS[int(metrics.get("steps_done", -1))]
    return {done, next((each for each in EPOCHS if each > done), done)}


@pytest.fixture
def run(launcher, tmp_path):
    """Run the program on ranks until it ends: its status, what it said, the entries by rank."""

    def run(ranks, path, *kill):
        log, output = tmp_path / "log", tmp_path / "output"
        output.unlink(missing_ok=True)
        words = [sys.executable, PROGRAM, tmp_path / path, log, ranks, *kill]
        with Job(launcher, ranks, [*map(str, words)], cwd=tmp_path, output=output) as job:
            status = job.wait(LIMIT)
        entries = {}
        for rank in range(ranks):
            file = Path(f"{log}.{rank}")
            entries[rank] = file.read_text().splitlines() if file.exists() else []
            file.unlink(missing_ok=True)
        told = output.read_text().splitlines()
        return status, told if status else told[-1], entries

    return run


@pytest.mark.parametrize(
    ("ranks", "kills"),
    [(4, 1), *(pytest.param(n, KILLS // n, marks=pytest.mark.thorough) for n in (1, 4))],
)
def test_no_step_runs_again_behind_its_epoch(run, tmp_path, ranks, kills):
    status, undisturbed, entries = run(ranks, "other")
    assert status == 0, undisturbed
    assert entries == dict.fromkeys(range(ranks), ENTRIES)
    draw, counted, finished = random.Random(ranks), 0, 0
    while counted < kills:
        path = f"ckpt {finished}"
        kill = draw.choice([("call", draw.randint(1, 60)), ("entry", draw.randint(1, 6))])
        stored = entries_stored(tmp_path / path)
        status, said, entries = run(ranks, path, *map(str, kill))
        for ran in filter(None, entries.values()):
            begins = [each for each in stored if ENTRIES[each : each + len(ran)] == ran]
            assert begins, (kill, stored, ran, said)
        if status == 0:
            assert said == undisturbed
            finished += 1
        else:
            counted += 1
    status, said, _ = run(ranks, f"ckpt {finished}")
    assert (status, said) == (0, undisturbed)
