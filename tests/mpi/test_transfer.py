"""Snapshots go from rank to rank, and run on there."""

import resource
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI

import sauerkraut as skt
from sauerkraut.errors import CaptureError, MigrationError
from sauerkraut.mpi.transfer import (
    Channel,
    irecv_snapshot,
    isend_snapshot,
    recv_snapshot,
    send_snapshot,
)

COMM = MPI.COMM_WORLD
NEXT = (COMM.rank + 1) % COMM.size
BEFORE = (COMM.rank - 1) % COMM.size

pytestmark = pytest.mark.mpi(ranks=(1, 2, 4))


@pytest.fixture
def channel():
    with Channel(COMM) as opened:
        yield opened


def work(rank, size):
    whole = np.arange(float(size)) + rank
    part = whole[1::2]
    names = [rank, "näme", b"\x00"]
    names.append(names)
    total = 0.0
    for step in range(3):
        snapshot = skt.capture(arrays="borrow") if step == 1 else None
        if snapshot:
            return snapshot
        whole += 1
        total += part.sum()
    return rank, total, np.shares_memory(part, whole), names[3] is names, COMM.rank


def taken(rank, size):
    return skt.call(work, rank, size)


def expected(rank, size, at):
    whole = np.arange(float(size)) + rank
    total = sum((whole + step)[1::2].sum() for step in (1, 2, 3))
    return rank, total, True, True, at


@pytest.mark.parametrize("size", [4, 10_000, 300_000])
def test_a_stack_goes_on_at_another_rank(channel, size):
    snapshot = taken(COMM.rank, size)
    sending = channel.isend(snapshot, NEXT, tag=5, note=b"from %d" % COMM.rank)
    receiving = channel.irecv(BEFORE, tag=5)
    arrived = receiving.wait()
    sending.wait()
    assert receiving.note == b"from %d" % BEFORE
    assert arrived.resume(None) == expected(BEFORE, size, COMM.rank)


def test_any_rank_and_many_at_once(channel):
    sent = [channel.isend(taken(number, 20_000), 0) for number in range(20)]
    if COMM.rank == 0:
        there = [channel.recv() for _ in range(20 * COMM.size)]
        got = sorted(each.resume(None)[0] for each in there)
        assert got == sorted(list(range(20)) * COMM.size)
    for each in sent:
        each.wait()


def test_on_a_communicator_of_the_program():
    if COMM.size == 1:
        sending = isend_snapshot(taken(7, 100_000), 0, tag=3)
        assert irecv_snapshot(0, tag=3).wait().resume(None)[0] == 7
        sending.wait()
    elif COMM.rank == 0:
        send_snapshot(taken(7, 100_000), 1, tag=3)
    elif COMM.rank == 1:
        assert recv_snapshot(tag=3).resume(None) == expected(7, 100_000, 1)


def test_it_is_resumed_once(channel):
    sending = channel.isend(taken(0, 100_000), NEXT)
    arrived = channel.recv(BEFORE)
    sending.wait()
    arrived.resume(None)
    with pytest.raises(CaptureError, match="was released"):
        arrived.resume(None)


def test_a_large_object_stream(channel):
    def holds():
        text = "x" * (3 << 20)
        snapshot = skt.capture()
        return snapshot or len(text)

    sending = channel.isend(skt.call(holds), NEXT)
    assert channel.recv(BEFORE).resume(None) == 3 << 20
    sending.wait()


def test_a_receiver_without_memory_refuses_and_the_sender_knows_why(channel):
    snapshot = taken(0, 40_000_000)  # lives on, so that its memory is not free again
    sending = channel.isend(snapshot, NEXT)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + (100 << 20), limits[1]))
    try:
        with pytest.raises(MigrationError, match=f"of rank {BEFORE} cannot be received: MemoryE"):
            channel.recv(BEFORE)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    with pytest.raises(MigrationError, match=f"rank {NEXT} refused the snapshot: MemoryError"):
        sending.wait()


def test_what_cannot_be_sent(channel):
    snapshot = taken(0, 10)
    with pytest.raises(MigrationError, match=f"dest={COMM.size}: ranks are 0 to {COMM.size - 1}"):
        channel.isend(snapshot, COMM.size)
    with pytest.raises(MigrationError, match="tag=1024: tags of snapshots are 0 to 1023"):
        channel.irecv(0, 1024)
    released = taken(0, 100_000)
    released.release()
    with pytest.raises(MigrationError, match=r"cannot be sent: .* was released"):
        channel.isend(released, 0)
