"""Writers to tasks that do not read: they wait for room, as long as there may be some."""

import pytest
from mpi4py import MPI

from sauerkraut import mpi
from sauerkraut.errors import RankError

pytestmark = pytest.mark.mpi(ranks=(1, 2, 4))
RANK, SIZE = MPI.COMM_WORLD.rank, MPI.COMM_WORLD.size


def writes(dest, count, nbytes, tag=0):
    for _ in range(count):
        mpi.send(b"x" * nbytes, dest, tag)
    return count


def reads_then_asks(writer):
    got = [len(mpi.recv(writer)) for _ in range(3)]
    return got, mpi.recv(writer, tag=2)


def writes_then_answers(reader):
    writes(reader, 11, 100)
    mpi.send("go", reader, tag=2)


def test_a_writer_waits_only_while_too_much_is_unread(comm):
    with mpi.TaskPool(comm, mailbox=1200) as pool:
        if RANK == 0:
            pool.spawn(reads_then_asks, SIZE * 1, name="reads")
            pool.spawn(writes_then_answers, 0)
        results = pool.run()
        if RANK == 0:
            assert results["reads"] == ([100] * 3, "go")


def ends():
    mpi.yield_()
    mpi.migrate(SIZE - 1)


def test_a_writer_does_not_wait_for_a_task_that_has_ended(comm):
    with mpi.TaskPool(comm, mailbox=1000) as pool:
        ended = pool.spawn(ends)
        pool.run()
        writing = pool.spawn(writes, ended, 20, 200)
        pool.run()
        assert writing.result() == 20


def ends_unread(dest):
    """Ends with more unread than its mailbox may hold."""
    mpi.recv()
    mpi.migrate(dest)
    mpi.recv()


@pytest.mark.parametrize("where", ["first", "last"])
def test_a_writer_does_not_wait_once_a_task_has_ended(comm, where):
    with mpi.TaskPool(comm, mailbox=1000) as pool:
        if RANK == 0:
            unread = pool.spawn(ends_unread, 0 if where == "first" else SIZE - 1)
            pool.spawn(writes, unread, 20, 200, name="writes")
        results = pool.run()
    assert RANK > 0 or results["writes"] == 20


@pytest.mark.parametrize(("mailbox", "error"), [(-1, ValueError), ("64 MiB", TypeError)])
def test_a_mailbox_that_means_nothing(comm, mailbox, error):
    with pytest.raises(error):
        mpi.TaskPool(comm, mailbox=mailbox)


def test_mailboxes_are_alike_on_all_ranks(comm):
    if SIZE == 1:
        return
    with pytest.raises(RankError, match=r"mailbox must be the same .*: 1000 on rank 0, 2000 on"):
        mpi.TaskPool(comm, mailbox=2000 if RANK else 1000)
