"""Virtual ranks: what a program written for a communicator of MPI does over tasks."""

import pickle
import random
import re

import numpy as np
import pytest
from mpi4py import MPI

from sauerkraut import mpi
from sauerkraut.errors import Deadlock, MigrationError, RankError
from sauerkraut.mpi import TaskComm, TaskRequest

pytestmark = pytest.mark.mpi(ranks=(1, 2, 4))
WORLD = MPI.COMM_WORLD
SIZE = WORLD.size
LONGER = (
    "a message of 24 bytes of rank 0 with tag 0 is longer than the buffer of 16 bytes that it was "
    "received into"
)


class Restless(mpi.TaskPool):
    """Moves tasks wherever they stand or wait, without asking them."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self._random = random.Random(WORLD.rank)
        self._balancing.served = self._scatter  # after each turn

    def _scatter(self, _):
        begun = [each for each in self.delivery.residents if each.begin is None]
        dest = self._random.randrange(SIZE)
        if begun and dest != self.rank and self._random.random() < 0.5:
            moved = self._random.choice(begun)
            captured = self.delivery.residents.capture(moved)
            self.delivery.moving.send(moved, captured, dest, asked=False)

    @property
    def moves(self):
        return WORLD.allreduce(self.delivery.moving.moves)


@pytest.fixture(params=[mpi.TaskPool, Restless], ids=["staying", "moved"])
def pool(comm, request):
    with request.param(comm) as opened:
        yield opened


@pytest.fixture
def still(comm):
    with mpi.TaskPool(comm) as opened:
        yield opened


def swap_by_sendrecv(comm, field, above, below):
    comm.Sendrecv(field[1], above, recvbuf=field[-1], source=below)
    comm.Sendrecv([field[-2], MPI.DOUBLE], below, 5, [field[0], MPI.DOUBLE], above, 5)


def swap_at_once(comm, field, above, below):
    requests = [comm.Irecv(field[0], above, 1), comm.Irecv(field[-1], below, 2)]
    requests += [comm.Isend(field[1], above, 2), comm.Isend(field[-2], below, 1)]
    for each in requests:
        each.Wait()


def stencil(comm, swap, rows=24, columns=9, tolerance=3e-3, wander=None):
    """Jacobi's method for a plate with one hot edge; all of it on rank 0."""
    first, end = rows * comm.rank // comm.size, rows * (comm.rank + 1) // comm.size
    above = comm.rank - 1 if comm.rank > 0 else MPI.PROC_NULL
    below = comm.rank + 1 if comm.rank < comm.size - 1 else MPI.PROC_NULL
    field = np.zeros((end - first + 2, columns))
    if comm.rank == 0:
        field[0] = np.sin(np.arange(columns))
    inside, change, steps = field[1:-1, 1:-1], np.ones(1), 0
    while change[0] > tolerance:
        swap(comm, field, above, below)
        if wander is not None and wander.random() < 0.3:
            mpi.migrate(wander.randrange(SIZE))
        new = (field[:-2, 1:-1] + field[2:, 1:-1] + field[1:-1, :-2] + field[1:-1, 2:]) / 4
        comm.Allreduce(np.array([abs(new - inside).max()]), change, MPI.MAX)
        inside[:] = new
        steps += 1
    blocks = comm.gather(inside)
    return steps, None if blocks is None else np.concatenate(blocks)


def wandering(comm, swap):
    return stencil(comm, swap, wander=random.Random(comm.rank))


@pytest.mark.parametrize("swap", [swap_by_sendrecv, swap_at_once])
@pytest.mark.parametrize("program", [stencil, wandering])
@pytest.mark.parametrize("size", [SIZE, 5])
def test_a_stencil_gives_the_bits_that_mpi_gives(pool, program, swap, size):
    steps, expected = WORLD.bcast(stencil(WORLD, swap))
    assert steps > 10
    pool.spawn_ranks(program, size, swap)
    results = pool.run()
    assert all(result[0] == steps for result in results.values())
    assert SIZE == 1 or type(pool) is mpi.TaskPool or pool.moves > 0
    assert (expected == WORLD.bcast(results["rank 0"][1] if WORLD.rank == 0 else None)).all()


