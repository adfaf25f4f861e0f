"""Requests and messages that are under way when a checkpoint is taken, and what that costs."""

from collections import Counter

import numpy as np
import pytest

import sauerkraut as skt
from sauerkraut import storage
from sauerkraut.checkpoint.state import State
from sauerkraut.errors import CaptureError, StorageError
from tests.mpi.interrupted import CrashError, again

pytestmark = pytest.mark.mpi(ranks=(1, 2, 4))

BIG = 1 << 18  # doubles: such a message is sent when somebody receives it


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
    assert "after 0.2 s (SAUERKRAUT_DRAIN), and MPI does not tell from whom" in str(raised.value)
    assert "post it after the checkpoint, or complete it before (Wait; " in str(raised.value)


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


@pytest.mark.mpi(ranks=2)
def test_rank_0_is_linked_with_all_however_many_there_are(resumed, comm, monkeypatch):
    from mpi4py import MPI

    monkeypatch.setenv("SAUERKRAUT_MARKER_RANKS", "1")
    assert resumed(without_a_communicator, comm.rank, comm.size) == f"from {1 - comm.rank}"
    # the interrupted run was of this process and did not receive its own
    assert MPI.COMM_WORLD.recv(tag=2) == f"from {1 - comm.rank}"


def twice_with_a_communicator(comm):
    line = comm.Dup()
    for _ in range(2):
        skt.current().checkpoint()
    line.Free()


@pytest.mark.mpi(ranks=4)
def test_pairs_that_exchange_no_markers_are_named_once(make, comm, monkeypatch, caplog):
    make().run(twice_with_a_communicator, comm)
    assert "SAUERKRAUT_MARKER_RANKS" not in caplog.text
    monkeypatch.setenv("SAUERKRAUT_MARKER_RANKS", "3")
    make().run(twice_with_a_communicator, comm, fresh=True)
    said = [each.getMessage() for each in caplog.records]
    told = [each for each in said if each.startswith("SAUERKRAUT_MARKER_RANKS=3: on a communi")]
    assert len(told) == (comm.rank == 0)
    assert all("of 4 ranks" in each for each in told)


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


def persisting(comm, made):
    from mpi4py import MPI

    from sauerkraut.mpi import persistent

    line = comm.Dup()
    right, left = (comm.rank + 1) % comm.size, (comm.rank - 1) % comm.size
    mine, theirs = np.zeros(2), np.zeros(2)
    if made == "noted":
        spec = [theirs, MPI.DOUBLE]
        requests = [line.Recv_init(spec, tag=4), line.Ssend_init(buf=mine, dest=right, tag=4)]
        spec.clear()
    else:
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
        status = MPI.Status()
        requests[0].Wait(status)
        requests[1].Wait()
        found.append([theirs.tolist(), status.source, status.tag, status.Get_count(MPI.DOUBLE)])
        if step == 2:
            skt.current().checkpoint()
    for each in requests:
        each.Free()
    return found


@pytest.mark.parametrize("made", ["noted", "remembered"])
def test_persistent_requests_come_back(resumed, comm, made):
    left = (comm.rank - 1) % comm.size
    found = resumed(persisting, comm, made)
    assert found == [[[left, step], left, 4, 2] for step in range(4)]


LENGTHS = (3, 1, 2)  # of messages, by tag


def taken_in_any_order(comm, interrupted):
    from mpi4py import MPI

    line = comm.Dup()
    side = line.Create_cart([line.size], [True])
    right, left = (comm.rank + 1) % comm.size, (comm.rank - 1) % comm.size
    kept = [np.full(5, -1.0) for _ in LENGTHS]
    of_any = [side.Recv_init(each) for each in kept]
    of_nobody = side.Recv_init(np.zeros(1), MPI.PROC_NULL)
    unused, block = side.Recv_init(np.zeros(1), tag=9), np.zeros(BIG)
    large = line.Recv_init([block, BIG, MPI.DOUBLE], left, 7)
    sent = [
        side.Isend(np.full(length, float(comm.rank)), right, tag)
        for tag, length in enumerate(LENGTHS)
    ]
    MPI.Prequest.Startall([*of_any, of_nobody, large])
    line.Send(np.arange(float(BIG)), right, 7)
    MPI.Request.Waitall(sent)
    for _ in range(2):
        again() if interrupted else skt.current().checkpoint()
    found = []
    status = MPI.Status()
    for _ in LENGTHS:
        index = MPI.Request.Waitany(of_any, status)
        values = kept[index][: status.Get_count(MPI.DOUBLE)].tolist()
        found.append([status.source, status.tag, values, kept[index][-1]])
    index = MPI.Request.Waitany(of_any)
    of_nobody.Wait()
    large.Wait()
    rest = [index == MPI.UNDEFINED, unused.Test(), block.sum()]
    for each in (*of_any, of_nobody, unused, large):
        each.Free()
    return sorted(found), rest


