"""Tasks that move between ranks."""

import numpy as np
import pytest
from mpi4py import MPI

from sauerkraut import mpi
from sauerkraut.errors import Deadlock, MigrationError, RankError

pytestmark = pytest.mark.mpi(ranks=(1, 2, 4))
RANK, SIZE = MPI.COMM_WORLD.rank, MPI.COMM_WORLD.size


@pytest.fixture
def pool(comm):
    with mpi.TaskPool(comm) as opened:
        yield opened


def around(turns, size):
    whole = np.arange(float(size))
    half = whole[: size // 2]
    random = np.random.default_rng(7)
    numbers = (n for n in range(10_000))
    seen, drawn = [], []
    for turn in range(turns):
        try:
            mpi.migrate((rank_now() + 1) % SIZE)
        finally:
            seen.append(rank_now())
        whole += 1
        drawn.append((turn, next(numbers), random.random()))
    assert np.shares_memory(half, whole)
    return seen, half.sum(), drawn


def rank_now():
    return MPI.COMM_WORLD.rank


def undisturbed(turns, size):
    random = np.random.default_rng(7)
    half = np.arange(float(size))[: size // 2] + turns
    return half.sum(), [(turn, turn, random.random()) for turn in range(turns)]


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_task_goes_around_all_ranks(pool, size):
    pool.spawn(around, 3 * SIZE + 1, size, name=f"from {RANK}")
    (name, (seen, total, drawn)) = next(iter(pool.run().items()))
    assert name == f"from {RANK}"
    assert seen == [(RANK + 1 + turn) % SIZE for turn in range(3 * SIZE + 1)]
    assert (total, drawn) == undisturbed(3 * SIZE + 1, size)


def waits_for(others):
    mpi.migrate(SIZE - 1)
    return sum(each.result() for each in others)


def gives(number):
    mpi.yield_()
    mpi.migrate(number % SIZE)
    return number


def test_results_reach_whoever_waits(pool):
    first = [pool.spawn(gives, number) for number in range(5)]
    total = pool.spawn(waits_for, first)
    pool.run()
    assert total.result() == 10
    assert [each.result() for each in first] == [0, 1, 2, 3, 4]


def raises(dest):
    mpi.migrate(dest)
    raise KeyError("lost")


def catches(other):
    try:
        other.result()
    except KeyError as error:
        return str(error), error.__notes__[0].startswith(f"in '{other.name}'")


def test_exceptions_reach_whoever_waits(pool):
    catching = pool.spawn(catches, pool.spawn(raises, SIZE - 1))
    pool.run()
    assert catching.result() == ("'lost'", True)


def test_an_exception_nobody_waits_for(pool):
    if RANK == 0:
        pool.spawn(raises, SIZE - 1)
    with pytest.raises((RankError, KeyError), match="lost"):
        pool.run()


def ping(other, turns):
    got = []
    for turn in range(turns):
        mpi.send((turn, "x" * turn), other)
        got.append(mpi.recv(other))
        if turn % 3 == 0:
            mpi.migrate((rank_now() + turn) % SIZE)
    return got


def test_messages_find_tasks_that_move(pool):
    if RANK == 0:
        answering = pool.spawn(answers, 40, name="answers")
        pool.spawn(ping, answering, 40, name="asks")
    results = pool.run()
    if RANK == 0:
        assert results["asks"] == [(turn, turn) for turn in range(40)]


def answers(turns):
    for turn in range(turns):
        number, text = mpi.recv()
        mpi.send((number, len(text)), 1 * SIZE)  # the second task of rank 0
        if turn % 2:
            mpi.migrate((rank_now() + 1) % SIZE)


def test_what_cannot_be_captured_stays(pool):
    def holds():
        import socket

        with socket.socket() as held:
            try:
                mpi.migrate(SIZE - 1)
            except MigrationError as error:
                assert held.fileno() > 0
                return str(error)

    task = pool.spawn(holds, name="holds")
    pool.run()
    if RANK != SIZE - 1:
        assert "'holds' stays at rank" in task.result()
        assert "local 'held'" in task.result()


def test_a_deadlock_names_what_is_waited_for(pool):
    if RANK == 0:
        pool.spawn(mpi.recv, name="first")
        pool.spawn(mpi.recv, 0, 5, name="second")
    with pytest.raises(Deadlock, match=r"'first' .*any task.*'second' .* of task 0 with tag 5"):
        pool.run()


def test_only_tasks_move(pool):
    with pytest.raises(MigrationError, match=r"migrate\(\) is for tasks"):
        mpi.migrate(0)
