"""A ring of ranks that knows nothing of checkpoints: state in a frame, in globals, in a module."""

import sys

import numpy as np
import smoothing
from mpi4py import MPI

comm = MPI.COMM_WORLD
rank, size = comm.Get_rank(), comm.Get_size()
passed = 0


def simulate(steps):
    global passed
    u = np.zeros(1000) + rank
    edge = u[:2]
    for _ in range(steps):
        edge[0] = comm.sendrecv(float(u[-1]), dest=(rank + 1) % size, source=(rank - 1) % size)
        passed += 1
        smoothing.smooth(u)
        norm = comm.allreduce(float(u.sum()))
    assert edge.base is u
    return u, norm


u, norm = simulate(int(sys.argv[1]))
everything = comm.gather(u)
if rank == 0:
    np.save(sys.argv[2], np.array(everything))
    print(repr(norm), passed, smoothing.sweeps)
