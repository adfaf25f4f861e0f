"""Persistent receives that were complete at the checkpoint are started, and receive once more.

At a restart, and in the program that goes on: MPICH lets go of those whose status it is asked for.

Only a message completes a receive, and only the rank that had sent it can send one that tells the
same. It gets what to send from the receiver, who takes one after the other: a receive of any rank
must not take what is meant for the next one.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mpi4py import MPI

from sauerkraut.mpi import wire


class Wish(NamedTuple):
    """A message that a rank is to send for another."""

    place: int
    """Of the communicator, in one order of all."""
    dest: int
    """Rank there."""
    tag: int
    data: bytes


def receive(
    comm: MPI.Intracomm,
    waiting: Sequence[tuple[MPI.Prequest, int, Wish]],
    comms: Mapping[int, MPI.Comm],
) -> None:
    """Start receives and complete them. Collective; nothing else is under way on ``comms``.

    Args:
        comm: The private duplicate.
        waiting: Receives of this rank, the ranks that send to them, and what.
        comms: By their place.
    """
    senders = comm.allgather([sender for _, sender, _ in waiting])
    to_send = sum(each.count(comm.Get_rank()) for each in senders)
    left = list(waiting)
    asked: int | None = None
    sent: list[tuple[MPI.Request, bytes]] = []
    unmatched: list[tuple[MPI.Request, bytes, int]] = []
    status = MPI.Status()
    began = time.monotonic()
    while left or asked is not None or to_send or unmatched or sent:
        if asked is None and left:
            request, asked, wish = left.pop(0)
            request.Start()
            data = pickle.dumps(wish, protocol=5)
            sent.append((comm.Isend([data, MPI.BYTE], asked, wire.WISHED), data))
        message = comm.Improbe(MPI.ANY_SOURCE, wire.WISHED, status) if to_send else None
        if message is not None:
            wish = pickle.loads(wire.receive(message, status))
            sending = comms[wish.place].Issend([wish.data, MPI.BYTE], wish.dest, wish.tag)
            unmatched.append((sending, wish.data, status.Get_source()))
            to_send -= 1
        matched = [each for each in unmatched if each[0].Test()]
        unmatched = [each for each in unmatched if each not in matched]
        for _, _, asker in matched:
            sent.append((comm.Isend([b"", MPI.BYTE], asker, wire.MATCHED), b""))
        # To ask the request itself whether it is complete would let go of it again.
        if asked is not None and comm.Iprobe(asked, wire.MATCHED):
            comm.Recv([bytearray(), MPI.BYTE], asked, wire.MATCHED)
            asked = None
        sent = [each for each in sent if not each[0].Test()]
        wire.rest(time.monotonic() - began)
    if any(senders):
        comm.Barrier()  # what the program sends must not find a receive that waits for ours