@pytest.mark.parametrize("restarts", [0, 2])
def test_receives_that_were_complete_are_found_complete(make, comm, restarts):
    left = (comm.rank - 1) % comm.size
    for _ in range(restarts):
        with pytest.raises(CrashError):
            make().run(taken_in_any_order, comm, restarts > 0)
    found, rest = make().run(taken_in_any_order, comm, restarts > 0)
    assert found == [[left, tag, [left] * n, -1.0] for tag, n in enumerate(LENGTHS)]
    assert rest == [True, True, sum(range(BIG))]


def of_what_is_freed(comm):
    line = comm.Dup()
    held = line.Recv_init(np.zeros(1), comm.rank, 3)
    line.Free()
    try:
        skt.current().checkpoint()
    finally:
        held.Free()


def test_one_whose_communicator_is_freed_is_refused_by_variable(make, comm):
    told = "local 'held': mpi4py.MPI.Prequest cannot be captured; the communicator or data type"
    with pytest.raises(CaptureError, match=told):
        make().run(of_what_is_freed, comm)


def with_a_failing_checkpoint(comm):
    from mpi4py import MPI

    right, left = (comm.rank + 1) % comm.size, (comm.rank - 1) % comm.size
    line = comm.Dup()
    sent = [line.isend(text, right, tag=1) for text in ("first", "second")]
    comm.barrier()
    with pytest.raises(StorageError):
        skt.current().checkpoint()
    MPI.Request.waitall(sent)
    return [line.recv(source=left), line.recv(source=left), line.allreduce(1)]


def test_messages_are_there_after_a_checkpoint_that_failed(make, comm, monkeypatch):
    def full(*_, **__):
        raise StorageError("no space")

    monkeypatch.setattr("sauerkraut.storage.begin", full)
    assert make().run(with_a_failing_checkpoint, comm) == ["first", "second", comm.size]


def sending_large(comm):
    right, left = (comm.rank + 1) % comm.size, (comm.rank - 1) % comm.size
    sent = comm.Isend(np.full(BIG, comm.rank, float), right, 1)
    skt.current().checkpoint()
    received = np.zeros(BIG)
    comm.Recv(received, left, 1)
    sent.Wait()
    return received[-1]


def test_a_request_that_completes_meanwhile_costs_one_more_capture(make, comm, monkeypatch):
    captures, totals = [], []
    plain, begun = State.capture, storage.begin

    def capture(*arguments):
        captures.append(arguments)
        return plain(*arguments)

    def begin(*arguments, **options):
        totals.append(options["nbytes"])
        return begun(*arguments, **options)

    monkeypatch.setattr(State, "capture", capture)
    monkeypatch.setattr(storage, "begin", begin)
    assert make().run(sending_large, comm) == (comm.rank - 1) % comm.size
    assert len(captures) == 2
    assert comm.rank or totals[0] > 8 * BIG * comm.size  # what is under way as well


def leaving_mail(comm):
    comm.send(f"from {comm.rank}", (comm.rank + 1) % comm.size, tag=5)
    comm.barrier()


@pytest.mark.mpi(ranks=(2, 4))  # a send to oneself waits for its receive
def test_mail_is_there_after_an_end_that_cannot_be_recorded(make, comm, monkeypatch):
    def full(*_, **__):
        raise StorageError("no space")

    monkeypatch.setattr("sauerkraut.storage.finish", full)
    make().run(leaving_mail, comm)
    assert comm.recv(tag=5) == f"from {(comm.rank - 1) % comm.size}"


