"""The record that ranks reduce, and how far apart consensuses are."""

import pytest

from sauerkraut.checkpoint.consensus import (
    NONE,
    Call,
    Consensus,
    Flags,
    Kind,
    Outcome,
    decode,
    differs,
    encode,
)
from sauerkraut.group import SoloGroup

POLL = Call(Kind.POLL, 7, 3, "relax (heat2d.py:81)")


def reduce(*records):
    """What Iallreduce(MAX) gives every rank."""
    return [max(values) for values in zip(*records, strict=True)]


def test_equal_calls_do_not_differ():
    assert not differs(reduce(encode(POLL, NONE, 0, 0), encode(POLL, NONE, 0, 0)))


@pytest.mark.parametrize(
    "other",
    [
        Call(Kind.CHECKPOINT, 7, 3, "relax (heat2d.py:81)"),
        Call(Kind.POLL, 8, 3, "relax (heat2d.py:81)"),
        Call(Kind.POLL, 7, 4, "relax (heat2d.py:81)"),
        Call(Kind.POLL, 7, None, "relax (heat2d.py:81)"),
        Call(Kind.POLL, 7, 3.5, "relax (heat2d.py:81)"),
        Call(Kind.POLL, 7, 3, "relax (heat2d.py:82)"),
    ],
)
def test_a_difference_in_kind_number_step_or_place_is_seen_by_all(other):
    for records in ((POLL, POLL, other), (other, POLL, POLL)):
        assert differs(reduce(*(encode(call, NONE, 0, 0) for call in records)))


@pytest.mark.parametrize("kind", [Kind.LEAVING, Kind.FAILED])
def test_a_rank_that_leaves_or_fails_is_neutral_and_flagged(kind):
    reduced = reduce(encode(POLL, NONE, 0, 0), encode(Call(kind, 3), NONE, 0, 0))
    assert not differs(reduced)
    outcome = decode(reduced)
    assert outcome.active
    assert (outcome.leaving, outcome.failed) == (kind is Kind.LEAVING, kind is Kind.FAILED)


def test_all_leaving_is_seen_as_nobody_active():
    reduced = reduce(*(encode(Call(Kind.LEAVING, n), NONE, 0, 0) for n in (1, 5)))
    assert not differs(reduced)
    assert decode(reduced) == Outcome(leaving=True, active=False)


def test_a_flag_of_one_rank_is_known_to_all():
    reduced = reduce(
        encode(POLL, Flags.STOP, 0.25, 0), encode(POLL, Flags.DUE | Flags.GO_ON, 0, 2e-3)
    )
    outcome = decode(reduced)
    assert outcome.flags == Flags.STOP | Flags.DUE | Flags.GO_ON
    assert (outcome.poll_seconds, outcome.cost_seconds) == (0.25, 2e-3)


@pytest.mark.parametrize("step", [0, -5, 2**60, 1e300, 0.1, float("inf")])
def test_any_number_may_be_a_step(step):
    call = Call(Kind.POLL, 1, step)
    record = encode(call, NONE, 0, 0)
    assert all(-(2**63) <= value < 2**63 for value in record)
    assert not differs(reduce(record, record))


def test_the_first_gaps_are_one_two_four_where_polls_are_quick():
    consensus = Consensus(SoloGroup(), latency=5.0)
    quick = Outcome(poll_seconds=1e-6, cost_seconds=1e-4)
    assert [consensus.choose_gap(outcome) for outcome in (Outcome(), quick, quick, quick)] == [
        1,
        2,
        4,
        8,
    ]


def test_the_gap_aims_at_a_thousandth_of_the_run_time():
    consensus = Consensus(SoloGroup(), latency=5.0, gap=4096)
    gap = consensus.choose_gap(Outcome(poll_seconds=2.0**-10, cost_seconds=2.0**-14))
    assert gap == 63  # 2**4 / 2**10 / 0.001 = 62.5


def test_latency_wins_over_cost():
    consensus = Consensus(SoloGroup(), latency=5.0, gap=4096)
    gap = consensus.choose_gap(Outcome(poll_seconds=0.5, cost_seconds=1.0))
    assert (gap + 1) * 0.5 <= 5.0
    assert consensus.choose_gap(Outcome(poll_seconds=60.0, cost_seconds=1.0)) == 1
