"""What tasks must stand: thousands of moves, thousands of messages, gigabytes."""

from pathlib import Path

import pytest

pytestmark = [pytest.mark.job, pytest.mark.thorough]

PROGRAM = Path(__file__).resolve().parents[1] / "programs" / "wandering.py"
LIMIT = 600  # seconds that a job may take


@pytest.fixture
def said(on_ranks):
    """What each rank says."""

    def said(*words, ranks=4):
        done = on_ranks(ranks, PROGRAM, *words, timeout=LIMIT)
        assert done.returncode == 0, done.stdout
        return sorted(line for line in done.stdout.splitlines() if line.startswith("rank "))

    return said


def test_ten_thousand_moves_around_four_ranks(said):
    total = sum(float(number + 10_000) for number in range(100))
    assert said("around", 10_000)[0] == f"rank 0: [{total}]"


def test_a_thousand_tasks_send_and_move_at_random(said):
    assert said("crowd", 1000, 20) == [f"rank {rank}: 20000 of 20000" for rank in range(4)]


def test_the_memory_of_a_task_that_left_is_free(said):
    assert said("heavy", 2200, ranks=2)[0] == "rank 0: free"
