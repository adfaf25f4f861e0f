"""The time a step may take: too long is an error at its end, twice as long ends the job."""

from __future__ import annotations

import math
import os
import sys
import threading
import traceback
from collections.abc import Callable
from time import monotonic
from typing import Any, Self

from sauerkraut.checkpoint.checkpointer import current
from sauerkraut.checkpoint.interval import TimeLimit
from sauerkraut.checkpoint.leaving import RANKS_LOST, show_others
from sauerkraut.checkpoint.reports import write_line
from sauerkraut.group import Group


class Watchdog:
    """Watches what runs in a ``with`` block.

    Args:
        seconds: What it may take; None: as long as it likes.
        what: What a person calls it.
        group: All its ranks end with 86 and this rank's stack, after twice the time.
    """

    def __init__(self, seconds: float | None, what: str, group: Group) -> None:
        self._seconds = seconds
        self._what = what
        self._group = group
        self._thread = threading.get_ident()
        self._timer: threading.Timer | None = None
        self._began = 0.0
        self._took: float | None = None

    def __enter__(self) -> Self:
        self._began = monotonic()
        if self._seconds is not None:
            self._timer = threading.Timer(2 * self._seconds, self._end_job)
            self._timer.name = "sauerkraut watchdog"
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(self, *of_error: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        self._took = monotonic() - self._began

    def overdue(self) -> TimeoutError | None:
        """The error of a block that took too long, or does by now; None: it did not."""
        if self._seconds is None:
            return None
        took = monotonic() - self._began if self._took is None else self._took
        if took <= self._seconds:
            return None
        return TimeoutError(f"{self._what} took {took:.1f} s, its timeout is {self._seconds:g} s")

    def _end_job(self) -> None:
        frame = sys._current_frames().get(self._thread)
        stack = "".join(traceback.format_stack(frame)) if frame is not None else ""
        write_line(
            f"{self._what} took twice its timeout of {self._seconds:g} s, so the job ends; rank "
            f"{self._group.rank} is here:\n{stack.rstrip()}"
        )
        show_others(self._group)
        sys.stdout.flush()
        try:
            self._group.abort(RANKS_LOST)
        finally:
            os._exit(RANKS_LOST)


class PollWatchdog(Watchdog):
    """Watches a block in which `Checkpointer.poll` is called, which minds the time as well.

    A restart into the block begins with all of the time.

    Args:
        seconds: What it may take; None: as long as it likes.
        what: What a person calls it.
        stale: After a restart, what the next poll raises since the block is in vain; else None.
    """

    def __init__(
        self, seconds: float | None, what: str, stale: Callable[[], Exception | None]
    ) -> None:
        self._stale = stale
        self._restarted = False
        self._checkpointer = current()
        super().__init__(seconds, what, self._checkpointer.group)
        self._before: TimeLimit | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return (PollWatchdog.again, (self._seconds, self._what, self._stale))

    def __enter__(self) -> Self:
        if self._is_minded:
            seconds = math.inf if self._seconds is None else self._seconds
            self._before = self._checkpointer.limited(TimeLimit(seconds, self._refusal))
        return super().__enter__()

    def __exit__(self, *of_error: object) -> None:
        super().__exit__(*of_error)
        if self._is_minded:
            self._checkpointer.limited(self._before)

    @classmethod
    def again(
        cls, seconds: float | None, what: str, stale: Callable[[], Exception | None]
    ) -> PollWatchdog:
        """One that has come back with the frames."""
        made = cls(seconds, what, stale)
        made._restarted = True
        return made.__enter__()

    @property
    def _is_minded(self) -> bool:
        return self._seconds is not None or self._restarted

    def _refusal(self) -> Exception | None:
        stale = self._stale() if self._restarted else None
        return self.overdue() if stale is None else stale

    def _end_job(self) -> None:
        if self._checkpointer.running:  # else its restart was refused
            super()._end_job()
