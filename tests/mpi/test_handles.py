"""Handles of MPI in what a Checkpointer captures: what comes back, and what is refused by name."""

import os

import numpy as np
import pytest

import sauerkraut as skt
from sauerkraut.errors import CaptureError
from sauerkraut.objects import graph
from tests.mpi.interrupted import again

pytestmark = pytest.mark.mpi(ranks=(1, 2, 4))


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
    from mpi4py.util import pkl5

    class Own(MPI.Intracomm):
        """As programs derive them."""

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
        "pickled": pkl5.Intracomm(comm.Dup()),
        "own": Own(comm.Dup()),
        "freed": comm.Dup(),
    }
    made["own"].label = "mine"
    made["freed"].Free()
    again()
    return comm, made


def test_communicators_of_every_kind_come_back(resumed, comm):
    from mpi4py import MPI
    from mpi4py.util import pkl5

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
    assert type(made["pickled"]) is pkl5.Intracomm
    assert made["pickled"].allgather(comm.rank) == list(range(comm.size))
    assert (type(made["own"]).__name__, made["own"].label) == ("Own", "mine")
    assert made["own"].allreduce(1) == comm.size


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


SIDE = 4  # of the block that data types are tried on, in doubles
TYPES = {
    "dup": lambda mpi: mpi.DOUBLE.Dup(),
    "contiguous": lambda mpi: mpi.DOUBLE.Create_contiguous(3),
    "vector": lambda mpi: mpi.DOUBLE.Create_vector(3, 1, SIDE),
    "hvector": lambda mpi: mpi.DOUBLE.Create_hvector(3, 1, 8 * SIDE),
    "indexed": lambda mpi: mpi.DOUBLE.Create_indexed([2, 1], [1, 7]),
    "indexed_block": lambda mpi: mpi.DOUBLE.Create_indexed_block(2, [1, 7]),
    "hindexed": lambda mpi: mpi.DOUBLE.Create_hindexed([2, 1], [8, 56]),
    "hindexed_block": lambda mpi: mpi.DOUBLE.Create_hindexed_block(2, [8, 56]),
    "struct": lambda mpi: mpi.Datatype.Create_struct([1, 2], [0, 24], [mpi.DOUBLE, mpi.INT]),
    "subarray": lambda mpi: mpi.DOUBLE.Create_subarray([SIDE, SIDE], [2, 2], [1, 1]),
    "darray": lambda mpi: mpi.DOUBLE.Create_darray(
        1, 0, [SIDE, SIDE], [mpi.DISTRIBUTE_BLOCK] * 2, [mpi.DISTRIBUTE_DFLT_DARG] * 2, [1, 1]
    ),
    "resized": lambda mpi: mpi.DOUBLE.Create_resized(0, 24),
    "f90_real": lambda mpi: mpi.Datatype.Create_f90_real(15, 307),
}


def typed(comm, name):
    from mpi4py import MPI

    held = TYPES[name](MPI)
    if not held.is_predefined:
        held.Commit()
    before = taken_by(held)
    again()
    after = taken_by(held)
    if not held.is_predefined:
        held.Free()
    return before, after, comm.rank


def taken_by(datatype):
    """What two elements of it take out of a block of numbers, and where the next would begin."""
    from mpi4py import MPI

    block, taken = np.arange(4.0 * SIDE * SIDE), np.zeros(4 * SIDE * SIDE)
    MPI.COMM_SELF.Sendrecv([block, 2, datatype], 0, 1, [taken, MPI.DOUBLE], 0, 1)
    return taken.tolist(), datatype.Get_extent(), datatype.Get_size()


@pytest.mark.mpi(ranks=1)
@pytest.mark.parametrize("name", TYPES)
def test_data_types_of_every_constructor_come_back(resumed, comm, name):
    before, after, _ = resumed(typed, comm, name)
    assert after == before
    assert after[0] != [0.0] * len(after[0])


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


def before(name):
    """The method that makes a persistent request, as it is before the first Checkpointer."""
    from mpi4py import MPI

    return getattr(MPI.Comm, name).__wrapped__


