"""Checkpoints while messages are under way, by every kind of call; KILL_AT ends it midway."""

import os
import signal
import sys

import numpy as np
from mpi4py import MPI

import sauerkraut as skt

STEPS = 5
LARGE = 300_000  # numbers: too much for MPI to send before it is received


def poll(step):
    if os.environ.get("STOP_AT") == str(step) and MPI.COMM_WORLD.rank == 0:
        os.kill(os.getpid(), signal.SIGUSR1)
    done = skt.current().checkpoint()
    if isinstance(done, skt.Epoch) and os.environ.get("KILL_AT") == str(step):
        MPI.COMM_WORLD.barrier()
        os.kill(os.getpid(), signal.SIGKILL)


def simulate(comm):
    right, left = (comm.rank + 1) % comm.size, (comm.rank - 1) % comm.size
    twins = [comm.Dup(), comm.Dup()]
    line = comm.Create_cart([comm.size], [True])
    found = []
    for step in range(STEPS):
        for i in range(3):  # in order, and of one pair
            comm.send({"step": step, "i": i, "from": comm.rank}, right, tag=i % 2)
        twins[1].send("second", right, tag=1)
        twins[0].send("first", right, tag=1)
        comm.send("to myself", comm.rank, tag=9)
        alone = MPI.COMM_SELF.isend("alone", 0, tag=1)
        line.Send(np.arange(4.0) + step, right, tag=3)
        large = np.full(LARGE, comm.rank + step, float)
        sending = line.Isend(large, right, tag=4)
        arrived, other = np.zeros(2), np.zeros(1)
        early = comm.Irecv(arrived, left, tag=20)
        comm.Send(np.array([step, comm.rank], float), right, tag=20)
        pickled = comm.irecv(source=left, tag=21)
        texts = [comm.isend(f"text {step}", right, tag=21)]
        statuses = [MPI.Status(), MPI.Status()]

        poll(step)

        early.Wait(statuses[0])
        text = pickled.wait(statuses[1])
        MPI.Request.waitall([*texts, alone])
        whole = np.zeros(LARGE)
        line.Recv(whole, left, tag=4)
        sending.Wait()
        four = np.zeros(4)
        line.Recv(four, left, tag=3)
        line.Sendrecv(np.full(1, float(comm.rank)), right, 5, other, left, 5)
        found += [
            [comm.recv(source=left, tag=tag) for tag in (0, 1, 0)],
            [twins[0].recv(source=left), twins[1].recv(source=left), comm.recv(tag=9)],
            [MPI.COMM_SELF.recv()],
            [arrived.tolist(), text, float(whole.sum()), four.tolist(), other.tolist()],
            [(each.source, each.tag, each.Get_count(MPI.BYTE)) for each in statuses],
        ]
    return found


def main():
    ckpt = skt.Checkpointer("ckpt", MPI.COMM_WORLD, interval=None, quiet=True)
    value = ckpt.run(simulate, MPI.COMM_WORLD)
    sys.stdout.write(f"rank {MPI.COMM_WORLD.rank}: {value}\n")
    ckpt.close()


if __name__ == "__main__":
    main()
