"""Counting over all ranks, again and again, while tasks run: what is left, and what is under way.

Each count is one non-blocking sum. Two in a row that say the same, with nothing under way, are
true of one moment between them: whatever happened since would show in the second.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass

from mpi4py import MPI

BUSY_GAP = 0.02  # seconds to the next count while tasks run somewhere
IDLE_GAP = 0.001  # seconds while none does


@dataclass(frozen=True, slots=True)
class Count:
    """What one rank counts, and their sum."""

    alive: int
    """Tasks that have not ended."""
    runnable: int
    """Tasks that wait for nothing, or run."""
    sent: int
    """Messages sent so far."""
    received: int
    """Messages received so far."""
    moving: int
    """Stacks under way to another rank."""
    events: int
    """Whatever happened so far: steps of tasks, moves."""
    wishes: int = 0
    """Ranks that want all tasks to stand still for a while."""
    steps: int = 0
    """How often tasks ran so far."""
    due: int = 0
    """Whether loads are to be measured now."""
    balancing: int = 0
    """What ranks have to do until all tasks of a round of load balancing have left."""
    leaving: int = 0
    """Ranks that close the pool."""

    def numbers(self) -> array[int]:
        """All of it, in the order of the fields."""
        return array("q", [getattr(self, name) for name in self.__slots__])

    @property
    def under_way(self) -> bool:
        """Whether messages or stacks were between ranks."""
        return self.sent != self.received or self.moving > 0


class Census:
    """Counts over the ranks of ``comm``. Every rank takes part in every count, when it can."""

    def __init__(self, comm: MPI.Intracomm) -> None:
        self.sums = 0
        """Counts that have been completed."""
        self._comm = comm
        self._own = array("q")
        self._sum = array("q")
        self._request: MPI.Request | None = None
        self._next = 0.0

    def ask(self, count: Callable[[], Count]) -> Count | None:
        """Begin a count when it is time to, or end one; the sum when it is there."""
        now = time.monotonic()
        if self._request is None:
            if now < self._next:
                return None
            self._own = count().numbers()
            self._sum = array("q", bytes(8 * len(self._own)))
            sent, received = [self._own, MPI.INT64_T], [self._sum, MPI.INT64_T]
            self._request = self._comm.Iallreduce(sent, received, MPI.SUM)
        if not self._request.Test():
            return None
        self._request = None
        self.sums += 1
        found = Count(*self._sum.tolist())
        self._next = now + (BUSY_GAP if found.runnable else IDLE_GAP)
        return found
