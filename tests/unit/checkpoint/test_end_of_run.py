"""The recorded end of a run that is lost, and a rival met in the last step."""

import dataclasses
import json
import signal
import time

import numpy as np
import pytest

import sauerkraut as skt
from sauerkraut import storage
from tests.unit.checkpoint.crashing import CrashError, epochs


def add_up():
    total = 0
    for step in range(4):
        total += step
        skt.current().checkpoint()
    return total


@pytest.mark.parametrize("loss", ["deleted", "damaged", "without a shard"])
def test_a_run_whose_last_epoch_is_lost_is_not_finished(make, directory, monkeypatch, loss):
    make(keep=5).run(add_up)
    last = directory / epochs(directory)[-1]
    if loss == "damaged":
        path = last / "shard-00000.h5"
        path.write_bytes(path.read_bytes()[:-1])
    else:
        for path in last.iterdir():
            if loss == "deleted" or path.name != "manifest.h5":
                path.unlink()
        if loss == "deleted":
            last.rmdir()
    # what rank 0 does not see is not waited for
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("waits"))
    assert make(keep=5).run(add_up) == 6
    complete = json.loads((directory / "COMPLETE").read_text())
    assert f"epoch-{complete['epoch']:08}" == epochs(directory)[-1]


def test_while_a_lost_end_is_computed_again_the_run_is_not_complete(make, directory):
    def look():
        skt.current().checkpoint()
        return (directory / "COMPLETE").exists()

    assert make(keep=5).run(look) is False
    last = directory / epochs(directory)[-1]
    for path in last.iterdir():
        path.unlink()
    last.rmdir()
    assert make(keep=5).run(look) is False


def test_an_end_recorded_without_a_control_section_is_read(make, directory, monkeypatch):
    begin = storage.write

    def write(attempt, piece, *more, **options):
        streams = tuple(each for each in piece.streams if each.name != "control")
        return begin(attempt, dataclasses.replace(piece, streams=streams), *more, **options)

    def fill(rows):
        rows += [np.arange(1e5), {"pair": (1, 2)}]
        return rows

    with monkeypatch.context() as early:  # as version 1 was written at first
        early.setattr(storage, "write", write)
        make().run(fill, [])
    (epoch,) = epochs(directory)
    with storage.Shard.open(directory / epoch / "shard-00000.h5") as shard:
        assert "control" not in shard.names()
    rows = []
    again = make()
    assert again.run(fill, rows) is rows
    assert again.restarted is not None
    assert rows[0][-1] == 99_999
    assert rows[1] == {"pair": (1, 2)}


@pytest.mark.parametrize("step", ["prune", "discard"])
def test_a_rival_that_is_met_in_the_last_step_ends_the_run(make, directory, monkeypatch, step):
    real = getattr(storage, step)

    def overtaken(ownership, *arguments):
        owner = ownership.incarnation
        rival = storage.Incarnation.of_this_job()
        storage.Ownership.take(directory, rival, take_over=owner.id, wait=0).close()
        return real(ownership, *arguments)

    def full(*arguments):
        raise skt.errors.StorageError(28, "no space", "shard")

    monkeypatch.setattr(storage, step, overtaken)
    if step == "discard":
        monkeypatch.setattr(storage, "write", full)
    ended = []

    def leave(group, code):
        ended.append(code)
        raise CrashError

    monkeypatch.setattr("sauerkraut.checkpoint.leaving.leave", leave)
    with pytest.raises(CrashError):
        make().run(lambda: skt.current().checkpoint())
    assert ended == [87]


def test_a_stop_that_is_asked_for_during_a_checkpoint_is_satisfied_by_it(
    make, directory, monkeypatch
):
    ended = []

    def leave(group, code):
        ended.append((code, epochs(directory)))
        raise CrashError

    def save():
        signal.raise_signal(signal.SIGUSR1)
        return {}

    monkeypatch.setattr("sauerkraut.checkpoint.leaving.leave", leave)
    ckpt = make()
    ckpt.provide("asks", save, lambda data: None)
    with pytest.raises(CrashError):
        ckpt.run(lambda: [skt.current().checkpoint() for _ in range(3)])
    assert ended == [(85, ["epoch-00000001"])]
