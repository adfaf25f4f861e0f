"""Puts into windows over memory of its own and over MPI's; KILL_AT ends it midway."""

import os
import signal
import sys

import numpy as np
from mpi4py import MPI

import sauerkraut as skt

STEPS = 6
LARGE = 20_000


def poll(step):
    done = skt.current().checkpoint()
    if isinstance(done, skt.Epoch) and os.environ.get("KILL_AT") == str(step):
        MPI.COMM_WORLD.barrier()
        os.kill(os.getpid(), signal.SIGKILL)


def put(window, values, dest, place):
    window.Fence()
    window.Put(values, dest, place)
    window.Fence()


def simulate(comm):
    right = (comm.rank + 1) % comm.size
    small, large = np.zeros(STEPS), np.zeros(LARGE)
    windows = [MPI.Win.Create(each[:], 8, comm=comm) for each in (small, large)]
    windows.append(MPI.Win.Allocate(8 * STEPS, 8, comm=comm))
    for name, window in zip(("small", "large", "own"), windows, strict=True):
        window.Set_name(name)
    keyval, same = MPI.Win.Create_keyval(), MPI.Win(windows[0])
    windows[0].Set_attr(keyval, ["of the program"])
    memory = windows[2].tomemory()
    own, rest = np.frombuffer(memory), np.ndarray(STEPS - 1, buffer=memory, offset=8)
    own[:] = -1.0
    found = []
    for step in range(STEPS):
        for window in windows:
            put(window, np.full(1, 10.0 * comm.rank + step), right, step)
        again = np.frombuffer(windows[step % 3].tomemory())
        poll(step)
        sums = [float(each.sum()) for each in (small, large, own, rest, again)]
        names = [window.Get_name() for window in (*windows, same)]
        found.append([sums, names, same.Get_attr(keyval)])
    for window in windows:
        window.Free()
    return found


ckpt = skt.Checkpointer("ckpt", MPI.COMM_WORLD, interval=None, quiet=True)
sys.stdout.write(f"rank {MPI.COMM_WORLD.rank}: {ckpt.run(simulate, MPI.COMM_WORLD)}\n")
ckpt.close()
