"""A pipeline killed at random goes on behind its last commit, and ends as if undisturbed."""

import os
import random
from pathlib import Path

import pytest

from sauerkraut.flow import journal
from sauerkraut.storage import Trust
from tests.processes import run_python

PROGRAM = Path(__file__).parents[1] / "programs" / "pipeline.py"
KILLS = 160 if int(os.environ.get("KILLS", "18")) >= 60 else 10

pytestmark = pytest.mark.job


def stored_index(path):
    """Index of the step that the next run must start at."""
    contents = journal.read(path, Trust())
    records = [each.record for each in contents.frames if each.parts] if contents else []
    return records[-1]["index"] if records else 0


def test_kills(tmp_path):
    undisturbed = run_python(PROGRAM, tmp_path / "other.pkl", tmp_path / "other.log").stdout
    draw = random.Random(11)
    path, log, kills = tmp_path / "checkpoint.pkl", tmp_path / "log", 0
    while kills < KILLS:
        kill = draw.choice(
            [
                ("call", draw.randint(1, 25)),
                ("step", draw.randint(1, 4)),
                ("time", draw.random() / 9),
            ]
        )
        before = stored_index(path)
        log.write_text("")
        done = run_python(PROGRAM, path, log, *kill, check=False)
        ran = [int(line) for line in log.read_text().split()]
        assert ran == list(range(before, before + len(ran))), kill
        if done.returncode == 0:
            assert done.stdout == undisturbed
            assert ran[-1] == 5
            continue
        assert done.returncode == -9, done.stderr
        kills += 1
    log.write_text("")
    assert run_python(PROGRAM, path, log).stdout == undisturbed
