"""Tasks that no other rank takes, that are deep, and that end while they are to be moved."""

import resource
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI

from sauerkraut import mpi
from sauerkraut.errors import MigrationError

pytestmark = pytest.mark.mpi(ranks=(1, 2, 4))
RANK, SIZE = MPI.COMM_WORLD.rank, MPI.COMM_WORLD.size
DEEP = 300


class OnlyHere:
    """Can be made on one rank only."""

    def __init__(self):
        self.rank = MPI.COMM_WORLD.rank

    def __reduce__(self):
        return made_on, (self.rank,)


def made_on(rank):
    if rank != MPI.COMM_WORLD.rank:
        raise RuntimeError("not on this rank")
    return OnlyHere()


def holds(size, kind):
    """Goes on where it is, and is told why."""
    held, state = kind(), np.full(size, 2.0)
    with pytest.raises(MigrationError) as found:
        mpi.migrate(SIZE - 1)
    state += 1
    mpi.send(state.sum(), mpi.current())
    return str(found.value), held is not None, mpi.recv() == 3 * size, MPI.COMM_WORLD.rank


def test_a_task_that_the_other_rank_cannot_build_stays(pool):
    if SIZE > 1 and RANK == 0:
        pool.spawn(holds, 100_000, OnlyHere, name="holds")
    results = pool.run()
    if results:
        told, *kept = results["holds"]
        assert told.startswith(f"'holds' stays at rank 0: rank {SIZE - 1} refused the snapshot: ")
        assert told.endswith("RuntimeError: not on this rank")
        assert kept == [True, True, 0]


def test_a_task_for_which_there_is_no_memory_stays(pool):
    limits = resource.getrlimit(resource.RLIMIT_AS)
    if SIZE > 1 and RANK == 0:
        pool.spawn(holds, 200 << 17, object, name="holds")
    elif SIZE > 1 and RANK == SIZE - 1:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (100 << 20), limits[1]))
    try:
        results = pool.run()
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    if results:
        told, *kept = results["holds"]
        assert f"'holds' stays at rank 0: rank {SIZE - 1} refused the snapshot: MemoryError" in told
        assert kept == [True, True, 0]


def descends(depth, state):
    if depth == 0:
        for dest in (*range(1, SIZE), 0):
            mpi.migrate(dest)
            state += 1
        return 0
    return descends(depth - 1, state) + 1


def goes_deep():
    state = np.zeros(10)
    return descends(DEEP, state), state.sum()


def test_a_task_moves_from_deep_inside_of_a_recursion(pool):
    task = pool.spawn(goes_deep)
    pool.run()
    assert task.result() == (DEEP, 10.0 * SIZE)


def fails_deep(depth):
    if depth == 0:
        mpi.migrate(SIZE - 1)
        raise KeyError("at the bottom")
    return fails_deep(depth - 1)


def catches(other):
    with pytest.raises(KeyError, match="at the bottom"):
        other.result()
    return "caught"


def test_what_it_raises_there_reaches_whoever_waits(pool):
    catching = pool.spawn(catches, pool.spawn(fails_deep, DEEP))
    pool.run()
    assert catching.result() == "caught"


def ends_soon(turns):
    for _ in range(turns):
        mpi.yield_()
    if turns % 7 == 6:
        raise ValueError(turns)
    return turns


def gathers(others):
    found = []
    for each in others:
        try:
            found.append(each.result())
        except ValueError as error:
            found.append(-error.args[0])
    return found


def test_tasks_end_while_rounds_are_to_move_them(comm, monkeypatch):
    monkeypatch.setattr("sauerkraut.mpi.tasks.census.BUSY_GAP", 0.0)
    with mpi.TaskPool(comm, balance="rotate", every=1e-9) as pool:
        ending = [pool.spawn(ends_soon, turns) for turns in range(60)]
        gathering = pool.spawn(gathers, ending)
        pool.run()
        assert gathering.result() == [-turns if turns % 7 == 6 else turns for turns in range(60)]
        assert SIZE == 1 or sum(each.moves for each in pool.rounds) > 0
