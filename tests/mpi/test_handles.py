"""Handles of MPI in what a Checkpointer captures: what comes back, and what is refused by name."""

import os

import numpy as np
import pytest

import sauerkraut as skt
from sauerkraut.errors import CaptureError
from sauerkraut.objects import graph

pytestmark = pytest.mark.mpi(ranks=(1, 2, 4))


class CrashError(Exception):
    """What ends a run in the middle."""


def again():
    """Checkpoint, and end the run there; go on after the restart."""
    if isinstance(skt.current().checkpoint(), skt.Epoch):
        raise CrashError


@pytest.fixture
def make(comm, shared_dir):
    made = []

    def make():
        made.append(skt.Checkpointer(shared_dir / "ckpt", comm, interval=None, quiet=True))
        return made[-1]

    yield make
    for each in made:
        each._job.meeting.end()


@pytest.fixture
def resumed(make):
    """The value of a function that is interrupted at its first checkpoint, and resumed."""

    def resumed(function, *args):
        with pytest.raises(CrashError):
            make().run(function, *args)
        return make().run(function, *args)

    return resumed


def test_predefined_handles_come_back():
    from mpi4py import MPI

    values = [MPI.COMM_WORLD, MPI.COMM_SELF, MPI.COMM_NULL, MPI.DOUBLE, MPI.SUM, MPI.REQUEST_NULL]
    back = graph.thaw(graph.freeze([{"held": values}, *values]))
    assert back[1:] == values
    assert back[0]["held"][0] is back[1]


def test_other_handles_are_refused_without_a_checkpointer(comm):
    from mpi4py import MPI

    request = MPI.COMM_SELF.Irecv(np.zeros(1), source=0, tag=7)
    window = MPI.Win.Create(np.zeros(1), comm=MPI.COMM_SELF)
    try:
        for handle, advice in [
            (comm, "mpi4py.MPI.Intracomm cannot be captured; make it inside a function"),
            (request, "mpi4py.MPI.Request cannot be captured; complete it"),
            (window, "mpi4py.MPI.Win cannot be captured; free it"),
        ]:
            with pytest.raises(CaptureError) as raised:
                graph.freeze([{"h": handle}], names=lambda _: "simulate() -> local 'mpi'")
            assert str(raised.value).startswith(f"simulate() -> local 'mpi' -> item 'h': {advice}")
    finally:
        window.Free()
        MPI.COMM_SELF.Send(np.zeros(1), dest=0, tag=7)
        request.Wait()


def topologies(comm):
    from mpi4py import MPI

    ring = [(comm.rank - 1) % comm.size, (comm.rank + 1) % comm.size]
    every = list(range(comm.size))
    index = [(i + 1) * comm.size for i in range(comm.size)]
    cart = comm.Create_cart([comm.size], [True])
    made = {
        "dup": comm.Dup(),
        "backwards": comm.Split(0, -comm.rank),
        "node": comm.Split_type(MPI.COMM_TYPE_SHARED),
        "cart": cart,
        "part": cart.Sub([False]),
        "graph": comm.Create_graph(index, every * comm.size),
        "dist": comm.Create_dist_graph_adjacent([ring[0]], [ring[1]], [3], [4]),
        "first": comm.Create_group(comm.group.Incl([0])) if not comm.rank else MPI.COMM_NULL,
        "itself": comm,
        "world": MPI.COMM_WORLD,
        "freed": comm.Dup(),
    }
    made["freed"].Free()
    again()
    return comm, made


def test_communicators_of_every_kind_come_back(resumed, comm):
    from mpi4py import MPI

    _, made = resumed(topologies, comm)
    assert made["itself"] is comm
    assert made["world"] is MPI.COMM_WORLD
    assert made["freed"] == MPI.COMM_NULL
    assert made["backwards"].rank == comm.size - 1 - comm.rank
    assert made["dup"].allreduce(1) == made["node"].allreduce(1) == comm.size
    assert made["cart"].Get_topo() == ([comm.size], [1], [comm.rank])
    assert made["part"].size == 1
    assert type(made["graph"]) is MPI.Graphcomm
    assert made["graph"].Get_neighbors(0) == list(range(comm.size))
    sources, _, weights = made["dist"].Get_dist_neighbors()
    assert sources == [(comm.rank - 1) % comm.size]
    assert weights == ([3], [4])
    assert (made["first"] == MPI.COMM_NULL) == bool(comm.rank)
    assert made["dist"].neighbor_allgather(comm.rank) == sources


def between(comm):
    side = comm.Split(comm.rank % 2)
    other = side.Create_intercomm(0, comm, 1 - comm.rank % 2, 3)
    again()
    return other.allgather(comm.rank), other.Is_inter(), side.allgather(comm.rank)


@pytest.mark.mpi(ranks=(2, 4))
def test_intercommunicators_come_back(resumed, comm):
    theirs, is_inter, ours = resumed(between, comm)
    assert is_inter
    assert ours == list(range(comm.rank % 2, comm.size, 2))
    assert theirs == list(range(1 - comm.rank % 2, comm.size, 2))


