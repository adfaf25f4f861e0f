"""Ranks decide together, or are told why they cannot."""

import pytest

from sauerkraut import group as groups
from sauerkraut.checkpoint.consensus import Call, Consensus, Flags, Kind
from sauerkraut.errors import RankError

pytestmark = pytest.mark.mpi(ranks=(2, 4))


@pytest.fixture
def consensus(comm):
    group = groups.of(comm)
    yield Consensus(group, latency=5.0)
    group.close()


def test_what_one_rank_asks_for_all_know(consensus, comm):
    flags = Flags.STOP if comm.rank == comm.size - 1 else Flags(0)
    consensus.post(Call(Kind.POLL, 1, 5, "f (x.py:1)"), flags)
    assert consensus.outstanding
    outcome = consensus.complete()
    assert outcome.flags == Flags.STOP
    assert not consensus.outstanding


def test_gaps_are_the_same_on_every_rank_whatever_each_measured(consensus, comm):
    gaps = []
    for poll in range(1, 200):
        if consensus.outstanding:
            gaps.append(consensus.choose_gap(consensus.complete()))
        consensus.post(Call(Kind.POLL, poll, poll))
    consensus.complete()
    assert len(set(map(tuple, comm.allgather(gaps)))) == 1


@pytest.mark.parametrize(
    ("usual", "odd", "said"),
    [
        (Call(Kind.POLL, 3, 5, "f (x.py:1)"), Call(Kind.POLL, 3, 6, "f (x.py:1)"), "step 6"),
        (Call(Kind.POLL, 3, 5, "f (x.py:1)"), Call(Kind.POLL, 3, 5, "f (x.py:9)"), "x.py:9"),
        (Call(Kind.POLL, 3, 5), Call(Kind.CHECKPOINT, 3), "checkpoint"),
        (Call(Kind.POLL, 3, 5), Call(Kind.CLOSE), "close"),
        (Call(Kind.START), Call(Kind.CLOSE), "close"),
    ],
)
def test_unlike_calls_are_named_on_every_rank(consensus, comm, usual, odd, said):
    last = comm.size - 1
    with pytest.raises(RankError) as raised:
        consensus.agree(odd if comm.rank == last else usual)
    assert f"rank {last}: {odd}" in str(raised.value)
    assert said in raised.value.failures[last]
    assert raised.value.failures[0] == str(usual)
    # nothing is left behind: the next one works
    consensus.agree(Call(Kind.POLL, 4))


def test_a_rank_that_leaves_is_told_to_the_others(consensus, comm):
    kind = Kind.LEAVING if comm.rank == 0 else Kind.POLL
    outcome = consensus.agree(Call(kind, 3 + comm.rank * 0))
    assert outcome.leaving
    assert outcome.active
