"""Tasks that take their time: each adds up random numbers, a few per turn.

paced_tasks.py --steps=N --pause=SECONDS --interval=T --dir=DIR: rank 0 writes the file `result`.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from mpi4py import MPI

from sauerkraut import mpi

TASKS = 6


def sums(me, steps):
    random, total = np.random.default_rng(me), 0.0
    for _ in range(steps):
        total += float(random.random(1000).sum())
        yield total


def walk(me, steps, pause):
    walked = sums(me, steps)
    for _ in range(steps - 1):
        next(walked)
        time.sleep(pause)
        mpi.yield_()
    return next(walked)


def expected(steps):
    """What the file says in the end, computed without tasks."""
    walked = [(me, list(sums(me, steps))[-1]) for me in range(TASKS)]
    return "".join(f"walks {me} {total!r}\n" for me, total in walked)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int)
    parser.add_argument("--pause", type=float)
    parser.add_argument("--interval")
    parser.add_argument("--dir")
    given = parser.parse_args()
    world = MPI.COMM_WORLD
    with mpi.TaskPool(world, given.dir, interval=given.interval) as pool:
        if not pool.restarted:
            for me in range(pool.rank, TASKS, pool.size):
                pool.spawn(walk, me, given.steps, given.pause, name=f"walks {me}")
        found = world.gather(pool.run())
    if found is not None:
        results = sorted(item for each in found for item in each.items())
        Path("result").write_text("".join(f"{name} {result!r}\n" for name, result in results))


if __name__ == "__main__":
    main()
