"""Particles in cells, after the specification of the Parallel Research Kernels, as tasks that move.

    mpiexec -n 2 python examples/pic.py --balance refine

A periodic square of cells; fixed charges on its grid points, +1 on even columns and -1 on odd ones.
Particles start at rest along x in the middle of cells, with a charge such that the four corners
push each of them by exactly 2 K + 1 cells per step; along y they drift by M cells. So the end is
known in closed form, and every particle is checked. Column i begins with a part of all particles
proportional to ratio**i: they wander through the columns, and so does the work.

(Georganas, Van der Wijngaart, Mattson: Design and implementation of a Parallel Research Kernel for
assessing dynamic load-balancing capabilities, IPDPS 2016.)
"""

import argparse
import json
import sys
import time

import numpy as np
from mpi4py import MPI

from sauerkraut import mpi

WORLD = MPI.COMM_WORLD
K, M = 0, 1
COUNTED = 4  # steps from one count of all particles to the next


def columns_of(block, blocks, cells):
    """First column of a block, and the first one behind it."""
    return cells * block // blocks, cells * (block + 1) // blocks


def numbers_by_column(cells, total, ratio):
    """Number of the first particle that begins in each column; at the end, how many there are."""
    share = np.cumsum(ratio ** np.arange(cells))
    return np.concatenate([[0], np.round(total * share / share[-1])]).astype(int)


def begin_at(number, ends):
    """Where particles begin: x and y."""
    column = np.searchsorted(ends, number, side="right") - 1
    return column + 0.5, number * 7919 % (len(ends) - 1) + 0.5  # over all rows, alike everywhere


def born(first, behind, ends):
    """Number, x, y, vx and charge of the particles that begin in these columns, one row each."""
    number = np.arange(ends[first], ends[behind])
    x, y = begin_at(number, ends)
    # From rest, half the acceleration is the way of a step; in the middle of a cell that is
    # charge / distance**3, and the next column has the other sign and stops it again.
    charge = (2 * K + 1) * 0.5**1.5 * np.where(np.floor(x) % 2, -1.0, 1.0)
    return np.stack([number, x, y, np.zeros(len(number)), charge])


def push(particles, cells):
    """Move all particles by one step, as the charges on the corners of their cells push them."""
    _, x, y, vx, charge = particles
    left, below = np.floor(x), np.floor(y)
    pull = np.zeros_like(x)
    lift = np.zeros_like(x)
    for i in (0, 1):
        for j in (0, 1):
            dx, dy = x - (left + i), y - (below + j)
            sign = 1 - 2 * ((left + i) % 2)  # of the charge on that column
            force = charge * sign / (dx * dx + dy * dy) ** 1.5
            pull += force * dx
            lift += force * dy
    x[:] = (x + vx + pull / 2) % cells
    y[:] = (y + M + lift / 2) % cells
    vx += pull


def block_of_columns(comm, cells, total, ratio, steps):
    """One task: pushes the particles in its columns; they go on to the blocks beside it."""
    block, blocks = comm.rank, comm.size
    edges = [columns_of(each, blocks, cells)[0] for each in range(blocks)]
    first, behind = columns_of(block, blocks, cells)
    reach = range(-2 * K - 1, 2 * K + 2)  # columns that a particle may cross in a step
    near = {(c + d) % cells for c in (first, behind - 1) for d in reach}
    others = sorted({int(np.searchsorted(edges, c, side="right") - 1) for c in near} - {block})
    ends = numbers_by_column(cells, total, ratio)
    particles = born(first, behind, ends)
    history = []
    for step in range(steps):
        began = time.thread_time()
        push(particles, cells)
        owner = np.searchsorted(edges, np.floor(particles[1]), side="right") - 1
        for other in others:
            comm.send(particles[:, owner == other], other, step)
        stay = particles[:, owner == block]
        took = time.thread_time() - began
        history.append((WORLD.rank, took, particles.shape[1]))
        came = [comm.recv(source=other, tag=step) for other in others]
        particles = np.concatenate([stay, *came], axis=1)
        if step % COUNTED == 0 and comm.allreduce(particles.shape[1]) != total:
            raise ArithmeticError(f"particles were lost in step {step}, or shortly before")
    return verify(particles, ends, steps), history


def verify(particles, ends, steps):
    """Sum of the numbers of the particles that are here; raises unless each is where it must be."""
    number, cells = particles[0].astype(int), len(ends) - 1
    x, y = begin_at(number, ends)
    x, y = (x + steps * (2 * K + 1)) % cells, (y + steps * M) % cells
    for name, found, expected in (("x", particles[1], x), ("y", particles[2], y)):
        apart = np.abs(found - expected)
        wrong = np.minimum(apart, cells - apart) > 1e-5
        if wrong.any():
            raise ArithmeticError(f"particle {number[wrong][0]}: {name} is {found[wrong][0]}")
    return int(number.sum())


def main():
    """Run the blocks as virtual ranks, and add up what they have verified."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=2048, help="along one side; even (2048)")
    parser.add_argument("--particles", type=int, default=100_000, help="(100000)")
    parser.add_argument(
        "--ratio", type=float, default=0.996, help="of a column to the one before (0.996)"
    )
    parser.add_argument("--steps", type=int, default=100, help="(100)")
    parser.add_argument("--blocks", type=int, default=16, help="tasks per rank (16)")
    parser.add_argument("--balance", default=None, help="greedy, refine, diffusive or rotate")
    parser.add_argument("--every", default="auto", help="time between two rounds, or auto (auto)")
    parser.add_argument("--history", help="write where each task was at each step: a JSON file")
    args = parser.parse_args()
    blocks = args.blocks * WORLD.size
    if args.cells % 2 or args.cells < blocks:
        sys.exit(f"--cells={args.cells}: an even number, at least one column for each block")

    with mpi.TaskPool(WORLD, balance=args.balance, every=args.every) as pool:
        shape = args.cells, args.particles, args.ratio, args.steps
        pool.spawn_ranks(block_of_columns, blocks, *shape, name="block")
        began = time.monotonic()
        results = WORLD.gather(pool.run())
        seconds = time.monotonic() - began
        if results is not None:
            by_name = {name: result for some in results for name, result in some.items()}
            ordered = [by_name[f"block {block}"] for block in range(blocks)]
            report(args, ordered, seconds, pool.rounds)


def report(args, results, seconds, rounds):
    """Say whether all particles are there, and what the slowest rank of each step took."""
    found = sum(numbers for numbers, _ in results)
    if found != args.particles * (args.particles - 1) // 2:
        sys.exit(f"the numbers of all particles add up to {found}: some were lost")
    loads = np.zeros((args.steps, WORLD.size))
    for _, history in results:
        for step, (rank, took, _) in enumerate(history):
            loads[step, rank] += took
    path = loads.max(axis=1).sum()
    print(
        f"{args.particles} particles are where they must be after {args.steps} steps; "
        f"{seconds:.2f} s, {sum(each.moves for each in rounds)} moves; critical path "
        f"{path:.2f} s, efficiency {loads.sum() / WORLD.size / path:.2f}"
    )
    if args.history:
        with open(args.history, "w") as file:
            json.dump({"ranks": WORLD.size, "tasks": [history for _, history in results]}, file)


main()
