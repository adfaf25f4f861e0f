"""The program of the golden epochs beside this file. Its code is in these: it never changes."""

import numpy as np
from mpi4py import MPI

import sauerkraut as skt
from sauerkraut.mpi import persistent


class StoredError(Exception):
    """Ends the run once its epoch is there."""


class Mine(MPI.Intracomm):
    """As programs derive them."""


def largest(x, y, _):
    """A reduction of the program."""
    mine, theirs = np.frombuffer(x), np.frombuffer(y)
    np.maximum(mine, theirs, out=theirs)


def again():
    """Checkpoint, and end the run there; go on after the restart."""
    if isinstance(skt.current().checkpoint(), skt.Epoch):
        raise StoredError


def work(comm):
    """Hold handles of every kind that comes back, with messages in flight, on two ranks."""
    other = 1 - comm.rank
    line, side = comm.Dup(), comm.Split(comm.rank)
    line.Set_name("line")
    cart, mine = comm.Create_cart([2], [True]), Mine(comm.Dup())
    mine.label = "mine"
    ring = comm.Create_dist_graph_adjacent([other], [other])
    between = side.Create_intercomm(0, comm, other, 3)
    codes = []
    handler = MPI.Comm.Create_errhandler(lambda _, code: codes.append(code))
    line.Set_errhandler(handler)
    pair = MPI.Datatype.Create_struct([1, 2], [0, 8], [MPI.INT, MPI.DOUBLE]).Commit()
    pair.Set_name("pair")
    group, op = comm.group.Excl([0]), MPI.Op.Create(largest, commute=True)
    info = MPI.Info.Create({"access_style": "random"})
    memory = np.zeros(4)
    window, given = MPI.Win.Create(memory, 8, comm=comm), MPI.Win.Allocate(32, 8, comm=comm)
    window.Set_name("window")
    given.Set_name("given")
    seen = np.frombuffer(given.tomemory())
    seen[:] = comm.rank
    got, sent = np.zeros(2), np.full(2, float(comm.rank))
    lasting = [persistent.recv_init(line, got, other, 4), persistent.send_init(line, sent, other, 4)]
    numbers = np.zeros(2)
    complete = [comm.Irecv(numbers, other, 5), comm.irecv(source=other, tag=6)]
    comm.Send(np.full(2, 5.0 + comm.rank), other, 5)
    comm.send({"from": comm.rank}, other, tag=6)
    line.send("in flight", other, tag=7)
    comm.barrier()

    again()

    for window_of_mine, values in ((window, memory), (given, seen)):
        window_of_mine.Fence()
        window_of_mine.Put(np.full(1, 10.0 + comm.rank), other, 1)
        window_of_mine.Fence()
        sent += values[1]
    MPI.Prequest.Startall(lasting)
    MPI.Prequest.Waitall(lasting)
    status, reduced = MPI.Status(), np.zeros(1)
    complete[0].Wait(status)
    comm.Allreduce(np.full(1, float(comm.rank)), reduced, op)
    line.Call_errhandler(MPI.ERR_TAG)
    found = {
        "names": [line.Get_name(), pair.Get_name(), mine.label, type(mine).__name__],
        "communicators": [each.allreduce(1) for each in (line, side, cart, mine, ring)],
        "topologies": [cart.Get_topo(), ring.Get_dist_neighbors()[:2]],
        "others": between.allgather(comm.rank),
        "extent": pair.Get_extent(),
        "group": group.size,
        "info": dict(info),
        "handled": [*codes],
        "reduced": float(reduced[0]),
        "memory": [memory.tolist(), seen.tolist()],
        "persistent": got.tolist(),
        "received": [numbers.tolist(), status.source, status.tag, complete[1].wait()],
        "in flight": line.recv(source=other, tag=7),
    }
    for each in (*lasting, window, given):
        each.Free()
    return found
