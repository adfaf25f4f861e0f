"""Windows in what a Checkpointer captures: what comes back, and what is refused by name."""

import numpy as np
import pytest

import sauerkraut as skt
from sauerkraut.errors import CaptureError
from tests.mpi.interrupted import CrashError, again

pytestmark = pytest.mark.mpi(ranks=(1, 2, 4))


def twins(comm):
    from mpi4py import MPI

    held = [MPI.Win.Create(np.zeros(1), comm=comm) for _ in range(2)]
    try:
        skt.current().checkpoint()
    finally:
        for each in held:
            each.Free()


def locked(comm):
    from mpi4py import MPI

    held = MPI.Win.Create(np.zeros(2), comm=comm)
    held.Lock_all()
    try:
        skt.current().checkpoint()
    finally:
        held.Unlock_all()
        held.Free()


def test_a_locked_window_is_refused_by_variable(make, comm):
    with pytest.raises(
        CaptureError, match=r"local 'held': mpi4py\.MPI\.Win cannot .*; it is locked"
    ):
        make().run(locked, comm)


def unlocked(comm):
    from mpi4py import MPI

    memory = np.zeros(2)
    held = MPI.Win.Create(memory, 8, comm=comm)
    held.Lock_all()
    held.Unlock_all()
    try:
        again()
    except CrashError:  # MPI complains of windows that are left
        held.Free()
        raise
    held.Lock_all()
    held.Put(np.full(1, 7.0), comm.rank, 1)
    held.Unlock_all()
    held.Free()
    return memory.tolist()


def test_a_window_that_was_unlocked_comes_back(resumed, comm):
    assert resumed(unlocked, comm) == [0.0, 7.0]


def test_windows_that_cannot_be_told_apart_are_refused_by_variable(make, comm):
    with pytest.raises(CaptureError) as raised:
        make().run(twins, comm)
    assert "twins() -> local 'held' -> item 0: mpi4py.MPI.Win cannot be captured; " in str(
        raised.value
    )
    assert "give them names (Set_name)" in str(raised.value)