def refused(comm, kind):
    from mpi4py import MPI

    if kind == "window":
        held = MPI.Win.Allocate_shared(8, comm=comm)
    elif kind == "dynamic window":
        held = MPI.Win.Create_dynamic(comm=comm)
    elif kind == "persistent":
        held = before("Recv_init")(comm, np.zeros(1), comm.rank, 3)
    elif kind == "file":
        held = MPI.File.Open.__wrapped__(MPI.COMM_SELF, os.devnull)
    else:
        held = MPI.Win.Create_errhandler(lambda _window, _code: None)
    try:
        again()
    finally:
        held.Close() if kind == "file" else held.Free()


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        *(("window", "Win"), ("dynamic window", "Win"), ("persistent", "Prequest")),
        *(("handler", "Errhandler"), ("file", "File")),
    ],
)
def test_what_cannot_come_back_is_refused_by_variable(make, comm, kind, told):
    with pytest.raises(CaptureError) as raised:
        make().run(refused, comm, kind)
    assert f"refused() -> local 'held': mpi4py.MPI.{told} cannot be captured; " in str(raised.value)


PERSISTENT = {
    "Send_init": ("send_init or recv_init of sauerkraut.mpi.persistent", 1, 0),
    "Recv_init": ("send_init or recv_init of sauerkraut.mpi.persistent", 1, 0),
    "Psend_init": ("a partitioned one: free it before the checkpoint", 1, 1, 0),
    "Precv_init": ("a partitioned one: free it before the checkpoint", 1, 1, 0, 0),
    "Allreduce_init": ("a persistent collective operation does not tell", 2),
    "Bcast_init": ("a persistent collective operation does not tell", 1),
    "Barrier_init": ("a persistent collective operation does not tell", 0),
}
"""Call -> the advice for what it makes, its buffers, what else it is given."""


def persistent(comm, name):
    _, buffers, *arguments = PERSISTENT[name]
    made = [np.zeros(2) for _ in range(buffers)]
    if name in ("Send_init", "Recv_init"):
        held = before(name)(comm, *made, *arguments)
    else:
        held = getattr(comm, name)(*made, *arguments)
    try:
        skt.current().checkpoint()
    finally:
        held.Free()


@pytest.mark.mpi(ranks=2)
@pytest.mark.parametrize("name", PERSISTENT)
def test_persistent_requests_are_refused_with_advice_of_their_kind(make, comm, name):
    from mpi4py import MPI

    if MPI.Get_version() < (4, 0) and name not in ("Send_init", "Recv_init"):
        pytest.skip(f"missing: an MPI of version 4 (`make setup` takes MPICH), for {name}")
    with pytest.raises(CaptureError, match=PERSISTENT[name][0]):
        make().run(persistent, comm, name)


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


def handled_alike(comm):
    from mpi4py import MPI

    codes = []
    handler = MPI.Comm.Create_errhandler(lambda _comm, code: codes.append(code))
    many = [comm.Dup() for _ in range(35)]
    for each in many:
        each.Set_errhandler(handler)
    again()
    handler.Free()
    for each in many:
        each.Call_errhandler(MPI.ERR_TAG)
        each.Free()
    return len(codes)


@pytest.mark.mpi(ranks=(1, 2))
def test_one_error_handler_of_many_communicators_comes_back(resumed, comm):
    assert resumed(handled_alike, comm) == 35


def strangers(half, kind):
    from mpi4py import MPI

    larger = MPI.COMM_WORLD.Dup() if kind == "dup" else MPI.COMM_WORLD
    try:
        skt.current().checkpoint()
    except CaptureError as error:
        return str(error)
    finally:
        if kind == "dup":
            larger.Free()


@pytest.mark.mpi(ranks=(2, 4))
@pytest.mark.parametrize("kind", ["dup", "world"])
def test_a_communicator_with_ranks_of_no_epoch_is_refused_by_variable(comm, shared_dir, kind):
    half = comm.Split(comm.rank % 2)
    ckpt = skt.Checkpointer(shared_dir / f"half-{comm.rank % 2}", half, interval=None, quiet=True)
    told = ckpt.run(strangers, half, kind)
    assert "strangers() -> local 'larger': mpi4py.MPI.Intracomm cannot be captured; " in told
    assert "it has members outside of the communicator given to the Checkpointer" in told
    ckpt.close()
    half.Free()


def ending(comm):
    made = comm.Split(comm.rank % 2)
    return made, {"same": made}


def test_what_a_finished_run_returned_comes_back(make, comm):
    make().run(ending, comm)
    made, held = make().run(ending, comm)
    assert made.allreduce(1) == len(range(comm.rank % 2, comm.size, 2))
    assert held["same"] is made
