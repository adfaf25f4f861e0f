"""`sauerkraut resume` starts the recorded command again, and judges by COMPLETE alone."""

import sys
from pathlib import Path

import pytest

from sauerkraut import storage
from sauerkraut.storage import Incarnation, Ownership


def test_dry_run_shows_directory_ranks_and_command(sauerkraut, checkpoints, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "7")

    document = sauerkraut("resume", "--dry-run", "--json", checkpoints).json

    mpiexec, *words = document["command"]
    assert Path(mpiexec).name == "mpiexec"
    assert words[:4] == ["-n", "2", sys.executable, "-c"]
    assert document["working_directory"] == str(tmp_path)
    assert document["environment"]["PYTHONHASHSEED"] == "7"
    assert (document["epoch"], document["ranks"]) == (3, 2)


def test_the_recorded_hash_seed_wins(sauerkraut, checkpoints, commit, monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    commit(hash_seed="5")

    document = sauerkraut("resume", "--dry-run", "--json", checkpoints).json

    assert document["environment"] == {"PYTHONHASHSEED": "5"}
    assert document["command"] == ["true"]  # one rank needs no launcher


def test_no_launcher_that_gives_the_ranks_one_world(sauerkraut, checkpoints, commit, tmp_path):
    commit(ranks=2)  # its command is no Python

    done = sauerkraut("resume", checkpoints)

    assert (done.status, done.err.count("\n")) == (1, 1)
    assert "no mpiexec gives two ranks" in done.err
    assert done.err.endswith("or say what starts them: --launcher 'srun -n 2'\n")


def test_another_launcher(sauerkraut, checkpoints):
    done = sauerkraut("resume", "--dry-run", "--launcher", "srun -n 2", checkpoints)

    assert " srun -n 2 " in done.out


def test_take_over_names_the_owner(sauerkraut, checkpoints):
    incarnation = Incarnation.of_this_job()
    Ownership.take(checkpoints, incarnation).close()

    document = sauerkraut("resume", "--dry-run", "--json", "--take-over", checkpoints).json

    assert document["environment"]["SAUERKRAUT_TAKE_OVER"] == incarnation.id


def test_launcher_that_ends_with_0_before_the_run_is_complete(sauerkraut, checkpoints):
    assert sauerkraut("resume", "--launcher", "env", checkpoints).status == 86


def test_status_of_the_launcher_is_passed_on(sauerkraut, checkpoints):
    launcher = f'{sys.executable} -c "raise SystemExit(85)"'

    assert sauerkraut("resume", "--launcher", launcher, checkpoints).status == 85


def test_complete_counts_whatever_the_launcher_says(sauerkraut, checkpoints):
    ownership = Ownership.take(checkpoints, Incarnation.of_this_job())
    newest = storage.catalog.committed(checkpoints)[0]
    storage.finish(ownership, storage.catalog.read_manifest(newest.path).epoch)
    ownership.release()

    assert sauerkraut("resume", "--launcher", "env", checkpoints).status == 0


def test_launcher_that_is_not_there(sauerkraut, checkpoints):
    done = sauerkraut("resume", "--launcher", "no-such-launcher", checkpoints)

    assert done.status == 1
    assert "cannot start no-such-launcher" in done.err


def test_a_checkpoint_that_cannot_be_asked_for(sauerkraut, checkpoints):
    text = (
        "import os, signal, time; os.rename('ckpt', 'away');"
        "os.kill(os.getppid(), signal.SIGUSR2); time.sleep(1)"
    )
    done = sauerkraut("resume", "--launcher", f'{sys.executable} -c "{text}"', checkpoints)

    assert done.status == 86
    assert "sauerkraut resume: [Errno 2] cannot create" in done.err


def test_nothing_committed(sauerkraut, tmp_path):
    assert sauerkraut("resume", tmp_path).status == 1


@pytest.mark.parametrize("dry", [True, False])
def test_a_command_that_somebody_else_may_have_written_is_not_run(sauerkraut, checkpoints, dry):
    (checkpoints / "epoch-00000003" / "manifest.h5").chmod(0o666)

    done = sauerkraut("resume", *["--dry-run"] * dry, "--launcher", "env", checkpoints)

    assert done.status == 87
    assert "may be written by others" in done.err
    assert done.out == ""


def test_a_launcher_that_does_not_parse(sauerkraut, checkpoints):
    done = sauerkraut("resume", "--launcher", "mpiexec '", checkpoints)

    assert (done.status, done.err.count("\n")) == (1, 1)