def all_collectives(comm):
    """What each gives on this rank."""
    rank, size, last = comm.Get_rank(), comm.Get_size(), comm.Get_size() - 1
    found = [comm.bcast({"from": rank}, last), comm.gather(rank * rank, last)]
    found += [comm.allgather(str(rank)), comm.alltoall([(rank, to) for to in range(size)])]
    found += [comm.scatter((each * 3 for each in range(size)) if rank == 0 else None)]
    found += [comm.reduce(rank, MPI.MAX, last), comm.allreduce([rank])]
    found += [comm.allreduce((rank % 2, rank), MPI.MINLOC)]
    comm.Barrier()
    numbers = np.arange(4, dtype="i4") + rank
    total = np.zeros(4, dtype="i4")
    comm.Reduce(numbers, total, MPI.PROD, last)
    found.append(total.tolist())
    comm.Allreduce([numbers, MPI.INT], [total, MPI.INT])
    found.append(total.tolist())
    comm.Allreduce(MPI.IN_PLACE, [numbers, 2, MPI.INT], MPI.BXOR)
    pairs = np.zeros(2, dtype=np.dtype([("value", "f8"), ("rank", "i4")], align=True))
    pairs["value"], pairs["rank"] = [-rank, rank], rank
    least = np.empty_like(pairs)
    comm.Allreduce([pairs, MPI.DOUBLE_INT], [least, MPI.DOUBLE_INT], MPI.MINLOC)
    found.append(least.tolist())
    comm.Bcast(total[:2], last)
    comm.barrier()
    return [*found, numbers.tolist(), total.tolist()]


def test_collectives_give_what_mpi_gives(pool):
    pool.spawn_ranks(all_collectives, SIZE)
    results = pool.run()
    assert results == {f"rank {WORLD.rank}": all_collectives(WORLD)}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
def test_collectives_of_any_number_of_ranks(pool, size):
    tasks = pool.spawn_ranks(sums, size, name="sums")
    results = pool.run()
    values = [0.1 * 3**rank for rank in range(size)]
    while len(values) > 1:  # neighbours first: whatever is where, the same bits
        pairs = [values[place : place + 2] for place in range(0, len(values), 2)]
        values = [sum(pair[1:], start=pair[0]) for pair in pairs]
    assert results == {
        tasks[rank].name: values * 4 for rank in range(size) if rank % SIZE == WORLD.rank
    }


def sums(comm):
    mine, total = np.array([0.1 * 3**comm.rank]), np.empty(1)
    found = [comm.allreduce(mine[0])]
    comm.Allreduce(mine, total)
    found.append(total[0])
    for root in (0, comm.size - 1):
        comm.Reduce(mine, total, root=root)
        found.append(comm.bcast(total[0], root))
    return found


def in_order(comm):
    """Receives take messages in the order in which they were posted, whatever is waited for."""
    if comm.rank == 1:
        for number in range(4):
            comm.send(number, 0, tag=number % 2)
        return comm.recv(source=0)
    requests = [comm.irecv(source=1, tag=1), comm.irecv(), comm.irecv(tag=1), comm.irecv(source=1)]
    statuses = [MPI.Status() for _ in requests]
    last = requests[3].wait(statuses[3])
    found = TaskRequest.waitall(requests[:3], statuses)
    comm.send("done", 1)
    return [*found, last], [each.tag for each in statuses], {each.source for each in statuses}


def test_messages_go_to_receives_in_the_order_these_were_posted(pool):
    tasks = pool.spawn_ranks(in_order, 2)
    results = pool.run()
    if tasks[0].name in results:
        assert results[tasks[0].name] == ([1, 0, 3, 2], [1, 0, 1, 0], {1})


def receives_some(comm):
    """Rank 0 takes what comes; the others send arrays of several kinds."""
    if comm.rank > 0:
        data = np.arange(6.0).reshape(2, 3) + 10 * comm.rank
        column = MPI.DOUBLE.Create_vector(2, 1, 3).Commit()
        comm.Send({1: data, 2: [data, 2, MPI.DOUBLE], 3: [data, 1, column]}[comm.rank], 0, 5)
        column.Free()
        comm.Send(np.empty(0), MPI.PROC_NULL)
        return comm.recv(source=MPI.PROC_NULL)
    found, status = {}, MPI.Status()
    for _ in range(3):
        got = np.zeros(7)
        comm.Recv(got, MPI.ANY_SOURCE, MPI.ANY_TAG, status)
        assert status.Get_tag() == 5
        found[status.Get_source()] = got[: status.Get_count(MPI.DOUBLE)].tolist()
    comm.Recv(got, MPI.PROC_NULL, status=status)
    assert (status.source, status.Get_count(MPI.DOUBLE)) == (MPI.PROC_NULL, 0)
    return found


