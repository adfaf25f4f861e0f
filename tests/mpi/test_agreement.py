"""One rank's error on every rank."""

import sys
from pathlib import Path

import pytest

from sauerkraut import group as groups
from sauerkraut.checkpoint.agreement import agreed, shared, together
from sauerkraut.errors import CaptureError, RankError

pytestmark = pytest.mark.mpi(ranks=(2, 4))


class OnlyOnRankZeroError(Exception):
    pass


@pytest.fixture
def group(comm):
    made = groups.of(comm)
    yield made
    made.close()


def agree_on(group, error_of):
    """The error that every rank raises when some do; error_of: rank -> error or None."""

    def step():
        with agreed(group, "capture"):
            error = error_of(group.rank)
            if error is not None:
                raise error

    with pytest.raises(RankError) as raised:
        step()
    return raised.value


def test_an_error_of_the_last_rank_is_raised_by_all_with_the_same_text(group):
    last = group.size - 1
    own = CaptureError("local 'sock' cannot be captured")
    error = agree_on(group, lambda rank: own if rank == last else None)
    assert isinstance(error, CaptureError)
    where = f"rank {last}: " if group.size > 1 else ""
    said = [f"capture: {where}local 'sock' cannot be captured"]
    assert group.allgather(str(error)) == said * group.size
    assert error.failures == {last: "CaptureError: local 'sock' cannot be captured"}
    assert error.__cause__ is (own if group.rank == last else None)


def test_the_class_is_that_of_the_lowest_failing_rank(group):
    error = agree_on(group, lambda rank: IndexError("i") if rank else KeyError("k"))
    assert isinstance(error, KeyError)
    assert set(error.failures) == set(range(group.size))
    more = group.size - 1
    assert str(error).endswith(f"(and {more} more rank{'s' if more > 1 else ''})")


def test_a_class_that_another_rank_lacks_leaves_the_rank_error(group, monkeypatch):
    kind = OnlyOnRankZeroError
    if group.rank:
        monkeypatch.delattr(sys.modules[kind.__module__], kind.__name__)
    error = agree_on(group, lambda rank: None if rank else kind("why"))
    assert type(error) is RankError
    assert error.failures == {0: "OnlyOnRankZeroError: why"}


def test_results_of_all_ranks_come_back(group):
    assert together(group, "x", lambda: 2 * group.rank) == [2 * r for r in range(group.size)]


def test_rank_0_works_for_all_and_fails_for_all(group):
    ran = []
    assert shared(group, "x", lambda: ran.append(1) or "result") == "result"
    assert len(ran) == (1 if group.rank == 0 else 0)
    with pytest.raises(FileNotFoundError, match="listing"):
        shared(group, "listing", Path("/nowhere").read_bytes)
