"""Steps of a generator, `with` a generator, and walks of generators in a list, on all ranks.

    generators.py KILL_AT DIRECTORY

In its first start the last rank kills itself at step KILL_AT. Each rank writes its result.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path

import numpy as np
from mpi4py import MPI

import sauerkraut as skt

comm = MPI.COMM_WORLD
STEPS = 40


@contextlib.contextmanager
def section(log, name):
    log.append(f"+{name}")
    try:
        yield name
    finally:
        log.append(f"-{name}")


def walk(seed):
    rng, place = np.random.default_rng(seed), 0.0
    while True:
        place += rng.normal()
        yield place


def sweeps(field, kill_at):
    """The steps, with the sum over all ranks; it pauses for checkpoints itself."""
    for step in range(STEPS):
        field += 0.1 * (np.roll(field, 1) + np.roll(field, -1) - 2 * field)
        if step % 5 == 4:
            ckpt.checkpoint(step=step)
        if step == kill_at and ckpt.restarted is None and comm.rank == comm.size - 1:
            os.kill(os.getpid(), signal.SIGKILL)
        yield step, comm.allreduce(float(field.sum()))


def simulate(kill_at):
    field = np.arange(64.0) * (comm.rank + 1)
    walks, log = [walk([comm.rank, i]) for i in range(3)], []
    with section(log, "all"):
        for step, total in sweeps(field, kill_at):
            with section(log, f"step {step}") as name:
                field[step] += next(walks[step % 2])
                if step % 5 == 1:
                    ckpt.checkpoint(step=step)
                log.append((name, total))
    return field, log, [next(each) for each in walks]


if __name__ == "__main__":
    ckpt = skt.Checkpointer(sys.argv[2], comm, quiet=True)
    field, log, last = ckpt.run(simulate, int(sys.argv[1]))
    text = f"{log}\n{last}\n{field.tobytes().hex()}\n"
    Path(f"result-{comm.rank}.txt").write_text(text)
    ckpt.close()
