"""What the end of a start means: COMPLETE decides, and never the launcher's status."""

import pytest

from sauerkraut.launch.verdict import End, judge

END = {
    "status": 0,
    "complete": False,
    "asked": False,
    "requested": False,
    "time_is_over": False,
    "progress": True,
    "restarts_left": 3,
}
AGAIN = None


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ({"complete": True}, 0),
        ({}, AGAIN),  # Open MPI's launcher after it has lost a node
        ({"status": 137}, AGAIN),
        ({"status": 86}, AGAIN),
        ({"status": 87}, 87),
        ({"status": 85}, AGAIN),
        ({"status": 85, "asked": True}, 85),
        ({"status": 85, "requested": True}, 85),
        ({"status": 85, "time_is_over": True}, 85),
        ({"status": 137, "time_is_over": True}, AGAIN),
        ({"status": 137, "asked": True}, 86),
        ({"asked": True}, 86),
        ({"complete": True, "asked": True}, 0),
        ({"status": 1, "restarts_left": 0, "progress": False}, 87),
        ({"restarts_left": 0, "progress": False}, 87),
        ({"status": 1, "restarts_left": 0}, 86),
        ({"complete": True, "status": 3}, AGAIN),  # the save after the run must not be lost
        ({"complete": True, "status": 3, "restarts_left": 0}, 3),
        ({"complete": True, "status": 3, "asked": True}, 86),
    ],
)
def test_what_an_end_means(end, status):
    assert judge(End(**(END | end))).status == status
