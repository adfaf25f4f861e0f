"""Tasks that migrate and exchange messages; each returns the same on any number of ranks.

exchanging.py DIRECTORY TURNS INTERVAL: rank 0 prints what they return. The file MOVES, where the
environment names one, tells of each task from where to where it moves now.
"""

import json
import os
import signal
import struct
import sys
import time

import numpy as np
from mpi4py import MPI

from sauerkraut import mpi
from sauerkraut.storage import Shard, catalog

TASKS = 12
LONG = 0.002  # seconds of each turn of the program
MOVE = struct.Struct("<2q")  # of each task: PIDs of the processes that it moves between, or zeros
PID = struct.Struct("<q")  # of each rank, after all tasks
MOVES = os.open(os.environ["MOVES"], os.O_RDWR) if "MOVES" in os.environ else None


def wander(me, pool, turns, pause=0.0, ask=None):
    """Send a message per turn, to another task each time, and get as many, in order per source.

    At half of its turns the first task asks for a checkpoint in the directory ``ask``.
    """
    field = np.full(20_000, float(me))
    part = field[::100]
    random = np.random.default_rng(me)
    squares = (n * n for n in range(turns))
    heard, total, left = {}, 0, turns
    for turn in range(turns):
        number = int(random.integers(2**40))
        mpi.send((me, turn, number), (me + 3 * turn) % TASKS, tag=turn % 2)
        field += next(squares)
        if turn % 4 == me % 4:
            move(me, number % pool.size)
        if ask is not None and me == 0 and turn == turns // 2:
            wait_for_epoch(ask)
        if turn % 3 == 2:  # the rest stays in the mailbox
            total, left = total + hear(heard), left - 1
        time.sleep(pause)
        mpi.yield_()
    while left:
        total, left = total + hear(heard), left - 1
    return me, float(part.sum()), total, random.random()


def move(me, dest):
    if MOVES is None:
        mpi.migrate(dest)
        return
    to = PID.unpack(os.pread(MOVES, PID.size, TASKS * MOVE.size + dest * PID.size))
    os.pwrite(MOVES, MOVE.pack(os.getpid(), *to), me * MOVE.size)
    mpi.migrate(dest)
    os.pwrite(MOVES, MOVE.pack(0, 0), me * MOVE.size)


def hear(heard):
    source, turn, number = mpi.recv()
    assert heard.get(source, -1) < turn, "messages of a task overtook each other"
    heard[source] = turn
    return number


def tasks_in(epoch):
    """The ids of the tasks in an epoch, those that have ended too."""
    found = []
    for seal in catalog.read_manifest(epoch).seals:
        with Shard.open(epoch / seal.file, seal=seal) as shard:
            index = json.loads(bytes(shard.stream("tasks/index")))
        found += [each["id"] for kind in ("tasks", "outcomes") for each in index[kind]]
    return sorted(found)


def wait_for_epoch(directory):
    """Ask for a second checkpoint with a signal, and let the others run until it is there."""
    os.kill(os.getpid(), signal.SIGUSR2)
    while len(catalog.committed(directory)) < 2:
        mpi.yield_()


def gather():
    """Wait for what the others return, from the first moment on."""
    return [mpi.Task(task, "").result() for task in range(TASKS)]


def spawn(pool, turns, pause=0.0, ask=None):
    """Spawn the tasks: numbers 0 to TASKS - 1 on any number of ranks, and one that gathers."""
    for me in range(pool.rank, TASKS, pool.size):
        pool.spawn(wander, me, pool, turns, pause, ask, name=f"wanders {me}")
    if pool.rank == 0:
        pool.spawn(gather, name="gathers")


def main(directory, turns, interval):
    if MOVES is not None:
        os.pwrite(MOVES, PID.pack(os.getpid()), TASKS * MOVE.size + MPI.COMM_WORLD.rank * PID.size)
        MPI.COMM_WORLD.barrier()
    with mpi.TaskPool(MPI.COMM_WORLD, directory, interval=interval, keep=3) as pool:
        if not pool.restarted:
            spawn(pool, int(turns), LONG)
        results = MPI.COMM_WORLD.gather(pool.run())
    for each in results or ():
        for name, result in each.items():
            print(name, result, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
