"""Checkpoints beside processes that are in no epoch; each rank says what was refused.

outsiders.py spawn | futures | first | second
"""

import sys

from mpi4py import MPI

import sauerkraut as skt

CHILD = "from mpi4py import MPI; MPI.Comm.Get_parent().Disconnect()"


def refusal():
    try:
        skt.current().checkpoint()
    except (skt.CaptureError, skt.RankError) as error:
        return str(error)
    return "nothing"


def spawn(comm):
    workers = MPI.COMM_SELF.Spawn(sys.executable, ["-c", CHILD], 1)
    told = refusal()
    workers.Disconnect()
    return told


def futures(comm):
    from mpi4py.futures import MPIPoolExecutor

    with MPIPoolExecutor(1) as pool:
        assert pool.submit(abs, -3).result() == 3
        return refusal()


def first(comm):
    return refusal()


def second(comm):
    return refusal()


def main():
    ckpt = skt.Checkpointer("ckpt", MPI.COMM_WORLD, interval=None, quiet=True)
    told = ckpt.run(globals()[sys.argv[1]], MPI.COMM_WORLD)
    sys.stdout.write(f"rank {MPI.COMM_WORLD.rank}: {told}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
