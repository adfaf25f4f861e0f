"""Messages that were in flight go back to their senders, who send them once more.

The receiver took them in before their time, so the program that goes on needs them again, and so
does the one that restarts. Both get them from the rank that sent them, in the order they were sent,
before it can send anything else.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mpi4py import MPI

TAG = 2  # of the private duplicate; 1 is that of who waits for whom


@dataclass(frozen=True)
class Message:
    """A message that its sender is to send again."""

    channel: int
    """The communicator: what all ranks call it while this travels, then its number on a rank."""
    dest: int
    tag: int
    data: bytes


def return_to_senders(
    comm: MPI.Intracomm, found: Mapping[int, list[Message]], senders: Sequence[Sequence[int]]
) -> list[Message]:
    """Give each sender what was found of its messages; what this rank is to send again.

    Collective, and called when any rank has found any.

    Args:
        comm: The private duplicate.
        found: Rank of the sender -> its messages, in order.
        senders: Of each rank, the ranks whose messages it has found.
    """
    data = {rank: pickle.dumps(messages, protocol=5) for rank, messages in found.items()}
    sent = [comm.Isend([each, MPI.BYTE], rank, TAG) for rank, each in data.items()]
    mine: list[Message] = []
    status = MPI.Status()
    for receiver, found_there in enumerate(senders):
        if comm.Get_rank() in found_there:
            message = comm.Mprobe(receiver, TAG, status)
            received = bytearray(status.Get_count(MPI.BYTE))
            message.Recv([received, MPI.BYTE])
            mine += pickle.loads(received)
    MPI.Request.Waitall(sent)
    return mine


class Traffic:
    """What a group sends on communicators of the program."""

    def __init__(self) -> None:
        self._exchanges = 0
        self._pending: list[tuple[MPI.Request, bytes]] = []

    def next_exchange(self) -> int:
        """The number of an exchange of markers, the same on all ranks."""
        self._exchanges += 1
        return self._exchanges

    def send(self, messages: Sequence[Message], comm_of: Callable[[int], MPI.Comm]) -> None:
        """Send them, in order.

        Args:
            messages: Those of this rank.
            comm_of: The communicator by what all ranks call it.
        """
        self._pending = [each for each in self._pending if not each[0].Test()]
        for each in messages:
            request = comm_of(each.channel).Isend([each.data, MPI.BYTE], each.dest, each.tag)
            self._pending.append((request, each.data))