def refused_with_mail(comm):
    right, left = (comm.rank + 1) % comm.size, (comm.rank - 1) % comm.size
    never = comm.Irecv(np.zeros(1), comm.rank, 3)
    line = comm.Dup()
    sent = line.Isend(np.full(BIG, comm.rank, float), right, 1)
    with pytest.raises(CaptureError) as raised:
        skt.current().checkpoint()
    never.Cancel()
    never.Wait()
    received = np.zeros(BIG)
    line.Recv(received, left, 1)
    sent.Wait()
    return received[-1], str(raised.value)


def test_mail_is_there_after_a_request_that_is_refused(make, comm, monkeypatch):
    monkeypatch.setenv("SAUERKRAUT_DRAIN", "0.2")
    received, told = make().run(refused_with_mail, comm)
    assert received == (comm.rank - 1) % comm.size
    assert "local 'never'" in told


def renumbered(comm):
    from sauerkraut.mpi import persistent

    requests = []  # shows its communicator once it is complete, before those that follow
    line, other = comm.Dup(), comm.Split(0, -comm.rank)
    right, left = (comm.rank + 1) % comm.size, (comm.rank - 1) % comm.size
    values = np.full(BIG, comm.rank, float)
    requests.append(persistent.send_init(other, values, comm.size - 1 - right, 1))
    requests[0].Start()
    line.send(f"from {comm.rank}", right, tag=2)
    comm.barrier()
    again()
    received = np.zeros(BIG)
    other.Recv(received, comm.size - 1 - left, 1)
    requests[0].Free()
    return line.recv(source=left, tag=2), received[-1]


@pytest.mark.mpi(ranks=(2, 4))
def test_mail_comes_back_by_the_communicator_it_was_sent_on(resumed, comm):
    left = (comm.rank - 1) % comm.size
    assert resumed(renumbered, comm) == (f"from {left}", left)


def crosswise(comm):
    held, hidden = comm.Dup(), comm.Dup()  # never freed: markers that nobody takes are left there
    if comm.rank == comm.size - 1:
        held = hidden
    del hidden
    if comm.rank == 0:
        held.send("mail", 1, tag=1)
    comm.barrier()
    with pytest.raises(CaptureError) as raised:
        skt.current().checkpoint()
    received = held.recv(source=0, tag=1) if comm.rank == 1 else None
    return received, str(raised.value)


@pytest.mark.mpi(ranks=(4,))
def test_mail_of_a_communicator_that_is_refused_goes_back(make, comm, monkeypatch):
    monkeypatch.setenv("SAUERKRAUT_PATIENCE", "2")
    received, told = make().run(crosswise, comm)
    assert received == ("mail" if comm.rank == 1 else None)
    assert "another of its members holds another communicator of the same members" in told


def test_calls_of_a_checkpoint_with_a_communicator_are_counted(comm, shared_dir):
    from mpi4py import MPI

    counts = Counter()
    counted = {"Isend", "Improbe", "Iallreduce", "Iallgather", "Iallgatherv", "Ibcast", "Ibarrier"}

    class Counting(MPI.Intracomm):
        def __getattribute__(self, name):
            counts[name] += name in counted
            return super().__getattribute__(name)

    def twice(comm, line):
        skt.current().checkpoint()
        comm.barrier()
        before = counts.copy()
        skt.current().checkpoint()
        return line.size, counts - before

    given = Counting(comm)
    ckpt = skt.Checkpointer(shared_dir / "counted", given, interval=None, quiet=True)
    _, made = ckpt.run(twice, given, given.Dup())
    assert made == {
        # 12 as without handles, and one allgather
        "Iallreduce": 2,
        "Iallgather": 3,
        "Iallgatherv": 3,
        "Ibcast": 6,
        # a marker to each rank, itself included, on both communicators that are counted here
        "Isend": 2 * comm.size,
        "Improbe": 2 * comm.size,
    }
    ckpt.close()
