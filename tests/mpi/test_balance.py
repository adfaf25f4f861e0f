"""Load balancing of tasks: the same results on other ranks."""

import socket

import numpy as np
import pytest
from mpi4py import MPI

from sauerkraut import mpi
from sauerkraut.errors import Deadlock, MigrationError

pytestmark = pytest.mark.mpi(ranks=(1, 2, 4))
RANK, SIZE = MPI.COMM_WORLD.rank, MPI.COMM_WORLD.size
STEPS = 30
TASKS = 6
undisturbed = {}  # what tasks return that stay


def works(place, around):
    """Passes numbers to the next task, and has the more to do the lower its place is."""
    values = np.arange(200.0) + place
    seen = [MPI.COMM_WORLD.rank]
    got = []
    for step in range(STEPS):
        for _ in range(40 if place < TASKS else 1):
            values = np.sqrt(values * values + 1)
        mpi.send(float(values.sum()), around[(place + 1) % len(around)], step)
        got.append(mpi.recv(around[place - 1], step))
        values[step % 200] += got[-1] % 3
        if seen[-1] != MPI.COMM_WORLD.rank:
            seen.append(MPI.COMM_WORLD.rank)
    return values.tobytes(), got, seen


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Let rounds be as often as can be: what tasks do here does not take long."""
    monkeypatch.setattr("sauerkraut.mpi.tasks.census.BUSY_GAP", 0.0)


def outcome(comm, **options):
    """What all tasks returned, by name, and the rounds; those of rank 0 have more to do."""
    around = []
    with mpi.TaskPool(comm, **options) as pool:
        mine = range(RANK * TASKS, (RANK + 1) * TASKS)
        tasks = [pool.spawn(works, place, around, name=str(place)) for place in mine]
        around += [task for some in comm.allgather(tasks) for task in some]
        results = pool.run()
        rounds = pool.rounds
    gathered = {}
    for each in comm.allgather(results):
        gathered |= each
    assert len(gathered) == TASKS * SIZE
    assert comm.allgather(rounds) == [rounds] * SIZE
    return gathered, rounds


def backwards(loads, ranks):
    """A strategy of the user's: the last task on rank 0, and so on."""
    order = sorted(loads, key=lambda each: -each.task)
    return {each.task: place % ranks for place, each in enumerate(order)}


@pytest.mark.parametrize("balance", ["greedy", "refine", "diffusive", "rotate", backwards])
def test_results_are_the_same_wherever_tasks_are(comm, balance):
    if not undisturbed:
        results, none = outcome(comm)
        undisturbed.update(results)
        assert none == []
    moved, rounds = outcome(comm, balance=balance, every=0.001)
    for name, (values, got, _) in undisturbed.items():
        assert moved[name][:2] == (values, got)
    assert SIZE == 1 or sum(each.moves for each in rounds) > 0
    if SIZE > 1 and balance == "rotate":
        assert any(len(seen) > 1 for _, _, seen in moved.values())  # short ones end before
    for each in rounds:
        assert 0 <= each.moves <= each.tasks <= TASKS * SIZE
        assert (each.nbytes > 0) == (each.moves > 0)
        assert each.stayed == 0


def burns(pool):
    """Computes until a round has moved tasks."""
    while SIZE > 1 and not any(each.moves for each in pool.rounds):
        np.sqrt(np.arange(20_000.0)).sum()
        mpi.yield_()
    return MPI.COMM_WORLD.rank


def test_a_round_when_it_pays(comm):
    with mpi.TaskPool(comm, balance="refine") as pool:
        if RANK == 0:
            for place in range(4 * SIZE):
                pool.spawn(burns, pool, name=str(place))
        results = pool.run()
        assert all(each.after < each.before for each in pool.rounds)
    if RANK == 0:
        assert len(results) == 4 * SIZE
        assert SIZE == 1 or len(set(results.values())) > 1


def holds(pool):
    """Computes, with what no other rank can take, until a round was to move it."""
    with socket.socket() as held:
        while SIZE > 1 and not any(each.stayed for each in pool.rounds):
            np.sqrt(np.arange(5_000.0)).sum()
            mpi.yield_()
        return held.fileno() > 0, MPI.COMM_WORLD.rank


def test_what_cannot_move_stays(comm):
    with mpi.TaskPool(comm, balance="rotate", every=0.001) as pool:
        task = pool.spawn(holds, pool)
        pool.run()
        assert task.result() == (True, RANK)


def test_nobody_moves_for_ever_in_a_deadlock(comm):
    with mpi.TaskPool(comm, balance="rotate", every=0.001) as pool:
        for place in range(3):
            pool.spawn(waits, name=f"{RANK}.{place}")
        with pytest.raises(Deadlock, match="waits for a message"):
            pool.run()


def waits():
    for _ in range(20):
        mpi.yield_()
    return mpi.recv()


def test_ranks_that_do_not_balance_alike(comm):
    if SIZE > 1:
        with pytest.raises(MigrationError, match=r"balance=rotate.* on rank 0.*None.* on rank 1"):
            mpi.TaskPool(comm, balance=None if RANK else "rotate")
    with mpi.TaskPool(comm) as pool:
        assert pool.run() == {}


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"balance": "fair"}, ValueError, "balance='fair': greedy, refine, diffusive, rotate, or"),
        ({"balance": 3}, TypeError, "balance must be None, a name or a function, not int"),
        ({"balance": "greedy", "every": 0}, ValueError, "every=0 must be positive"),
        ({"balance": "greedy", "every": "soon"}, ValueError, "every='soon': write it like"),
    ],
)
def test_options_that_mean_nothing(comm, options, error, text):
    with pytest.raises(error, match=text):
        mpi.TaskPool(comm, **options)


def adds_up(pool):
    """Waits where C has called it, so that it can never be moved; until a round has told of it."""
    return sum(waits_for_the_reason(pool) for _ in range(1))


def waits_for_the_reason(pool):
    while SIZE > 1 and not any(each.why for each in pool.rounds):
        np.sqrt(np.arange(5_000.0)).sum()
        mpi.yield_()
    return 1


@pytest.mark.parametrize("balance", ["rotate", "refine"])
def test_a_round_tells_why_a_task_stays(comm, balance):
    with mpi.TaskPool(comm, balance=balance, every=0.001) as pool:
        if RANK == 0:
            pool.spawn(adds_up, pool, name="adds up")
        pool.run()
        told = [each.why for each in pool.rounds if each.why]
    assert SIZE == 1 or told[0].startswith("'adds up' cannot be captured: ")
    assert SIZE == 1 or "was entered from C by builtin_function_or_method sum" in told[0]
