"""How often to checkpoint, where nobody says."""

import math
import time

import pytest

import sauerkraut as skt
from sauerkraut.checkpoint import optimum
from sauerkraut.checkpoint.interval import Schedule
from sauerkraut.checkpoint.optimum import ASSUMED, Optimum, daly, time_between_failures
from sauerkraut.storage import events


def expected_time(interval, cost, failures_every):
    """Run time per second of work: segments of work and checkpoint, failures as they come.

    Daly's complete model (his equation 20) with a restart that costs nothing.
    """
    segment = interval + cost
    return failures_every * math.expm1(segment / failures_every) / interval


@pytest.mark.parametrize("cost", [0.1, 5.0, 60.0, 600.0])
@pytest.mark.parametrize("failures_every", [3600.0, 86400.0])
def test_no_other_interval_is_better(cost, failures_every):
    best = daly(cost, failures_every)
    least = expected_time(best, cost, failures_every)
    for factor in (0.5, 0.8, 1.25, 2.0):
        assert expected_time(best * factor, cost, failures_every) > least


def test_where_a_checkpoint_costs_more_than_two_failures():
    assert daly(10.0, 5.0) == 5.0


def line(incarnation, event, minute):
    time = f"2026-01-01T00:{minute:02}:00.000+00:00"
    return {"time": time, "incarnation": incarnation, "event": event}


def test_a_job_that_never_ran_is_assumed_to_fail_once_a_day():
    assert time_between_failures([]) == ASSUMED
    assert time_between_failures([line("a", "start", 0)]) == ASSUMED


def test_starts_that_neither_stopped_nor_completed_have_failed():
    log = [
        *(line("a", "start", 0), line("a", "commit", 10)),
        *(line("b", "restart", 11), line("b", "stop", 31)),
        *(line("c", "restart", 32), line("c", "commit", 40)),
        line("d", "restart", 41),
    ]
    assert time_between_failures(log) == (ASSUMED + 38 * 60) / 3


def test_a_log_without_sense_counts_for_nothing():
    odd = [{}, {"event": "stop"}, {"time": "soon"}, {"time": 5}, {"time": None, "incarnation": []}]
    assert time_between_failures(odd) == ASSUMED


@pytest.mark.parametrize(("given", "share"), [("2%", 0.02), (" 0.5 % ", 0.005), (0.1, 0.1)])
def test_a_budget_is_a_share(given, share):
    assert optimum.parse_budget(given) == pytest.approx(share)


@pytest.mark.parametrize("given", ["2", "200%", 0, 1, -0.1, "much", "2%%", [1], float("nan")])
def test_what_is_no_share_is_refused(given, tmp_path):
    with pytest.raises(ValueError, match="budget="):
        skt.Checkpointer(tmp_path / "ckpt", budget=given)


def test_a_budget_makes_an_interval_longer_and_never_shorter():
    rule = Optimum(600.0, ASSUMED, 0.02)
    assert rule(1.0) == 600.0
    assert rule(60.0) == pytest.approx(2940.0)  # 60 of 3000 seconds


def test_a_schedule_follows_what_checkpoints_cost():
    schedule = Schedule(60.0, 0.0, Optimum(None, ASSUMED, None))
    assert schedule.due(60.0)
    schedule.committed(70.0, 10.0)
    assert schedule.interval == daly(10.0, ASSUMED)
    schedule.committed(5000.0, 10.0)
    schedule.committed(9000.0, 500.0)  # once, as when others use the disk
    assert schedule.interval == daly(10.0, ASSUMED)


def test_the_last_checkpoint_is_kept_time_for():
    schedule = Schedule(60.0, 0.0, Optimum(None, ASSUMED, None), end=1000.0)
    schedule.committed(70.0, 10.0)
    assert not schedule.ending(969.0)
    assert schedule.ending(970.0)


def test_a_job_that_ends_too_soon_runs_on():
    assert not Schedule(60.0, 100.0, None, end=90.0).ending(200.0)


def test_a_log_that_cannot_be_read_is_warned_about(tmp_path, caplog):
    (tmp_path / "events.jsonl").mkdir()
    skt.Checkpointer(tmp_path, interval="auto", quiet=True).run(lambda: None)
    assert "the log cannot be read, failures are not counted: " in caplog.text


def test_checkpoints_keep_to_the_budget(tmp_path):
    def work():
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            skt.current().poll()
            time.sleep(0.001)

    ckpt = skt.Checkpointer(tmp_path, interval=0.01, budget="10%", quiet=True)
    ckpt.provide("slow", lambda: time.sleep(0.1) or {}, lambda _: None)
    ckpt.run(work)

    commits = [each for each in events.read(tmp_path) if each["event"] == "commit"]
    assert 1 <= len(commits) <= 3  # the last one is the end of the run
