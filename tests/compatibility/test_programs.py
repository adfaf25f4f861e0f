"""Programs not written here, unmodified: killed three times in a row, and equal by their own check.

Which they are, where they come from and what has to be said: docs/compatibility.md.
"""

import os
import random
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from sauerkraut.testing import Job, find_launcher, kill_and_resume
from tests.compatibility import sources
from tests.compatibility.programs import FARM, PROGRAMS

pytestmark = pytest.mark.foreign

RUN = [sys.executable, "-m", "sauerkraut", "run", "--dir", "ckpt"]
LIMIT = 300
KILLS = 3
SOON = {
    "PYTHONHASHSEED": "0",
    "OPENBLAS_NUM_THREADS": "1",
    "MPLBACKEND": "Agg",
    "SAUERKRAUT_SIGNAL_LATENCY": "0.1",
    "SAUERKRAUT_GIVE_UP": "60",
}


@pytest.fixture(scope="session")
def launcher():
    return find_launcher()


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """Put a program into a directory of its own, prepared as its authors do."""
    monkeypatch.chdir(tmp_path)
    for name, value in SOON.items():
        monkeypatch.setenv(name, value)

    def prepare(program):
        try:
            for file in program.fetched():
                shutil.copy(file, tmp_path)
            if program.packages:
                monkeypatch.setenv("PYTHONPATH", str(sources.packages(program.packages)))
        except sources.MissingError as missing:
            pytest.skip(str(missing))
        for command, *rest in program.prepare:
            words = [sys.executable if command == "python" else command, *rest]
            subprocess.run(words, stdin=subprocess.DEVNULL, timeout=LIMIT, check=True)

    return prepare


def outcome(program, said):
    """What the program says of its result, and the files it leaves."""
    results = {name: Path(name).read_bytes() for name in program.results}
    return sorted(re.findall(program.check, said, re.MULTILINE)), results


@pytest.mark.timeout(4 * LIMIT)
@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_killed_three_times_and_equal(program, prepared, launcher, tmp_path):
    prepared(program)
    plain = [sys.executable, program.script, *program.arguments]
    with Job(launcher, program.ranks, plain, cwd=tmp_path, output=tmp_path / "plain") as job:
        assert job.wait(LIMIT) == 0, job.said()
        expected = outcome(program, job.said())
    assert expected[0]
    for name in program.results:
        Path(name).unlink()

    started = []

    def start():
        last = len(started) >= KILLS and not program.inside
        words = [*RUN, "--every", "1h" if last else program.every, "--at", program.at]
        words += [*program.options, program.script, *program.arguments]
        output = tmp_path / f"output{len(started)}"
        started.append(
            Job(launcher, program.ranks, words, cwd=tmp_path, output=output, environment=os.environ)
        )
        return started[-1]

    kill_and_resume(
        start,
        tmp_path / "ckpt",
        random.Random(zlib.crc32(program.name.encode())),
        victim=program.victim,
        kills=KILLS,
        inside=program.inside,
        patience=LIMIT,
    )

    assert outcome(program, started[-1].said()) == expected


@pytest.mark.timeout(LIMIT)
def test_a_task_farm_ends_and_says_who_is_missing(prepared, launcher, tmp_path, monkeypatch):
    prepared(FARM)
    monkeypatch.setenv("SAUERKRAUT_PATIENCE", "2")
    monkeypatch.setenv("SAUERKRAUT_GIVE_UP", "10")
    words = [*RUN, "--every=0.001s", f"--at={FARM.at}", "--at=09-task-pull.py:65", FARM.script]
    with Job(launcher, FARM.ranks, words, cwd=tmp_path, output=tmp_path / "output") as job:
        assert job.wait(LIMIT) != 0
        assert re.search(r"missing ranks: .*; waiting: .*poll \d+ in <module>", job.said())
        assert "ending the job" in job.said()
