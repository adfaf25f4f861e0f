"""Writes a matrix by views, lines in turn and records of its own; KILL_AT ends it midway.

What is written after the checkpoint at which it is killed must be gone at the end.
"""

import os
import signal
import sys

import numpy as np
from mpi4py import MPI

import sauerkraut as skt
from sauerkraut.mpi.files import File

STEPS = 6
NEW = MPI.MODE_CREATE | MPI.MODE_EXCL | MPI.MODE_RDWR


def poll(step, write):
    done = skt.current().checkpoint()
    if isinstance(done, skt.Epoch) and os.environ.get("KILL_AT") == str(step):
        for _ in range(STEPS):
            write(-1)
        MPI.COMM_WORLD.barrier()
        os.kill(os.getpid(), signal.SIGKILL)


def simulate(comm):
    line = comm.Dup()
    matrix = File.Open(line, "matrix.dat", NEW)
    element = MPI.DOUBLE.Create_vector(2, 1, comm.size).Create_resized(0, 16 * comm.size).Commit()
    matrix.Set_view(8 * comm.rank, MPI.DOUBLE, element)
    log = File.Open(comm, "log.txt", NEW)
    own = MPI.File.Open(MPI.COMM_SELF, f"own-{comm.rank}.dat", NEW)
    found = []

    def write(step):
        matrix.Write_all(np.full(2, 100.0 * comm.rank + step))
        log.Write_ordered(f"step {step} of rank {comm.rank}\n".encode())
        place = step if step >= 0 else STEPS
        own.Iwrite_at(32 * place, np.full(4, float(step))).Wait()

    for step in range(STEPS):
        write(step)
        poll(step, write)
        found.append([matrix.Get_position(), log.Get_position_shared(), own.Get_size()])
        comm.barrier()
    for file in (matrix, log, own):
        file.Close()
    line.Free()
    return found


ckpt = skt.Checkpointer("ckpt", MPI.COMM_WORLD, interval=None, quiet=True)
sys.stdout.write(f"rank {MPI.COMM_WORLD.rank}: {ckpt.run(simulate, MPI.COMM_WORLD)}\n")
ckpt.close()
