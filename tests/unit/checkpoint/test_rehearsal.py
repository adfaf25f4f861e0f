"""What cannot be captured: told at the second poll, and by each checkpoint."""

import pytest

import sauerkraut as skt
from sauerkraut.errors import CaptureError, RankError
from tests.unit.checkpoint.crashing import epochs


def test_the_rehearsal_refuses_at_the_second_poll(make, directory):
    polls = []

    def work():
        stuck = iter(memoryview(b"abc"))
        next(stuck)
        for step in range(5):
            polls.append(step)
            skt.current().poll(step)

    with pytest.raises(CaptureError, match="stuck") as raised:
        make().run(work)
    assert isinstance(raised.value, RankError)
    assert polls == [0, 1]
    assert epochs(directory) == []


def test_a_refusal_that_is_caught_is_told_once(make, directory):
    def work():
        stuck = iter(memoryview(b"abc"))
        next(stuck)
        refused = []
        for step in range(5):
            try:
                skt.current().poll(step)
            except CaptureError:
                refused.append(step)
                stuck = None
        return refused, skt.current().checkpoint().number

    assert make().run(work) == ([1], 1)


def test_a_rehearsal_without_a_second_poll_only_warns(make, caplog):
    def work():
        stuck = iter(memoryview(b"abc"))
        next(stuck)
        skt.current().poll()

    make().run(work)
    assert "stuck" in caplog.text


def test_without_rehearsal_nothing_is_refused_before_a_checkpoint(make):
    def work():
        stuck = iter(memoryview(b"abc"))
        next(stuck)
        for step in range(5):
            skt.current().poll(step)
        return "done"

    assert make(rehearse=False).run(work) == "done"


def test_a_failing_checkpoint_raises_and_leaves_the_run_able_to_go_on(make, directory):
    def work():
        stuck = iter(memoryview(b"abc"))
        next(stuck)
        with pytest.raises(CaptureError):
            skt.current().checkpoint()
        assert isinstance(skt.current().last_error, CaptureError)
        del stuck
        return skt.current().checkpoint().number

    assert make().run(work) == 1
