"""`sauerkraut verify`: 0 good, 1 damage, 2 usage."""

import shutil

import pytest

from sauerkraut import storage
from sauerkraut.settings import Settings
from sauerkraut.storage import Finding, Incarnation, Ownership, Trust, catalog


def test_good_epochs(sauerkraut, checkpoints):
    done = sauerkraut("verify", checkpoints)

    assert done.status == 0
    assert [line.split(",")[0] for line in done.out.splitlines()] == [
        f"epoch {number}: good" for number in (3, 2, 1)
    ]


def test_one_flipped_byte_is_found_and_named(sauerkraut, checkpoints, damage):
    damage()

    done = sauerkraut("verify", checkpoints)

    assert done.status == 1
    assert done.out.startswith("epoch 3: DAMAGED\n  shard-00001.h5")
    assert "epoch 2: good" in done.out


def test_only_the_epoch_asked_for(sauerkraut, checkpoints, damage):
    damage()

    done = sauerkraut("verify", "--epoch", "2", "--json", checkpoints)

    assert done.status == 0
    assert [(each["epoch"], each["good"]) for each in done.json["epochs"]] == [(2, True)]


def test_files_that_belong_to_no_epoch_are_mentioned(sauerkraut, checkpoints):
    for name in ("notes.txt", "epoch-00000002/shard-00009.h5", "epoch-00000007"):
        (checkpoints / name).write_text("mine")

    done = sauerkraut("verify", checkpoints)

    assert done.status == 0
    strange = "epoch-00000007, notes.txt, epoch-00000002/shard-00009.h5"
    assert done.out.splitlines()[-1] == f"not of any epoch, left alone: 3 ({strange})"
    assert sauerkraut("verify", "--json", checkpoints).json["others"] == strange.split(", ")


def test_an_epoch_that_is_not_there(sauerkraut, checkpoints):
    done = sauerkraut("verify", "--epoch", "9", checkpoints)

    assert done.status == 1
    assert "no committed epoch 9" in done.err


def test_an_epoch_that_a_run_removes_meanwhile_is_no_damage(sauerkraut, checkpoints, monkeypatch):
    real = catalog.verify

    def removed(epoch, trust):
        if epoch.name == "epoch-00000001":
            shutil.rmtree(epoch)
        return real(epoch, trust)

    monkeypatch.setattr(catalog, "verify", removed)
    done = sauerkraut("verify", checkpoints)
    assert done.status == 0
    assert "epoch 1" not in done.out


def test_what_a_terminal_would_obey_is_not_printed(sauerkraut, checkpoints, monkeypatch):
    finding = Finding("a\033[31m\nepoch 1: good", None, "b")
    monkeypatch.setattr(catalog, "verify", lambda epoch, trust: [finding])
    done = sauerkraut("verify", "--epoch", 3, checkpoints)
    assert done.out == "epoch 3: DAMAGED\n  a\\x1b[31m\\nepoch 1: good: b\n"


@pytest.fixture
def keyed(checkpoints, tmp_path, monkeypatch):
    """A fourth epoch, with a key that is not set any more; the path of its file."""
    key = tmp_path / "key"
    key.write_text("secret")
    key.chmod(0o600)
    monkeypatch.setenv("SAUERKRAUT_KEY_FILE", str(key))
    trust = Trust.of(Settings.from_environment())
    monkeypatch.delenv("SAUERKRAUT_KEY_FILE")
    ownership = Ownership.take(checkpoints, Incarnation.of_this_job())
    attempt = storage.begin(ownership, world_size=1, parent=None, about=storage.About())
    seal = storage.write(attempt, storage.Piece(0, ()), trust)
    storage.publish(ownership, attempt, [seal], seconds=0.1, trust=trust)
    ownership.release()
    return key


def test_an_epoch_with_a_key_is_not_checked_without_it(sauerkraut, checkpoints, keyed):
    done = sauerkraut("verify", checkpoints)

    assert done.status == 87
    assert done.out.startswith("epoch 4: not checked\nepoch 3: good")
    assert "set SAUERKRAUT_KEY_FILE" in done.err
    assert done.err.count("\n") == 1
    newest, *others = sauerkraut("verify", "--json", checkpoints).json["epochs"]
    assert newest["good"] is None
    assert "SAUERKRAUT_KEY_FILE" in newest["refused"]
    assert all(each["good"] and each["refused"] is None for each in others)


def test_with_its_key_or_another(sauerkraut, checkpoints, keyed, monkeypatch):
    monkeypatch.setenv("SAUERKRAUT_KEY_FILE", str(keyed))
    assert sauerkraut("verify", "--epoch", 4, checkpoints).status == 0
    keyed.write_text("another")
    done = sauerkraut("verify", "--epoch", 4, checkpoints)
    assert (done.status, done.out) == (87, "epoch 4: not checked\n")
    assert "another key" in done.err


def test_damage_counts_more_than_what_could_not_be_checked(sauerkraut, checkpoints, keyed, damage):
    damage()

    assert sauerkraut("verify", checkpoints).status == 1
