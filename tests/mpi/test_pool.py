"""Pools that are made, run and closed otherwise than they are meant to be."""

import functools
import threading

import pytest
from mpi4py import MPI

from sauerkraut import mpi
from sauerkraut.errors import CaptureError, MigrationError, RankError

pytestmark = pytest.mark.mpi(ranks=(1, 2, 4))
RANK, SIZE = MPI.COMM_WORLD.rank, MPI.COMM_WORLD.size


def test_a_pool_that_cannot_be_made(comm):
    with pytest.raises(TypeError):
        mpi.TaskPool("no communicator")
    with mpi.TaskPool(comm) as pool:
        assert pool.run() == {}


def tries(call, error):
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


def asks_from_a_thread():
    """Is no task there, whichever runs here meanwhile."""
    told = []
    thread = threading.Thread(target=lambda: told.append(tries(mpi.current, MigrationError)))
    thread.start()
    thread.join()
    return told[0]


def test_calls_that_are_not_for_tasks(pool):
    closes = pool.spawn(tries, pool.close, MigrationError)
    moves = pool.spawn(tries, functools.partial(mpi.migrate, SIZE / 2), TypeError)
    asks = pool.spawn(asks_from_a_thread)
    pool.run()
    assert closes.result().startswith("close() is not for tasks")
    assert "'float' object" in moves.result()
    assert asks.result().startswith("current() is for tasks")


def test_a_pool_that_is_closed(comm):
    with mpi.TaskPool(comm) as pool:
        pass
    for call in (pool.run, lambda: pool.spawn(len), lambda: pool.spawn_ranks(len, 2)):
        with pytest.raises(MigrationError, match="closed"):
            call()


def test_pools_with_a_directory_on_some_ranks_only(comm, shared_dir):
    if SIZE == 1:
        return
    with pytest.raises(RankError, match="path must be the same on every rank: one on rank 0, none"):
        mpi.TaskPool(comm, None if RANK else shared_dir / "ckpt")


def test_ranks_that_close_the_pool_while_others_run_it(comm):
    if SIZE == 1:
        return

    def runs_on_rank_0():
        with mpi.TaskPool(comm) as pool:
            if RANK == 0:
                pool.run()

    with pytest.raises(RankError, match=f"{SIZE - 1} ranks? closed the TaskPool while others run"):
        runs_on_rank_0()
    with mpi.TaskPool(comm) as pool:
        assert pool.run() == {}


def polls_with_a_pool(ckpt, comm):
    with mpi.TaskPool(comm) as pool:
        pool.run()
    with pytest.raises((CaptureError, RankError), match="TaskPool cannot be captured"):
        ckpt.checkpoint()
    del pool
    return ckpt.checkpoint().number


def test_a_checkpointer_does_not_store_pools(make, comm):
    ckpt = make()
    assert ckpt.run(polls_with_a_pool, ckpt, comm) == 1
