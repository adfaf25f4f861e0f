"""What all that sends and waits here has in common: tags, whole messages, pauses."""

from __future__ import annotations

import os
import time

from mpi4py import MPI

# Tags of the private duplicate, which is ours alone.
WHO_WAITS = 1
RETURNED = 2
WISHED = 3
MATCHED = 4
FIRST_FREE = 5
"""To which the place of an intercommunicator that is made again is added."""

SPIN_TIME = 200e-6  # seconds of tests, yielding the core between them, before the first sleep
LONGEST_SLEEP = 5e-3
PUSHES = 100
"""Calls of MPI one after the other, some 50 us, while a large message is on its way."""


def largest_tag() -> int:
    """The largest tag there is; the world's, since other communicators need not tell it."""
    return int(MPI.COMM_WORLD.Get_attr(MPI.TAG_UB) or 0)


def receive(message: MPI.Message, status: MPI.Status) -> bytes:
    """The bytes of a message that was probed with this status."""
    return bytes(take(message, status))


def take(message: MPI.Message, status: MPI.Status) -> bytearray:
    """The same, as they came: without a copy."""
    data = bytearray(status.Get_count(MPI.BYTE))
    message.Recv([data, MPI.BYTE])
    return data


def push(requests: list[MPI.Request]) -> None:
    """Let MPI carry what they stand for, for a short while: it does so only when it is called.

    Between processes of one node a large message goes in pieces, one or a few with each call.
    """
    for _ in range(PUSHES):
        if MPI.Request.Testall(requests):
            return


def rest(waited: float) -> None:
    """Yield the core between two tests, and from `SPIN_TIME` on sleep, see `pause`."""
    if waited < SPIN_TIME:
        os.sched_yield()  # a sleep of 0 takes 60 us: the slack of timers
    else:
        pause(waited)


def pause(waited: float) -> None:
    """Sleep between two tests, after ``waited`` seconds of waiting so far.

    A sleep delays the next round of messages, so it is a tenth of the wait.
    """
    time.sleep(min(0.1 * waited, LONGEST_SLEEP))
