"""`benchmarks/mpi.py`: what it counts holds on every machine; its times are only run."""

from pathlib import Path

import pytest

from tests.processes import run_python

pytestmark = [pytest.mark.job, pytest.mark.timeout(600)]

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "mpi.py"


def printed(*words):
    return run_python(BENCHMARK, *words, timeout=600).stdout


def row(table, label):
    (found,) = [line for line in table.splitlines() if line.startswith(label)]
    return found.removeprefix(label).split(maxsplit=2)


def test_calls_of_mpi_do_not_grow_with_the_ranks():
    table = printed("--only=counts", "--ranks", "2", "4")
    for idle in row(table, "of 64 polls, those without a call"):
        assert 0 < int(idle) <= 57, table  # fewer where the machine is slow for a moment
    for label, calls in {
        "poll, at a consensus                calls": "1",
        "poll, at a consensus                bytes": "304",
        "checkpoint                          calls": "12",
    }.items():
        assert row(table, label) == [calls] * 3, table  # of 2 and of 4 ranks, and the law
    two, four, *_ = row(table, "checkpoint, a communicator held     calls")
    # two more for the links, and a marker out and in per peer on the communicator held, on the
    # Checkpointer's, and to itself
    assert (int(two), int(four)) == (14 + 2 * 5, 14 + 2 * 9), table


@pytest.mark.thorough
def test_times_are_measured():
    said = printed("--quick", "--only=times")
    for what in ("poll", "signal to epoch", "death to first step"):
        for ranks in (1, 2):
            assert f"\n{what}, {ranks} ranks: " in said
