"""`benchmarks/`: what is counted holds on every machine; what is measured is only run."""

from pathlib import Path

import pytest

from tests.processes import run_python

pytestmark = [pytest.mark.job, pytest.mark.timeout(600)]

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def printed(*words, of="mpi.py"):
    return run_python(BENCHMARKS / of, *words, timeout=600).stdout


def row(table, label):
    (found,) = [line for line in table.splitlines() if line.startswith(label)]
    return found.removeprefix(label).split(maxsplit=2)


def test_calls_of_mpi_do_not_grow_with_the_ranks():
    table = printed("--only=counts", "--ranks", "2", "4")
    for idle in row(table, "of 64 polls, those without a call"):
        assert 0 < int(idle) <= 57, table  # fewer where the machine is slow for a moment
    for label, calls in {
        "poll, at a consensus                calls": "1",
        "poll, at a consensus                bytes": "320",
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


def test_the_engine_is_measured_beside_the_seed():
    head, ints, frames = printed("--only", "3 ints", "3 frames", of="engine.py").splitlines()
    columns = head.partition("|")[0].replace("seed ", "seed-").split()
    told = dict(zip(columns, map(float, ints.partition("|")[0].split()[2:]), strict=True))
    assert told["seed-w"] > 1
    assert told["seed-r"] > 1
    assert frames.partition("|")[0].count("nan") >= 2  # of which the seed's page tells nothing


def test_the_store_is_measured_also_on_ranks(tmp_path):
    said = printed("--mib=1", "--pairs=1", "--ranks", "2", "--", tmp_path, of="store.py")
    for what in (
        "epoch / write + fsync",
        "restart / read + hash, new memory",
        "checkpoint(), 2 ranks / writes + fsyncs",
    ):
        assert f"\n  {what}" in said
    assert list(tmp_path.iterdir()) == []
