"""A disk that is full kills no healthy run; what was asked for and cannot be had does."""

import pytest

from sauerkraut.checkpoint.requests import Request, write
from sauerkraut.testing import events

pytestmark = pytest.mark.job


@pytest.mark.parametrize("ranks", [0, 4])
def test_a_full_disk_warns_and_is_tried_again(step, tmp_path, ranks):
    done = step(
        "full_disk", ranks, interval="0.1s", at=0, until=40, steps=100, rank=max(0, ranks - 1)
    )
    assert done.status == 0, done.said
    assert set(done.values.values()) == {"(True, True, True)"}, done.said
    assert "File too large" in done.said
    assert "no epoch of this run was committed yet; next try in 1 s" in done.said
    names = [event["event"] for event in events(tmp_path / "ckpt")]
    assert "failed" in names
    assert names.index("failed") < names.index("commit")
    assert list((tmp_path / "ckpt").glob("*.partial-*")) == []


def test_a_failure_raises_on_all_ranks_when_asked_to(step):
    done = step("full_disk", 2, interval="0.1s", at=0, until=90, steps=100, on_failure="raise")
    assert done.status == 1, done.said
    assert done.said.count("writing epoch 1: rank 1: ") == 2, done.said


def test_stopping_without_a_checkpoint_raises(step, tmp_path):
    (tmp_path / "ckpt").mkdir(mode=0o700)
    write(tmp_path / "ckpt", Request("abc", stop=True))
    done = step("full_disk", 2, at=0, until=90, steps=100)
    assert done.status == 1, done.said
    assert done.said.count("writing epoch 1: rank 1: ") == 2, done.said
