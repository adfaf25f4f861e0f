"""A job whose stack is full of generators is killed inside of them and goes on there."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.job

PROGRAM = Path(__file__).resolve().parents[1] / "programs" / "generators.py"


def results(directory):
    return {path.name: path.read_bytes() for path in directory.glob("result-*.txt")}


def test_killed_inside_of_generators(step, tmp_path):
    quiet = step("-1", ranks=2, program=PROGRAM)
    assert quiet.status == 0, quiet.said
    expected = results(tmp_path)
    assert len(expected) == 2
    (tmp_path / "ckpt").rename(tmp_path / "quiet")
    for name in expected:
        (tmp_path / name).unlink()

    killed = step("24", ranks=2, program=PROGRAM)
    assert killed.status != 0, killed.said
    assert not results(tmp_path)

    done = step("24", ranks=2, program=PROGRAM)
    assert done.status == 0, done.said
    assert results(tmp_path) == expected