def largest(x, y, _):
    if isinstance(x, int):
        return max(x, y)
    mine, theirs = np.frombuffer(x), np.frombuffer(y)
    np.maximum(mine, theirs, out=theirs)
    return None


def of_one_rank(comm):
    from mpi4py import MPI

    column = MPI.DOUBLE.Create_vector(3, 1, 4).Commit()
    column.Set_name("column")
    pair = MPI.Datatype.Create_struct([1, 1], [0, 24], [MPI.INT, column]).Commit()
    offset = 5
    held = {
        "column": column,
        "pair": pair,
        "same": [column],
        "group": comm.group.Excl([0]),
        "op": MPI.Op.Create(largest, commute=True),
        "closure": MPI.Op.Create(lambda x, y, _: x + y + offset),
        "info": MPI.Info.Create({"access_style": "random"}),
        "status": MPI.Status(),
    }
    held["status"].Set_source(0)
    held["status"].Set_tag(17)
    again()
    return held


def test_what_one_rank_makes_comes_back(resumed, comm):
    from mpi4py import MPI

    held = resumed(of_one_rank, comm)
    assert held["same"][0] is held["column"]
    assert held["column"].Get_name() == "column"
    grid, got = np.arange(12.0), np.zeros(3)
    comm.Sendrecv([grid, 1, held["column"]], comm.rank, 1, [got, MPI.DOUBLE], comm.rank, 1)
    assert got.tolist() == [0.0, 4.0, 8.0]
    assert held["pair"].Get_extent()[1] > held["column"].Get_extent()[1]
    assert held["group"].size == comm.size - 1
    assert held["op"].Is_commutative()
    assert not held["closure"].Is_commutative()
    result = np.zeros(1)
    comm.Allreduce(np.full(1, float(comm.rank)), result, held["op"])
    assert result[0] == comm.size - 1
    assert held["closure"](1, 2) == 8
    assert dict(held["info"]) == {"access_style": "random"}
    assert (held["status"].source, held["status"].tag) == (0, 17)


def hung_on(comm, keyval):
    from mpi4py import MPI

    own = comm.Dup()
    shared = [own]
    own.Set_attr(keyval, shared)
    own.Set_name("mine")
    own.Set_errhandler(MPI.ERRORS_ARE_FATAL)
    second = MPI.Intracomm(own)
    again()
    return own, shared, second


def test_what_is_hung_on_a_communicator_comes_back(resumed, comm):
    from mpi4py import MPI

    keyval = MPI.Comm.Create_keyval()
    own, shared, second = resumed(hung_on, comm, keyval)
    assert own.Get_attr(keyval) is shared
    assert shared[0] is own
    assert second == own
    assert second is not own
    assert own.Get_name() == "mine"
    assert own.Get_errhandler() == MPI.ERRORS_ARE_FATAL
    MPI.Comm.Free_keyval(keyval)


def half_held(comm):
    twins = [comm.Dup(), comm.Dup()]
    if comm.rank == 0:
        hidden = id(twins.pop())
    again()
    return twins, hidden


@pytest.mark.mpi(ranks=(2, 4))
def test_one_that_some_members_do_not_hold_is_refused_by_variable(make, comm):
    with pytest.raises(CaptureError) as raised:
        make().run(half_held, comm)
    text = str(raised.value)
    assert "rank 1: half_held() -> local 'twins' -> item 0" in text
    assert "of its members, rank 0 does not hold it" in text


def refused(comm, kind):
    from mpi4py import MPI

    if kind == "window":
        held = MPI.Win.Create(np.zeros(1), comm=comm)
    elif kind == "persistent":
        held = comm.Recv_init(np.zeros(1), comm.rank, 3)
    elif kind == "file":
        held = MPI.File.Open(MPI.COMM_SELF, os.devnull)
    else:
        held = MPI.Win.Create_errhandler(lambda _window, _code: None)
    try:
        again()
    finally:
        held.Close() if kind == "file" else held.Free()


@pytest.mark.parametrize(
    ("kind", "told"),
    [("window", "Win"), ("persistent", "Prequest"), ("handler", "Errhandler"), ("file", "File")],
)
def test_what_cannot_come_back_is_refused_by_variable(make, comm, kind, told):
    with pytest.raises(CaptureError) as raised:
        make().run(refused, comm, kind)
    assert f"refused() -> local 'held': mpi4py.MPI.{told} cannot be captured; " in str(raised.value)


def waiting(comm, how):
    buffer = np.zeros(1)
    held = comm.Irecv(buffer, comm.rank, 3) if how == "never" else None
    if comm.rank == 0 and comm.size > 1 and how == "of one":
        held = comm.Irecv(buffer, 1, 3)
    try:
        again()
    finally:
        if held:
            held.Cancel()
            held.Wait()


