"""The tasks of the golden epochs beside this file. Their code is in these: it never changes."""

import numpy as np

from sauerkraut import mpi

VIRTUAL = 3
may_go_on = False
"""Of each process: until it is true the tasks wait, to be stored."""


def loops(pool):
    """Waits with `yield_` in the middle of loops, with arrays of any size, and aliases."""
    large, random = np.arange(9_000.0), np.random.default_rng(7)
    part, squares, drawn = large[::9], (n * n for n in range(10)), 0.0
    for turn in range(6):
        large += next(squares)
        drawn += random.random()
        while turn == 3 and not may_go_on:
            mpi.yield_()
    return float(part.sum()), drawn, pool.size > 0


def listens(task):
    """Waits for a message behind others; what a task sent it is in its mailbox meanwhile."""
    last = mpi.recv(tag=9)
    first = [mpi.recv(task, tag=1) for _ in range(2)]
    return first, last


def tells(listener):
    """Sends messages before and after, and one to a task that nobody has heard of."""
    for word in ("one", "two"):
        mpi.send({"word": word, "from": mpi.current().name}, listener, tag=1)
    mpi.send("never read", 1_000)
    while not may_go_on:
        mpi.yield_()
    mpi.send("last", listener, tag=9)
    return "told"


def floods(reader):
    """Waits for room in a mailbox."""
    mpi.send(bytes(3_000), reader, tag=2)
    mpi.send(bytes(10), reader, tag=2)
    return "sent"


def reads():
    """Reads what `floods` sends when it may."""
    while not may_go_on:
        mpi.yield_()
    return [len(mpi.recv(tag=2)) for _ in range(2)]


def fails():
    """Has ended before."""
    raise ValueError("on purpose")


def awaits(failing, other):
    """Knows of an end before, and waits for another one."""
    try:
        failing.result()
    except ValueError as error:
        known = str(error)
    return known, other.result()


def virtual(comm):
    """A virtual rank with receives that it has posted, of which one has its message."""
    left, right = (comm.rank - 1) % comm.size, (comm.rank + 1) % comm.size
    half, got = comm.Dup(), np.zeros(4)
    filled, told = comm.Irecv(got, left, 5), comm.irecv(source=left, tag=6)
    comm.Send(np.full(4, float(comm.rank)), right, 5)
    comm.send("after it", right, tag=6)
    told = told.wait()
    open_one, later = comm.irecv(source=left, tag=7), half.irecv(source=left, tag=7)
    while not may_go_on:
        mpi.yield_()
    comm.send({"rank": comm.rank}, right, tag=7)
    half.send(mpi.TaskComm.world() == comm, right, tag=7)
    filled.Wait()
    return got.tolist(), told, open_one.wait(), later.wait(), comm.allreduce(comm.rank)


def spawn(pool):
    """Spawn all of them."""
    if pool.rank == 0:
        pool.spawn(loops, pool, name="loops")
        teller = mpi.Task(4 * pool.size, "")
        listener = pool.spawn(listens, teller, name="listens")
        reader = pool.spawn(reads, name="reads")
        pool.spawn(floods, reader, name="floods")
        assert pool.spawn(tells, listener, name="tells") == teller
        pool.spawn(awaits, pool.spawn(fails, name="fails"), listener, name="awaits")
    pool.spawn_ranks(virtual, VIRTUAL)
