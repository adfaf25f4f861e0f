"""What one rank has to say at a consensus: what is due, asked for, refused, over or lost."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sauerkraut.checkpoint import requests
from sauerkraut.checkpoint.consensus import NONE, Flags
from sauerkraut.checkpoint.interval import Schedule, TimeLimit
from sauerkraut.checkpoint.rehearsal import Rehearsal
from sauerkraut.checkpoint.signals import Signals
from sauerkraut.checkpoint.store import Store
from sauerkraut.errors import Superseded


class Needs:
    """The needs of one rank.

    Args:
        store: The directory, taken.
        signals: Flags that signals set.
        schedule: When a checkpoint is due.
        rehearsal: What it refused is said once.
        limit: How long the function may run.
        first: Whether this is rank 0, which speaks for the directory and the clock.
        satisfied: Ids of requests that are done with.
    """

    def __init__(
        self,
        store: Store,
        signals: Signals,
        schedule: Schedule,
        rehearsal: Rehearsal,
        limit: TimeLimit | None,
        *,
        first: bool,
        satisfied: Sequence[str],
    ) -> None:
        self.limit = limit
        """Of what runs now."""
        self._store = store
        self._signals = signals
        self._schedule = schedule
        self._rehearsal = rehearsal
        self._first = first
        self._satisfied = set(satisfied)
        self._requests: list[requests.Request] = []
        self._last_look = time.monotonic()

    def flags(self) -> Flags:
        """What there is to say now."""
        flags = NONE
        if self._signals.stop:
            flags |= Flags.STOP
        if self._signals.go_on and not self._schedule.backing_off(time.monotonic()):
            flags |= Flags.GO_ON
        if self._rehearsal.refusal is not None:
            flags |= Flags.REFUSED
        if self.overdue() is not None:
            flags |= Flags.OVERDUE
        if self._first:
            flags |= self._of_rank_0(time.monotonic())
        return flags

    def _of_rank_0(self, now: float) -> Flags:
        flags = NONE
        try:
            self._store.touch(now - self._last_look)
        except Superseded:
            flags |= Flags.SUPERSEDED
        self._last_look = now
        self._requests = requests.pending(self._store.directory, self._satisfied)
        if any(request.stop for request in self._requests):
            flags |= Flags.STOP
        elif self._requests and not self._schedule.backing_off(now):
            flags |= Flags.GO_ON
        if self._schedule.due(now):
            flags |= Flags.DUE
        if self._schedule.ending(now):
            flags |= Flags.STOP
        return flags

    def overdue(self) -> Exception | None:
        """The error of what runs for longer than it may; None: it does not."""
        return None if self.limit is None else self.limit.overdue()

    @property
    def requested(self) -> tuple[str, ...]:
        """Ids of the requests that the next epoch answers."""
        return tuple(request.id for request in self._requests)

    def answered(self, ids: Sequence[str], seconds: float) -> None:
        """Note that an epoch was committed, for which the program stood still so long."""
        self._signals.go_on = False
        self._satisfied.update(ids)
        self._schedule.committed(time.monotonic(), seconds)

    def stopped(self) -> None:
        """Remove the requests, also those that came while the last epoch was stored."""
        if self._first:
            requests.remove(self._store.directory, self._requests)
