"""Tasks that wander: `around N`, `crowd TASKS TURNS`, `heavy MIB`."""

import sys
from pathlib import Path

import numpy as np
from mpi4py import MPI

from sauerkraut import mpi

COMM = MPI.COMM_WORLD


def here():
    return COMM.rank


def around(moves):
    """One task goes around, and looks at all it holds after each move."""
    state = np.arange(100.0)
    part = state[::3]
    ours, theirs = np.random.default_rng(3), np.random.default_rng(3)
    names = {"part": part, "all": [state]}
    for move in range(moves):
        dest = move % COMM.size
        mpi.migrate(dest)
        assert here() == dest
        state += 1
        assert part[1] == state[3] == move + 4
        assert names["part"] is part
        assert names["all"][0] is state
        assert ours.random() == theirs.random()
    return float(state.sum())


def letters_of(number, tasks, turns):
    """Whom a walker writes to."""
    return np.random.default_rng(number).integers(tasks, size=turns)


def walker(tasks, turns):
    """Sends to any of the tasks, moves at random, and reads all that is for it."""
    number = mpi.current().id
    random = np.random.default_rng(number + tasks)
    for turn, dest in enumerate(letters_of(number, tasks, turns)):
        mpi.send((number, turn), int(dest))
        if random.random() < 0.4:
            mpi.migrate(int(random.integers(COMM.size)))
        else:
            mpi.yield_()
    coming = sum(int((letters_of(n, tasks, turns) == number).sum()) for n in range(tasks))
    last = {}
    for _ in range(coming):
        source, turn = mpi.recv()
        assert turn > last.get(source, -1)
        last[source] = turn
    return coming


def resident():
    """MiB of memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 >> 20


def heavy(mib):
    """One task with much memory goes there and back; what is left where it was."""
    before = resident()
    state = np.ones(mib << 17)
    mpi.migrate(1)
    there = mpi.current(), state.sum()
    mpi.migrate(0)
    state[:] = 2
    del there
    mpi.migrate(1)
    mpi.send(float(state.sum()), 0)
    return before


def watches(mib):
    before = resident()
    total = mpi.recv()
    assert total == 2 * (mib << 17)
    assert resident() < before + 100, (before, resident())
    return "free"


def say(text):
    sys.stdout.write(f"rank {here()}: {text}\n")  # at once: print's pieces mix with other ranks'
    sys.stdout.flush()


def main():
    what, *numbers = sys.argv[1:]
    numbers = [int(number) for number in numbers]
    with mpi.TaskPool(COMM) as pool:
        if what == "around":
            if here() == 0:
                pool.spawn(around, *numbers)
            results = pool.run()
            say(f"{list(results.values())}")
        elif what == "crowd":
            tasks, turns = numbers
            for _ in range(tasks // COMM.size):
                pool.spawn(walker, tasks, turns)
            got = COMM.allreduce(sum(pool.run().values()))
            say(f"{got} of {tasks * turns}")
        else:
            if here() == 0:
                pool.spawn(watches, *numbers, name="watches")
                pool.spawn(heavy, *numbers, name="heavy")
            results = pool.run()
            say(f"{results.get('watches')}")


if __name__ == "__main__":
    main()
