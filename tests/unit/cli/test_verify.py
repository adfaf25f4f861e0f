"""`sauerkraut verify`: 0 good, 1 damage, 2 usage."""

import shutil

from sauerkraut.storage import Finding, catalog


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
