"""Programs built at random are captured anywhere, and resumed they end as if undisturbed."""

import os
import signal

import builder
import pytest
import runner

PARTS = 4  # which may run at the same time


@pytest.mark.parametrize("part", range(PARTS))
def test_built_programs(part):
    count = int(os.environ.get("SAUERKRAUT_BUILT", "300")) // PARTS
    least = 100 if count * PARTS >= 1000 else 0
    first = int(os.environ.get("SAUERKRAUT_BUILT_FROM", "0")) + part * 10**9
    constructs = runner.CONSTRUCTS[part::PARTS]
    report = runner.run(count, first, least, constructs)
    print(dict(report.outcomes), dict(report.open), dict(report.refusals))
    assert report.failures == []
    assert report.outcomes["same"] > 0.7 * count
    assert [each for each in constructs if report.open[each] < least] == []


# What once went wrong: an error in the capture, or a refused resume.
@pytest.mark.parametrize("seed", [10, 24, 36, 94, 117, 173, 232, 327, 361, 509, 533])
def test_seeds_that_once_failed(seed):
    assert runner.attempt(seed, generators=False, iterators=False)[0] in ("same", "refused")


def test_a_seed_whose_generator_a_restored_traceback_kept():
    assert runner.attempt(4883, iterators=False)[0] == "same"


def test_a_seed_gives_one_program():
    assert builder.build(5).source == builder.build(5).source
    assert builder.build(5).source != builder.build(6).source


def test_a_wrong_result_and_a_crash_are_found(monkeypatch):
    attempts = iter([("same", ("for",)), AssertionError("wrong"), "crash", ("same", ())])

    def attempt(seed):
        outcome = next(attempts)
        if outcome == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(runner, "attempt", attempt)
    lines, status = runner.batch(range(4))
    report = runner.Report()
    report.add(lines, status)
    assert dict(report.outcomes) == {"same": 1, "failed": 1, "crashed": 1}
    assert [seed for seed, _ in report.failures] == [1, 2]
