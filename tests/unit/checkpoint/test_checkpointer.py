"""One process under a Checkpointer: what a program sees, without MPI."""

import time
from datetime import UTC, datetime

import numpy as np
import pytest

import sauerkraut as skt
from tests.unit.checkpoint.crashing import CrashError, epochs, events, notes


def test_run_returns_what_the_function_returns(make, directory):
    assert make().run(lambda a, b=2: a + b, 3, b=4) == 7
    assert (directory / "COMPLETE").exists()


def test_a_finished_run_returns_the_recorded_value_without_computing(make):
    ran = []

    def compute():
        ran.append(1)
        return np.arange(5.0)

    make().run(compute)
    again = make()
    assert again.run(compute).tolist() == [0, 1, 2, 3, 4]
    assert ran == [1]
    assert again.restarted is not None


def test_fresh_sets_aside_what_is_there(make, directory):
    make().run(int, "3")
    assert make().run(int, "4", fresh=True) == 4
    assert make().run(int, "4") == 4


def test_a_value_that_cannot_be_captured_is_returned_and_warned_about(make, directory, caplog):
    value = make().run(iter, memoryview(b"abc"))
    assert value is not None
    assert "the end of the run was not stored" in caplog.text
    assert not (directory / "COMPLETE").exists()


def test_an_error_of_the_function_propagates_and_releases_the_directory(make):
    def fail():
        raise CrashError("here")

    with pytest.raises(CrashError, match="here"):
        make().run(fail)
    assert make().run(int, "1") == 1


def test_what_c_makes_of_the_frames_value_is_refused(make):
    """A restart would return the value of the key, or of __init__."""
    ckpt = make()

    def key(x):
        ckpt.checkpoint()
        return x

    class Made:
        __init__ = key

    with pytest.raises(skt.CaptureError, match=r"entered from C by .* sorted"):
        ckpt.run(sorted, [2, 1], key=key)
    ckpt = make()
    with pytest.raises(skt.CaptureError, match="calls a class"):
        ckpt.run(Made)


def test_checkpoint_returns_the_epoch_then_the_restart(make, directory):
    def work():
        local = [1, 2]
        notes.append(skt.current().checkpoint(heat=2.5))
        local.append(3)
        if isinstance(notes[-1], skt.Epoch):
            raise CrashError
        return local

    before = datetime.now(UTC)
    with pytest.raises(CrashError):
        make().run(work)
    epoch = notes[0]
    assert (epoch.number, epoch.step, dict(epoch.metrics)) == (1, None, {"heat": 2.5})
    assert before <= epoch.when <= datetime.now(UTC)
    assert epoch.path == directory / "epoch-00000001"
    assert epoch.path.is_dir()
    assert epoch.bytes > 0

    second = make()
    assert second.run(work) == [1, 2, 3]
    restart = notes[-1]
    assert restart
    assert (restart.epoch, restart.count, restart.when) == (1, 1, epoch.when)
    assert restart.metrics == {"heat": 2.5}
    assert second.restarted == restart


def test_a_run_comes_back_inside_its_loops(make):
    def inner(i):
        for j in range(3):
            notes.append((i, j))
            back = skt.current().checkpoint()
            if isinstance(back, skt.Epoch) and len(notes) == 5:
                raise CrashError

    def outer():
        for i in range(3):
            inner(i)
        return "done"

    with pytest.raises(CrashError):
        make().run(outer)
    reached = list(notes)
    assert make().run(outer) == "done"
    assert notes[: len(reached)] == reached
    assert notes[len(reached) :] == [(1, 2), (2, 0), (2, 1), (2, 2)]


def test_restarts_are_counted_along_the_timeline(make):
    def work(starts):
        for i in range(3):
            back = skt.current().checkpoint()
            if isinstance(back, skt.Restart):
                notes.append((back.epoch, back.count))
            elif i < 2:
                raise CrashError
        return starts

    for _ in range(2):
        with pytest.raises(CrashError):
            make().run(work, 1)
    assert make().run(work, 1) == 1
    assert notes == [(1, 1), (2, 2)]


def test_keep_prunes_older_epochs(make, directory):
    def work():
        for _ in range(4):
            skt.current().checkpoint()
        raise CrashError

    with pytest.raises(CrashError):
        make(keep=2).run(work)
    assert epochs(directory) == ["epoch-00000003", "epoch-00000004"]


def test_poll_checkpoints_when_the_interval_is_over(make, directory):
    def work():
        for step in range(2000):
            skt.current().poll(step, 2000, heat=0.5)
            time.sleep(0.001)
            if skt.current().last:
                return skt.current().last
        return None

    epoch = make(interval=0.05).run(work)
    assert epoch.number == 1
    assert 0 < epoch.step < 2000
    assert epoch.metrics == {"heat": 0.5}


def test_poll_returns_the_restart_at_the_very_call_that_came_back(make):
    def work():
        for step in range(100_000):
            back = skt.current().poll(step)
            if back:
                return step, back
            if skt.current().last:
                raise CrashError
            time.sleep(0.0005)
        return None

    with pytest.raises(CrashError):
        make(interval=0.02).run(work)
    step, back = make(interval=0.02).run(work)
    assert back.step == step


def test_calls_outside_run_are_refused(make):
    ckpt = make()
    for call in (ckpt.poll, ckpt.checkpoint, skt.current):
        with pytest.raises(RuntimeError):
            call()
    assert ckpt.run(int, "3") == 3
    for call in (ckpt.poll, ckpt.poll, ckpt.checkpoint, skt.current):
        with pytest.raises(RuntimeError):
            call()
    with pytest.raises(RuntimeError, match="once"):
        ckpt.run(int, "3")
    with pytest.raises(RuntimeError, match="before run"):
        ckpt.provide("x", dict, print)


@pytest.mark.parametrize(
    "options",
    [
        {"interval": "soon"},
        {"keep": 0},
        {"on_failure": "ignore"},
        {"globals": "all"},
        {"code_changes": "none"},
        {"share": "world"},
        {"on_changed": "ignore"},
    ],
)
def test_arguments_that_mean_nothing_are_refused(make, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        make(**options)


def test_close_is_optional_and_may_be_a_context(make):
    with make() as ckpt:
        ckpt.run(int, "1")
    ckpt.close()
    with pytest.raises(RuntimeError, match="closed"):
        ckpt.run(int, "1")


def test_what_happened_is_in_the_log_of_events(make, directory):
    def work():
        if isinstance(skt.current().checkpoint(), skt.Epoch):
            raise CrashError

    with pytest.raises(CrashError):
        make().run(work)
    make().run(work)
    assert events(directory) == [
        *("start", "begin", "sealed", "commit"),
        *("restart", "begin", "sealed", "commit", "complete"),
    ]
