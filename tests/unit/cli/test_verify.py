"""`sauerkraut verify`: 0 good, 1 damage, 2 usage."""


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
    assert [(each["epoch"], each["good"]) for each in done.json] == [(2, True)]


def test_an_epoch_that_is_not_there(sauerkraut, checkpoints):
    done = sauerkraut("verify", "--epoch", "9", checkpoints)

    assert done.status == 1
    assert "no committed epoch 9" in done.err
