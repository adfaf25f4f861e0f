"""A program that writes a line per step through files of every mode is killed twenty times."""

import random
from pathlib import Path

import pytest

from tests.processes import run_python

pytestmark = pytest.mark.job

PROGRAM = Path(__file__).resolve().parents[1] / "programs" / "every_mode.py"
KILLS = 20


def prepare(directory):
    directory.mkdir()
    lines = [f"line {i} äöü\n" for i in range(300)]
    (directory / "input.txt").write_text("".join(lines), encoding="utf-8")
    (directory / "input.bin").write_bytes(bytes(range(256)) * 2)
    return directory


def run(directory, kill_at=0):
    return run_python(
        PROGRAM,
        cwd=directory,
        env={"PYTHONHASHSEED": "0", "KILL_AT": str(kill_at), "SAUERKRAUT_OWNER_WAIT": "0"},
        timeout=120,
        check=False,
    )


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


@pytest.mark.slow
def test_output_is_that_of_a_quiet_run(tmp_path):
    quiet, killed = prepare(tmp_path / "quiet"), prepare(tmp_path / "killed")
    done = run(quiet)
    assert done.returncode == 0, done.stderr
    chance = random.Random(1)
    for _ in range(KILLS):
        done = run(killed, kill_at=chance.randint(30, 75))
        assert done.returncode == -9, done.stderr
    done = run(killed)
    assert done.returncode == 0, done.stderr
    before, after = contents(quiet), contents(killed)
    assert before.keys() == after.keys()
    for name, data in before.items():
        assert after[name] == data, name
    assert before["text.log"].count(b"\n") == 300
