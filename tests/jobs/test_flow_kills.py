"""A pipeline killed at random goes on behind its last commit, and ends as if undisturbed.

FLOW_KILLS in the environment is how many kills of one process to count; of four ranks, a quarter.
"""

import os
import random
import sys
import tempfile
from pathlib import Path

import pytest

from sauerkraut.errors import NoCheckpoint
from sauerkraut.flow import journal
from sauerkraut.flow.handlers import stored_at
from sauerkraut.storage import Trust, catalog
from sauerkraut.testing import Job
from tests.processes import run_python

PROGRAMS = Path(__file__).parents[1] / "programs"
KILLS = int(os.environ.get("FLOW_KILLS", "10"))
LIMIT = 120  # seconds that a job may take

pytestmark = pytest.mark.job


def stored_in_file(path):
    """Index of the step that the next run must start at."""
    contents = journal.read(path, Trust())
    records = [each.record for each in contents.frames if each.parts] if contents else []
    return {records[-1]["index"] if records else 0}


def stored_in_epochs(path):
    """Likewise; an attempt that was sealed on all ranks counts as well, as the next start does."""
    try:
        newest = next(iter(catalog.committed(path)), None)
    except NoCheckpoint:
        newest = None
    index = 0
    if newest is not None:
        index = catalog.read_manifest(newest.path).about.more["flow"]["index"]
    return {index, (index + 1) % 6}


def steps_that_ran(log, rank):
    file = Path(f"{log}.{rank}")
    ran = [int(line) for line in file.read_text().split()] if file.exists() else []
    file.unlink(missing_ok=True)
    return ran


@pytest.fixture
def in_memory():
    """A directory where there is no disk to wait for, on systems that have one."""
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="sauerkraut-flow-", dir=where) as directory:
        yield Path(directory)


def test_kills_of_one_process(in_memory):
    program = PROGRAMS / "pipeline.py"
    log = in_memory / "log"
    undisturbed = run_python(program, in_memory / "other.pkl", log, 1).stdout
    draw = random.Random(11)
    path, kills = in_memory / "checkpoint.pkl", 0
    steps_that_ran(log, 0)
    while kills < KILLS:
        kill = draw.choice(
            [
                ("call", draw.randint(1, 25)),
                ("step", draw.randint(1, 4)),
                ("time", draw.random() / 9),
            ]
        )
        (before,) = stored_in_file(path)
        done = run_python(program, path, log, 1, *kill, check=False)
        ran = steps_that_ran(log, 0)
        assert ran == list(range(before, before + len(ran))), kill
        if done.returncode == 0:
            assert done.stdout == undisturbed
            assert ran[-1] == 5
            continue
        assert done.returncode == -9, done.stderr
        kills += 1
    assert run_python(program, path, log, 1).stdout == undisturbed


def test_kills_of_four_ranks(launcher, tmp_path):
    log = tmp_path / "log"

    def run(path, *kill):
        output = tmp_path / "output"
        output.unlink(missing_ok=True)
        words = [sys.executable, PROGRAMS / "pipeline.py", path, log, "4", *kill]
        # what a job that is killed leaves in shared memory is removed with it
        with Job(launcher, 4, [*map(str, words)], cwd=tmp_path, output=output) as job:
            return job.wait(LIMIT), output.read_text()

    status, undisturbed = run(tmp_path / "other")
    assert (status, undisturbed.count("[0, ")) == (0, 4), undisturbed
    draw = random.Random(5)
    path, kills = tmp_path / "ckpt", 0
    for rank in range(4):
        steps_that_ran(log, rank)
    while kills < max(3, KILLS // 4):
        kill = draw.choice([("call", str(draw.randint(1, 40))), ("step", str(draw.randint(1, 4)))])
        before = stored_in_epochs(path)
        status, said = run(path, *kill)
        of_ranks = [steps_that_ran(log, rank) for rank in range(4)]
        for ran in of_ranks:
            if ran:
                assert ran[0] in before, (kill, said)
                assert ran == list(range(ran[0], ran[0] + len(ran))), kill
        assert len({ran[0] for ran in of_ranks if ran}) <= 1, kill
        if status == 0:
            assert said == undisturbed
            continue
        kills += 1
    assert run(path) == (0, undisturbed)


@pytest.fixture
def launched(on_ranks):
    """Run a program of tests/programs on ranks; its checkpoints are in ckpt."""

    def launched(ranks, program, *words):
        return on_ranks(ranks, PROGRAMS / program, "ckpt", *words, timeout=LIMIT)

    return launched


@pytest.mark.parametrize(
    ("scenario", "status", "told"),
    [
        ("raise", 1, ["rank 1 failed:", "ValueError: of no use"]),
        (
            "interrupt",
            1,
            ["rank 1 failed", "KeyboardInterrupt", "ckpt: step 1 'second' did not finish"],
        ),
        ("endless", 86, ["step 1 'second' took twice its timeout of 1 s", "in second"]),
        (
            "blocked",
            86,
            ["rank 1 failed in step 1 'second'", "of no use", "took twice its timeout of 1 s"],
        ),
    ],
)
def test_one_rank_alone_does_not_leave_the_others_waiting(
    launched, tmp_path, scenario, status, told
):
    done = launched(4, "pipeline_alone.py", scenario)
    assert done.returncode == status, done.stderr
    for each in told:
        assert each in done.stderr
    newest = next(iter(catalog.committed(tmp_path / "ckpt")))
    assert catalog.read_manifest(newest.path).about.step == 1
    if status == 1:
        failure = stored_at(tmp_path / "ckpt").read().failure
        assert told[1] in failure.error
        assert "in second" in failure.traceback or scenario == "interrupt"


@pytest.mark.parametrize("scenario", ["early", "polling"])
def test_who_fails_long_before_the_others_waits_for_them_to_try_again_together(
    launched, tmp_path, scenario
):
    done = launched(4, "pipeline_alone.py", scenario)
    assert done.returncode == 0, done.stderr
    assert "rank 1 failed in step 1 'second', and waits for the others" in done.stderr
    assert stored_at(tmp_path / "ckpt").read().newest.steps[1].tries == 2


def test_who_waits_for_ranks_that_are_gone_ends(launched, tmp_path):
    done = launched(4, "pipeline_alone.py", "gone")
    assert done.returncode != 0
    assert "rank 1 failed in step 1 'second', and waits for the others" in done.stderr
    newest = next(iter(catalog.committed(tmp_path / "ckpt")))
    assert catalog.read_manifest(newest.path).about.step == 1


def test_a_step_that_polls_goes_on_inside_on_all_ranks(launched):
    def run(*words):
        done = launched(2, "pipeline_polling.py", "2", *words)
        return sorted(done.stdout.splitlines()), done.stderr

    run("leave", "1")
    said, told = run()
    assert said == sorted(
        2 * ["turn 1", "turn 2", "turn 3"] + [f"third {6 + rank} [0, 1, 2, 3]" for rank in (0, 1)]
    ), told
