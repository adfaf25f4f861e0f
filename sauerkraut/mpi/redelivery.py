"""Messages that were in flight go back to their senders, who send them once more.

The receiver took them in before their time, so the program that goes on needs them again, and so
does the one that restarts. Both get them from the rank that sent them, in the order they were sent,
before it can send anything else.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mpi4py import MPI

from sauerkraut.mpi import wire


@dataclass(frozen=True)
class Message:
    """A message that its sender is to send again."""

    channel: int
    """The number of the communicator on the rank that sends it."""
    dest: int
    tag: int
    data: bytes


Returned = tuple[int, Message]
"""A message, and the exchange in which its communicator has that number."""


def return_to_senders(
    comm: MPI.Intracomm, found: Mapping[int, list[Returned]], senders: Sequence[Sequence[int]]
) -> list[Returned]:
    """Give each sender what was found of its messages; what this rank is to send again.

    Collective, and called when any rank has found any.

    Args:
        comm: The private duplicate.
        found: Rank of the sender -> its messages, in order.
        senders: Of each rank, the ranks whose messages it has found.
    """
    data = {rank: pickle.dumps(messages, protocol=5) for rank, messages in found.items()}
    sent = [comm.Isend([each, MPI.BYTE], rank, wire.RETURNED) for rank, each in data.items()]
    mine: list[Returned] = []
    status = MPI.Status()
    for receiver, found_there in enumerate(senders):
        if comm.Get_rank() in found_there:
            message = comm.Mprobe(receiver, wire.RETURNED, status)
            mine += pickle.loads(wire.receive(message, status))
    MPI.Request.Waitall(sent)
    return mine


class Traffic:
    """What a group sends on communicators of the program."""

    def __init__(self) -> None:
        self._exchanges = 0
        self._numbered: dict[int, Mapping[int, MPI.Comm]] = {}
        self._pending: list[tuple[MPI.Request, bytes]] = []

    def begin_exchange(self, comms: Mapping[int, MPI.Comm]) -> int:
        """The number of an exchange, the same on all ranks.

        Args:
            comms: Communicators by the numbers that they have on this rank in this exchange.
        """
        self._exchanges += 1
        self._numbered[self._exchanges] = comms
        return self._exchanges

    def end_exchange(self, exchange: int) -> None:
        """Forget an exchange of which nothing can come any more: no marker of it is left."""
        del self._numbered[exchange]

    def comm_of(self, exchange: int, number: int) -> MPI.Comm:
        """The communicator that had this number here in that exchange."""
        return self._numbered[exchange][number]

    def send(self, messages: Sequence[tuple[MPI.Comm, Message]]) -> None:
        """Send those of this rank, in order, each on its communicator."""
        self._pending = [each for each in self._pending if not each[0].Test()]
        for comm, each in messages:
            request = comm.Isend([each.data, MPI.BYTE], each.dest, each.tag)
            self._pending.append((request, each.data))
