"""A start that does not fit what is there: one line, exit status 87, nothing changed."""

import json
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.job


@pytest.fixture
def crashed(step):
    """A directory with one epoch of two ranks."""
    done = step("crash_after_a_checkpoint", 2)
    assert done.status == 1, done.said
    assert done.said.count("ArithmeticError: crash") == 2


def refused(done, name, *words):
    assert done.status == 87, done.said
    lines = [line for line in done.said.splitlines() if line.startswith("sauerkraut: ")]
    assert len(lines) == 1, done.said
    assert lines[0].startswith(f"sauerkraut: {name}: ")
    assert all(word in lines[0] for word in words), lines
    assert "Traceback" not in done.said
    return True


def test_another_number_of_ranks_is_refused_and_the_right_one_goes_on(step, crashed):
    done = step("crash_after_a_checkpoint", 3)
    assert refused(done, "WorldSizeMismatch", "2 ranks wrote", "this job has 3")
    done = step("crash_after_a_checkpoint", 2)
    assert done.values == {0: "[0, 1]", 1: "[1, 1]"}, done.said


def test_other_arguments_are_refused(step, crashed):
    assert refused(step("crash_after_a_checkpoint", 2, n=2), "ArgumentsChanged", "1", "2")


def test_a_changed_function_is_refused_showing_the_change(step, crashed, stepping, tmp_path):
    changed = tmp_path / "stepping.py"
    text = stepping.read_text()
    changed.write_text(text.replace("held = [rank, n]", "held = [rank, n, 99]"))
    done = step("crash_after_a_checkpoint", 2, program=changed)
    assert refused(done, "CodeChanged", "crash_after_a_checkpoint")


def test_a_directory_of_a_living_owner_is_refused(step, stepping, tmp_path):
    with subprocess.Popen(
        [sys.executable, str(stepping), "step_on", "ckpt", "mpi=0", "steps=1000", "pause=0.05"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as first:
        try:
            deadline = time.monotonic() + 30
            while not (tmp_path / "ckpt" / "events.jsonl").exists():
                assert time.monotonic() < deadline
                time.sleep(0.05)
            done = step("step_on", 0, environment={"SAUERKRAUT_OWNER_WAIT": "0.2"})
            assert done.status == 87, done.said
            assert f"pid {first.pid}" in done.said
            assert "SAUERKRAUT_TAKE_OVER=" in done.said
        finally:
            first.kill()


def test_wrong_bytes_in_every_epoch_are_never_a_fresh_start(step, crashed, tmp_path):
    for shard in (tmp_path / "ckpt").glob("epoch-*/shard-00001.h5"):
        data = bytearray(shard.read_bytes())
        data[len(data) // 2] ^= 1
        shard.write_bytes(data)
    done = step("crash_after_a_checkpoint", 2)
    assert done.status == 87, done.said
    assert "sauerkraut: CorruptCheckpoint: " in done.said
    assert "set aside as epoch-00000001.damaged-" in done.said
    assert step("crash_after_a_checkpoint", 2).status == 87
    assert step("crash_after_a_checkpoint", 2, fresh=1).status == 1  # the scenario's own crash


def test_an_incarnation_that_was_taken_over_ends_without_writing(step, stepping, tmp_path):
    words = ["step_on", "ckpt", "mpi=0", "steps=600", "pause=0.01", "interval=0.1s"]
    with subprocess.Popen(
        [sys.executable, str(stepping), *words],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as first:
        try:
            deadline = time.monotonic() + 30
            while not list((tmp_path / "ckpt").glob("epoch-????????")):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            owner = json.loads((tmp_path / "ckpt" / "OWNER").read_text())
            rival = {"SAUERKRAUT_TAKE_OVER": owner["incarnation"]}
            done = step("step_on", 0, environment=rival)
            said, _ = first.communicate(timeout=30)
        finally:
            first.kill()
    assert first.returncode == 87, said
    assert "Superseded: " in said
    assert "Traceback" not in said
    assert done.status == 0, done.said
    assert "restart 1: going on from epoch" in done.said