def test_arrays_and_statuses(pool):
    tasks = pool.spawn_ranks(receives_some, 4)
    expected = {1: [10.0, 11.0, 12.0, 13.0, 14.0, 15.0], 2: [20.0, 21.0], 3: [30.0, 33.0]}
    results = pool.run()
    assert results.get(tasks[0].name, expected) == expected


def one_after_the_other(comm):
    if comm.rank == 0:
        left = [comm.irecv(source=rank) for rank in range(1, comm.size)]
        found = []
        while len(found) < comm.size - 1:
            place, value = TaskRequest.waitany(left)
            found.append((place + 1, value))
            comm.send("more", place + 1)
        assert TaskRequest.Waitany(left) == MPI.UNDEFINED
        return sorted(found)
    comm.send(comm.rank**2, 0)
    request = comm.irecv(source=0)
    while not (told := request.test())[0]:
        pass
    return told[1]


def test_one_of_many_requests(pool):
    tasks = pool.spawn_ranks(one_after_the_other, 4)
    results = pool.run()
    assert results.get(tasks[0].name, [(1, 1), (2, 4), (3, 9)]) == [(1, 1), (2, 4), (3, 9)]
    assert results.get(tasks[3].name, "more") == "more"


def divides(comm):
    half = comm.Split(comm.rank % 2, -comm.rank)
    rest = comm.Split(0 if comm.rank else MPI.UNDEFINED)
    twin = comm.Dup()
    request = comm.irecv(source=comm.rank, tag=1)
    twin.send("twin", comm.rank, 1)
    comm.send("comm", comm.rank, 1)
    assert (request.wait(), twin.recv()) == ("comm", "twin")
    return half.rank, half.allgather(comm.rank), None if rest == MPI.COMM_NULL else rest.size


def test_communicators_made_of_others(pool):
    tasks = pool.spawn_ranks(divides, 5)
    results = pool.run()
    expected = [(2, [4, 2, 0], None), (1, [3, 1], 4), (1, [4, 2, 0], 4)]
    for task, found in zip(tasks, expected, strict=False):
        assert results.get(task.name, found) == found


def passed_on(comm):
    """A communicator is a value: whoever gets it is a rank of it, if it is one."""
    other = comm.sendrecv((comm, TaskComm.world()), (comm.rank + 1) % 3)[0]
    assert other == comm == TaskComm.world() == pickle.loads(pickle.dumps(comm))
    return other.rank == comm.rank


def test_communicators_travel(pool):
    tasks = pool.spawn_ranks(passed_on, 3)
    results = pool.run()
    assert all(results.get(task.name, True) is True for task in tasks)


def much(comm):
    """More than fits into a mailbox, in every way in which MPI promises an end."""
    other, mine = 1 - comm.rank, np.full(5000, comm.rank, "u1")
    got, more = np.empty(5000, "u1"), np.empty(5000, "u1")
    comm.Sendrecv(mine, other, recvbuf=got)
    receiving = comm.Irecv(more, other)
    comm.Send(mine, other)
    receiving.Wait()
    requests = [comm.Isend(mine, other), comm.Irecv(more, other)]
    TaskRequest.Waitall(requests)
    receiving = comm.Irecv(more, other)
    if comm.rank == 0:
        comm.Send(mine, other)
    comm.Barrier()
    if comm.rank == 1:
        comm.Send(mine, other)
    receiving.Wait()
    comm.alltoall([mine, mine])
    return set(got) | set(more)


def test_more_than_fits_into_a_mailbox(comm):
    with mpi.TaskPool(comm, mailbox=1000) as pool:
        tasks = pool.spawn_ranks(much, 2)
        results = pool.run()
    assert results.get(tasks[0].name, {1}) == {1}


