"""When a checkpoint is due."""

from datetime import timedelta

import pytest

from sauerkraut.checkpoint.interval import Schedule, parse


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (30, 30.0),
        ("90s", 90.0),
        ("10min", 600.0),
        ("2h", 7200.0),
        ("1.5 h", 5400.0),
        (timedelta(minutes=2), 120.0),
        (None, None),
    ],
)
def test_an_interval_is_seconds_a_timedelta_a_text_or_none(given, seconds):
    assert parse(given) == seconds


@pytest.mark.parametrize("given", ["10", "ten min", "", "5 days", 0, -3, float("inf"), "0s"])
def test_what_is_no_positive_time_is_refused(given):
    with pytest.raises(ValueError, match="interval="):
        parse(given)


def test_another_type_is_refused():
    with pytest.raises(TypeError, match="not list"):
        parse([1])


def test_the_first_is_due_an_interval_after_the_run_began():
    schedule = Schedule(100.0, now=1000.0)
    assert not schedule.due(1099.0)
    assert schedule.due(1100.0)


def test_the_next_is_due_an_interval_after_the_commit():
    schedule = Schedule(100.0, now=0.0)
    schedule.committed(130.0)
    assert not schedule.due(229.0)
    assert schedule.due(230.0)


def test_without_an_interval_none_is_due():
    assert not Schedule(None, now=0.0).due(1e12)


def test_back_off_begins_at_a_minute_and_doubles_up_to_the_interval():
    schedule = Schedule(200.0, now=0.0)
    assert [schedule.failed(0.0) for _ in range(4)] == [60.0, 120.0, 200.0, 200.0]


def test_back_off_is_never_longer_than_a_short_interval():
    assert Schedule(5.0, now=0.0).failed(0.0) == 5.0


def test_nothing_is_due_while_backing_off_and_a_commit_ends_it():
    schedule = Schedule(10.0, now=0.0)
    schedule.failed(10.0)
    assert schedule.backing_off(19.0)
    assert not schedule.due(19.0)
    assert schedule.due(20.0)
    schedule.committed(20.0)
    assert schedule.failed(30.0) == 10.0
