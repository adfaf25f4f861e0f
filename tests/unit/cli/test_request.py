"""`sauerkraut request` where nobody answers."""

import pytest

from sauerkraut.storage import Incarnation, Ownership, layout


@pytest.fixture
def owned(checkpoints):
    """The directory of a run that lives: this process's, which never polls."""
    ownership = Ownership.take(checkpoints, Incarnation.of_this_job())
    yield checkpoints
    ownership.close()


def requested(directory):
    return [path for path in directory.iterdir() if layout.request_id(path.name)]


def test_no_run_uses_the_directory(sauerkraut, checkpoints, tmp_path):
    done = sauerkraut("request", checkpoints)
    assert (done.status, "no run uses it now" in done.err) == (1, True)
    assert sauerkraut("request", tmp_path / "nothing").status == 1
    assert requested(checkpoints) == []


def test_without_waiting_the_request_stays(sauerkraut, owned):
    done = sauerkraut("request", "--stop", "--no-wait", "--json", owned)

    assert done.status == 0
    assert (done.json["stop"], done.json["epoch"]) == (True, None)
    assert [path.name for path in requested(owned)] == [f"request-{done.json['request']}"]


def test_when_time_is_up_the_request_is_taken_back(sauerkraut, owned):
    done = sauerkraut("request", "--timeout", "0.3", owned)

    assert (done.status, "no answer in 0.3 s" in done.err) == (1, True)
    assert requested(owned) == []
