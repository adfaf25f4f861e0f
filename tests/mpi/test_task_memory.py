"""A task's arrays are once on each side while it moves: out of and into their own memory."""

import re
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI

from sauerkraut import mpi

pytestmark = pytest.mark.mpi(ranks=(2, 4))
SIZE = MPI.COMM_WORLD.size
ITEMS = 8 << 20
NBYTES = 8 * ITEMS


def memory(what):
    """Bytes of this process: VmRSS, or since `forget_peak` at most, VmHWM."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) << 10


def forget_peak():
    Path("/proc/self/clear_refs").write_text("5")


def goes():
    """Makes an array on rank 0 and goes on with it on rank 1."""
    array = np.arange(float(ITEMS))
    part = array[1::2]
    part += 1
    mpi.migrate(1)
    array += 1
    assert array[:4].tolist() == [1, 3, 3, 5]
    assert np.shares_memory(part, array)
    return array.sum()


@pytest.fixture
def peak(comm):
    """Run a task on rank 0; at most so many bytes this rank had meanwhile, beside those before."""

    def peak(function):
        with mpi.TaskPool(comm) as pool:
            if pool.rank == 0:
                pool.spawn(function)
            forget_peak()
            before = memory("VmRSS")
            pool.run()
            return memory("VmHWM") - before

    return peak


def test_no_copies_but_that_of_the_receiver(comm, peak):
    peaks = comm.allgather(peak(goes) / NBYTES)
    assert 0.9 < peaks[0] < 1.3, peaks
    assert 0.9 < peaks[1] < 1.3, peaks
    assert max(peaks[2:], default=0.0) < 0.3, peaks
