"""A laser draws on a cold, noisy plate: 2-D heat equation, 2-D decomposition, explicit steps.

    mpiexec -n 4 python examples/heat2d.py

The same command starts it and, after a crash, brings it back inside the loops of `simulate`.
"""

import argparse
from contextlib import nullcontext

import numpy as np
from mpi4py import MPI

import sauerkraut as skt

comm = MPI.COMM_WORLD
rng = np.random.default_rng([2026, comm.rank])  # of the module: goes into the checkpoint with it
rows, columns = MPI.Compute_dims(comm.size, 2)
row, column = divmod(comm.rank, columns)
above = comm.rank - columns if row > 0 else MPI.PROC_NULL
below = comm.rank + columns if row < rows - 1 else MPI.PROC_NULL
left = comm.rank - 1 if column > 0 else MPI.PROC_NULL
right = comm.rank + 1 if column < columns - 1 else MPI.PROC_NULL


def block(n):
    """The rows and columns of the n x n plate that this rank owns."""
    return (
        slice(n * row // rows, n * (row + 1) // rows),
        slice(n * column // columns, n * (column + 1) // columns),
    )


def exchange_halo(u, axis):
    """Copy edges along `axis` into the neighbours' halos; the rim of the plate stays cold."""
    before, after = ((above, below), (left, right))[axis]
    line = np.moveaxis(u, axis, 0)
    for edge, to, halo, origin in ((1, before, -1, after), (-2, after, 0, before)):
        received = line[halo].copy()
        comm.Sendrecv(line[edge].copy(), to, recvbuf=received, source=origin)
        line[halo] = received


def diffuse(u, axis, rate):
    """One explicit step of diffusion along `axis`."""
    line = np.moveaxis(u, axis, 0)
    line[1:-1] += rate * (line[2:] - 2 * line[1:-1] + line[:-2])


def laser(y, x, time):
    """The heat that the laser adds at `time` in 0..1: a spot drawing a rosette."""
    radius = 0.38 * np.cos(5 * np.pi * time)
    y_spot, x_spot = (
        0.5 + radius * np.sin(2 * np.pi * time),
        0.5 + radius * np.cos(2 * np.pi * time),
    )
    return np.outer(np.exp(-(((y - y_spot) / 0.02) ** 2)), np.exp(-(((x - x_spot) / 0.02) ** 2)))


def advance(u, step, steps, heat):
    """One time step: sweep along both axes, with a chance to checkpoint after each."""
    for axis in (0, 1):
        exchange_halo(u, axis)
        diffuse(u, axis, rate=0.2)
        ckpt.poll(step, steps, heat=heat)


def simulate(n, steps, log_name):
    """The whole n x n plate after `steps` steps, on rank 0; None on the others."""
    mine = block(n)
    y, x = (np.arange(n)[part] / n for part in mine)
    u = np.zeros((len(y) + 2, len(x) + 2))  # with a halo one cell wide
    plate = u[1:-1, 1:-1]
    plate[:] = 0.05 * rng.random(plate.shape)
    heat = float(comm.allreduce(plate.sum()))
    with open(log_name, "w", buffering=1) if comm.rank == 0 else nullcontext() as log:
        for step in range(1, steps + 1):
            plate += 0.02 * laser(y, x, step / steps)
            advance(u, step, steps, heat)
            if step % max(1, steps // 200) == 0:
                heat = float(comm.allreduce(plate.sum()))
                if log:
                    print(f"step {step} of {steps}  heat {heat!r}", file=log)
    return gather(plate, mine, n)


def gather(plate, mine, n):
    """Bring the blocks of all ranks together on rank 0."""
    parts = comm.gather((mine, plate.copy()))
    if parts is None:
        return None
    whole = np.empty((n, n))
    for where, part in parts:
        whole[where] = part
    return whole


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--size", type=int, default=512, help="cells along one side (512)")
parser.add_argument("--steps", type=int, default=4000, help="time steps (4000)")
parser.add_argument("--dir", default="ckpt-heat2d", help="checkpoint directory")
parser.add_argument("--interval", default="10min", help="time between checkpoints (10min)")
parser.add_argument("--log", default="heat2d.log", help="log file")
parser.add_argument("--out", default="heat2d.npy", help="where the final field goes")
args = parser.parse_args()

ckpt = skt.Checkpointer(args.dir, comm=comm, interval=args.interval)
field = ckpt.run(simulate, args.size, args.steps, args.log)
if comm.rank == 0:
    np.save(args.out, field)
