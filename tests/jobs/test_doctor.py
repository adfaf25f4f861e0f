"""What `sauerkraut doctor` says of launchers, tried with real ones."""

import json
import shlex
import sys

import pytest

pytestmark = pytest.mark.job


@pytest.fixture
def told(on_ranks):
    """Exit status, and the checks of the launcher: state and text."""

    def told(launcher):
        words = ["-m", "sauerkraut", "doctor", "--json", "--launcher", launcher]
        done = on_ranks(0, *words, timeout=90)
        checks = json.loads(done.stdout)["checks"]
        found = [(each["state"], each["text"]) for each in checks if "launcher" in each["name"]]
        return done.returncode, found

    return told


def test_a_launcher_of_this_mpi_is_good(told, launcher):
    words = launcher.command(2)
    before = words[: words.index("-n")]
    _, found = told(shlex.join(before))
    assert found[0] == ("good", f"{before[0]} starts one world"), found


def test_a_launcher_of_another_mpi_is_bad(told, tmp_path):
    path = tmp_path / "mpiexec"  # `mpiexec -n 2 WORDS`, and the processes know nothing of another
    path.write_text('#!/bin/sh\nshift 2\n"$@"\n"$@"\n')
    path.chmod(0o755)
    status, found = told(str(path))
    assert status == 1
    assert found[0] == (
        "bad",
        f"{path} starts jobs of one rank: it is of another MPI than mpi4py's",
    ), found


@pytest.mark.thorough
def test_a_command_that_starts_nothing_is_noted(told):
    _, found = told(sys.executable)
    assert found[0][0] == "note"
    assert "does not start two ranks" in found[0][1]


@pytest.mark.thorough
def test_no_launcher_is_noted(told):
    _, found = told("mpiexec.nowhere")
    assert found == [("note", "no mpiexec.nowhere on PATH: jobs of one process only, or srun")], (
        found
    )
