"""Signals, requests and the end of a job: exit statuses and what is left behind."""

import json

import pytest

from sauerkraut.checkpoint.requests import Request, write
from sauerkraut.testing import events

pytestmark = pytest.mark.job


def happened(directory):
    return [event["event"] for event in events(directory)]


@pytest.mark.parametrize("number", ["SIGUSR1", "SIGTERM"])
@pytest.mark.parametrize("ranks", [0, 1, 4])
def test_a_signal_on_one_rank_stops_all_and_the_same_command_goes_on(step, tmp_path, number, ranks):
    arguments = {"signal": number, "rank": 3 if ranks > 1 else 0}
    stopped = step("signalled", ranks, **arguments)
    assert stopped.status == 85, stopped.said
    assert stopped.values == {}
    assert happened(tmp_path / "ckpt")[-2:] == ["commit", "stop"]
    assert json.loads((tmp_path / "ckpt" / "OWNER").read_text())["released"]

    finished = step("signalled", ranks, **arguments)
    assert finished.status == 0, finished.said
    assert set(finished.values.values()) == {str(sum(range(40)))}
    assert len(finished.values) == max(1, ranks)
    assert "restart 1: going on from epoch 1" in finished.said


def test_usr2_checkpoints_and_goes_on(step, tmp_path):
    done = step("signalled", signal="SIGUSR2")
    assert done.status == 0, done.said
    assert len(done.values) == 4
    assert happened(tmp_path / "ckpt").count("commit") == 2  # that one and the final epoch
    assert "stop" not in happened(tmp_path / "ckpt")


def test_no_user_frame_is_unwound_at_a_stop(step, tmp_path):
    assert step("unwinding", signal="SIGTERM").status == 85
    assert len(list(tmp_path.glob("precious-*"))) == 4
    assert step("unwinding", signal="SIGTERM").status == 0
    assert list(tmp_path.glob("precious-*")) == []


def test_a_request_to_stop_is_satisfied_once(step, tmp_path):
    (tmp_path / "ckpt").mkdir(mode=0o700)
    path = write(tmp_path / "ckpt", Request("abc", stop=True, who="a test"))
    stopped = step("step_on", 2)
    assert stopped.status == 85, stopped.said
    assert not path.exists()
    write(tmp_path / "ckpt", Request("abc", stop=True))  # as if a kill had left its file
    finished = step("step_on", 2)
    assert finished.status == 0, finished.said
    assert finished.values[0] == "(820.0, (1, 1))"
    assert not path.exists()


def test_a_request_to_go_on_takes_one_checkpoint(step, tmp_path):
    (tmp_path / "ckpt").mkdir(mode=0o700)
    write(tmp_path / "ckpt", Request("abc", stop=False))
    done = step("step_on", 2)
    assert done.status == 0, done.said
    assert happened(tmp_path / "ckpt").count("commit") == 2


def test_a_finished_run_returns_its_recorded_values_on_every_rank(step):
    first = step("step_on", 2)
    again = step("step_on", 2)
    assert (first.status, again.status) == (0, 0), again.said
    assert again.values == first.values
    assert "this run has finished" in again.said
    fresh = step("step_on", 2, fresh=1)
    assert fresh.status == 0, fresh.said
    assert "this run has finished" not in fresh.said
