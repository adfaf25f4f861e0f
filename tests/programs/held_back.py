"""A message that is sent, and that no probe sees, when a checkpoint is taken: see hold_back.c."""

import os
import signal
import sys

from mpi4py import MPI

import sauerkraut as skt

HELD_TAG = 77


def simulate(comm):
    right, left = (comm.rank + 1) % comm.size, (comm.rank - 1) % comm.size
    comm.Send([b"from %d" % comm.rank, MPI.BYTE], right, HELD_TAG)
    comm.Barrier()
    seen = comm.Iprobe(MPI.ANY_SOURCE, MPI.ANY_TAG)
    done = skt.current().checkpoint()
    if isinstance(done, skt.Epoch) and "KILL_AT" in os.environ:
        MPI.COMM_WORLD.barrier()
        os.kill(os.getpid(), signal.SIGKILL)
    got = bytearray(len(b"from %d" % left))
    comm.Recv([got, MPI.BYTE], left, HELD_TAG)
    return f"seen by a probe: {seen}, received: {got.decode()}"


ckpt = skt.Checkpointer("ckpt", MPI.COMM_WORLD, interval=None, quiet=True)
sys.stdout.write(f"rank {MPI.COMM_WORLD.rank}: {ckpt.run(simulate, MPI.COMM_WORLD)}\n")
ckpt.close()