def refuses(comm):
    raised = []
    calls = [
        lambda: comm.Sendrecv(np.ones(3), comm.rank, recvbuf=np.ones(2), source=comm.rank),
        lambda: comm.send(1, 7),
        lambda: comm.send(1, 0, -3),
        lambda: comm.bcast(1, 2),
        lambda: comm.Send([np.ones(2), 3, MPI.DOUBLE], 0),
        lambda: comm.Send([np.ones(2), "much", 3, 4], 0),
        lambda: comm.scatter([1, 2, 3], comm.rank),
        lambda: comm.Allreduce(np.ones(2), np.ones(2, dtype="f4")),
        lambda: comm.Reduce(np.ones(2), np.ones(3)),
        lambda: comm.Isend(np.array([1, "x"], object), 0),
        lambda: comm.Irecv(np.empty(2, [("who", object)]), 0),
        lambda: comm.send(1, 0, 2**63),
        lambda: comm.recv(tag=2**63),
    ]
    for call in calls:
        with pytest.raises(MigrationError) as found:
            call()
        raised.append(str(found.value))
    return raised


def test_errors_say_what_is_wrong(pool):
    (task,) = pool.spawn_ranks(refuses, 1)
    told = pool.run().get(task.name)
    if told is not None:
        assert told[:3] == [
            LONGER,
            "dest=7: ranks of this TaskComm are 0 to 0",
            "tag=-3: tags are 0 to 2**63 - 1",
        ]
        assert told[3] == "root=2: ranks of this TaskComm are 0 to 0"
        assert "3 items that take 24 bytes are not in a buffer of 16 bytes" in told[4]
        assert "a buffer is an array, [array, datatype] or" in told[5]
        assert told[6] == "3 objects for 1 rank: give one for each"
        assert told[7] == "a reduction of 2 items of MPI_DOUBLE into 2 items of MPI_FLOAT"
        assert told[8] == "a reduction of 2 items of MPI_DOUBLE into 3 items of MPI_DOUBLE"
        assert told[9].startswith("an array of object holds addresses of objects")
        assert "holds addresses of objects" in told[10]
        assert all(text.startswith(f"tag={2**63}: tags are 0 to 2**63 - 1") for text in told[11:])


def only_for_tasks(comm):
    return mpi.current()


def sends_to(comm):
    comm.send("I am none of you", 0)


def keeps(comm):
    return comm


def test_only_tasks_of_it_send(still):
    (member,) = still.spawn_ranks(keeps, 1)
    other = WORLD.bcast(still.run().get(member.name))
    still.spawn(sends_to, other)
    with pytest.raises((RankError, MigrationError), match="is none of the 1 tasks"):
        still.run()


def test_only_tasks_of_it_are_ranks(still):
    with pytest.raises(MigrationError, match="is for tasks"):
        TaskComm.world()
    with pytest.raises(MigrationError, match=r"0 tasks on rank 0.*1 or more"):
        still.spawn_ranks(only_for_tasks, 0)
    with pytest.raises(MigrationError, match="a task calls a function"):
        still.spawn_ranks("stencil", 2)
    still.spawn(TaskComm.world)
    with pytest.raises((RankError, MigrationError), match="no virtual rank"):
        still.run()


def waits(comm):
    if comm.rank == 0:
        mpi.migrate(SIZE - 1)
        comm.recv(source=1, tag=7)
    elif comm.rank == 1:
        waits_deeper(comm)
    else:
        raise ValueError("no more")


def waits_deeper(comm):
    comm.allreduce(1)


def test_a_deadlock_tells_where_each_waits(pool):
    pool.spawn_ranks(waits, 3, name="stuck")
    with pytest.raises(Deadlock) as found:
        pool.run()
    told, here = str(found.value), re.escape(__file__)
    line = waits.__code__.co_firstlineno
    assert re.search(
        rf"'stuck 0' at {here}:{line + 3} in waits\(\) waits for a message of rank 1 with tag 7",
        told,
    )
    line = waits_deeper.__code__.co_firstlineno
    assert re.search(
        rf"'stuck 1' at {here}:{line + 1} in waits_deeper\(\) waits for rank 0 in a broadcast", told
    )
    assert "'stuck 2' raised ValueError: no more" in told