@pytest.mark.mpi(ranks=(1, 2, 4))
def test_a_request_that_does_not_complete_is_refused_by_variable(make, comm, monkeypatch):
    monkeypatch.setenv("SAUERKRAUT_DRAIN", "0.2")
    with pytest.raises(CaptureError) as raised:
        make().run(waiting, comm, "never")
    told = "waiting() -> local 'held': mpi4py.MPI.Request cannot be captured; it is not complete"
    assert told in str(raised.value)
    assert "after 0.2 s (SAUERKRAUT_DRAIN): complete it (Wait)" in str(raised.value)


@pytest.mark.mpi(ranks=(2, 4))
def test_a_request_of_one_rank_is_refused_on_all(make, comm, monkeypatch):
    monkeypatch.setenv("SAUERKRAUT_DRAIN", "0.2")
    with pytest.raises(CaptureError) as raised:
        make().run(waiting, comm, "of one")
    assert "rank 0: waiting() -> local 'held': " in str(raised.value)


def without_a_communicator(rank, size):
    from mpi4py import MPI

    MPI.COMM_WORLD.send(f"from {rank}", (rank + 1) % size, tag=2)
    MPI.COMM_WORLD.barrier()
    again()
    return MPI.COMM_WORLD.recv(tag=2)


@pytest.mark.mpi(ranks=(2, 4))
def test_a_message_of_a_program_that_holds_no_communicator_comes_back(resumed, comm):
    from mpi4py import MPI

    left = (comm.rank - 1) % comm.size
    assert resumed(without_a_communicator, comm.rank, comm.size) == f"from {left}"
    # the interrupted run was of this process and did not receive its own
    assert MPI.COMM_WORLD.recv(tag=2) == f"from {left}"


def finished(comm):
    numbers = np.zeros(2)
    first = comm.Irecv(numbers, comm.rank, 3)
    second = comm.irecv(source=comm.rank, tag=4)
    comm.Send(np.arange(2.0), comm.rank, 3)
    comm.send(["an", "object"], comm.rank, tag=4)
    barrier = comm.Ibarrier()
    again()
    again()  # what came back complete is captured as well
    return numbers, [first, second, barrier], second


def test_complete_requests_come_back_complete(make, comm):
    from mpi4py import MPI

    for _ in range(2):
        with pytest.raises(CrashError):
            make().run(finished, comm)
    numbers, requests, second = make().run(finished, comm)
    assert requests[1] is second
    assert [type(each) for each in requests] == [MPI.Request] * 3
    assert numbers.tolist() == [0.0, 1.0]
    status = MPI.Status()
    assert requests[0].Get_status()
    assert requests[0].Test(status)
    assert (status.source, status.tag, status.Get_count(MPI.DOUBLE)) == (comm.rank, 3, 2)
    assert second.wait(status) == ["an", "object"]
    assert (status.source, status.tag) == (comm.rank, 4)
    requests[2].Wait()
    assert requests == [MPI.REQUEST_NULL] * 3


def handled(comm):
    from mpi4py import MPI

    codes = []
    handler = MPI.Comm.Create_errhandler(lambda _comm, code: codes.append(code))
    own, other = comm.Dup(), comm.Dup()
    own.Set_errhandler(handler)
    again()
    other.Set_errhandler(handler)
    for each in (own, other):
        each.Call_errhandler(MPI.ERR_TAG)
    return codes, len(codes)


def test_error_handlers_of_the_program_come_back(resumed, comm):
    from mpi4py import MPI

    assert resumed(handled, comm) == ([MPI.ERR_TAG] * 2, 2)


def persisting(comm):
    from sauerkraut.mpi import persistent

    line = comm.Dup()
    right, left = (comm.rank + 1) % comm.size, (comm.rank - 1) % comm.size
    mine, theirs = np.zeros(2), np.zeros(2)
    requests = [
        persistent.recv_init(line, theirs, left, 4),
        persistent.send_init(line, mine, right, 4),
    ]
    found = []
    for step in range(4):
        mine[:] = comm.rank, step
        for each in requests:
            each.Start()
        if step == 1:
            again()  # with both of them active
        for each in requests:
            each.Wait()
        found.append(theirs.tolist())
        if step == 2:
            skt.current().checkpoint()
    for each in requests:
        each.Free()
    return found


def test_persistent_requests_that_remember_come_back(resumed, comm):
    left = (comm.rank - 1) % comm.size
    assert resumed(persisting, comm) == [[left, step] for step in range(4)]


def strangers(half):
    from mpi4py import MPI

    larger = MPI.COMM_WORLD.Dup()
    try:
        skt.current().checkpoint()
    except CaptureError as error:
        return str(error)
    finally:
        larger.Free()


@pytest.mark.mpi(ranks=(2, 4))
def test_a_communicator_with_ranks_of_no_epoch_is_refused_by_variable(comm, shared_dir):
    half = comm.Split(comm.rank % 2)
    ckpt = skt.Checkpointer(shared_dir / f"half-{comm.rank % 2}", half, interval=None, quiet=True)
    told = ckpt.run(strangers, half)
    assert "strangers() -> local 'larger': mpi4py.MPI.Intracomm cannot be captured; " in told
    assert "it has members outside of the communicator given to the Checkpointer" in told
    ckpt.close()
    half.Free()
