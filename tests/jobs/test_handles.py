"""Handles of MPI in frames, attributes, containers and globals, of programs killed and resumed."""

import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.job

PROGRAMS = Path(__file__).resolve().parents[1] / "programs"
LIMIT = 90  # seconds that a job may take


@pytest.fixture
def start(on_ranks):
    """Run a program on some ranks; its status, and what each rank said."""

    def start(program, *words, ranks=4, **environment):
        done = on_ranks(
            *(ranks, PROGRAMS / program, *words),
            environment={"PYTHONHASHSEED": "0", **environment},
            stderr=subprocess.STDOUT,
            timeout=LIMIT,
        )
        said = sorted(line for line in done.stdout.splitlines() if line.startswith("rank "))
        return done.returncode, said, done.stdout

    return start


def killed_and_resumed(start, program, *kills, ranks=4):
    """What the ranks say at the end, after being killed at these steps, one after the other."""
    for kill in kills:
        status, _, output = start(program, ranks=ranks, KILL_AT=str(kill))
        assert status != 0, output
    status, said, output = start(program, ranks=ranks)
    assert status == 0, output
    return said


def undisturbed(start, program, tmp_path, ranks=4):
    """What they say when nothing happens, in a directory that is empty again afterwards."""
    status, said, output = start(program, ranks=ranks)
    assert status == 0, output
    assert len(said) == ranks, output
    (tmp_path / "ckpt").rename(tmp_path / "quiet")
    return said


def test_communicators_of_nested_frames_come_back(start, tmp_path):
    quiet = undisturbed(start, "communicators.py", tmp_path)
    assert killed_and_resumed(start, "communicators.py", 2, 4) == quiet


def test_handles_of_every_kind_come_back(start, tmp_path):
    quiet = undisturbed(start, "every_handle.py", tmp_path)
    assert killed_and_resumed(start, "every_handle.py", 1, 3) == quiet


def test_messages_in_flight_and_requests_come_back(start, tmp_path):
    quiet = undisturbed(start, "in_flight.py", tmp_path)
    status, _, output = start("in_flight.py", STOP_AT="1")
    assert status == 85, output
    assert killed_and_resumed(start, "in_flight.py", 3) == quiet


def test_windows_come_back_over_the_same_memory(start, tmp_path):
    quiet = undisturbed(start, "windows.py", tmp_path, ranks=2)
    assert killed_and_resumed(start, "windows.py", 1, 3, ranks=2) == quiet


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_files_hold_what_an_undisturbed_run_writes(start, tmp_path, ranks):
    def written():
        paths = [tmp_path / "matrix.dat", tmp_path / "log.txt", *tmp_path.glob("own-*")]
        found = {path.name: path.read_bytes() for path in paths}
        for path in paths:
            path.unlink()
        return found

    quiet = undisturbed(start, "mpi_files.py", tmp_path, ranks=ranks)
    expected = written()
    assert len(expected) == 2 + ranks
    assert expected["log.txt"].count(b"\n") == 6 * ranks
    assert killed_and_resumed(start, "mpi_files.py", 1, 3, ranks=ranks) == quiet
    assert written() == expected


@pytest.fixture(scope="module")
def hold_back(tmp_path_factory):
    """A library that holds messages back which MPI has reported as sent."""
    library = tmp_path_factory.mktemp("hold_back") / "hold_back.so"
    words = ["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", library]
    subprocess.run([*words, PROGRAMS / "hold_back.c", "-ldl"], check=True, timeout=LIMIT)
    return str(library)


@pytest.mark.parametrize("kills", [(), pytest.param((1,), marks=pytest.mark.thorough)])
def test_a_message_that_no_probe_sees_is_not_lost(start, hold_back, kills):
    for kill in kills:
        status, _, output = start("held_back.py", ranks=2, LD_PRELOAD=hold_back, KILL_AT=str(kill))
        assert status != 0, output
    _, said, output = start("held_back.py", ranks=2, LD_PRELOAD=hold_back)
    assert said == [
        f"rank {rank}: seen by a probe: False, received: from {1 - rank}" for rank in range(2)
    ], output
