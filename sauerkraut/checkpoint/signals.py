"""SIGTERM and SIGUSR1 ask to checkpoint and stop, SIGUSR2 to checkpoint and go on."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

STOP = (signal.SIGTERM, signal.SIGUSR1)
GO_ON = (signal.SIGUSR2,)
SAME = 1.0
"""Seconds in which a second SIGTERM is the first one, come by another way: from a launcher that
passes it on and from the scheduler."""

_installed: Signals | None = None


class Signals:
    """Flags set by signals between `install` and `remove`.

    A Python handler the program had is called too. A child that was forked is not this job: there a
    signal does what it did before `install`. A second SIGTERM ends the process as it would without
    us, for a program that does not come to its next poll.
    """

    def __init__(self) -> None:
        self.stop = False
        self.go_on = False
        self._before: dict[int, Callable[[int, FrameType | None], Any] | int | None] = {}
        self._process = 0
        self._terminated_at: float | None = None

    def install(self) -> bool:
        """Install the handlers; return False outside the main thread, where Python forbids it."""
        if threading.current_thread() is not threading.main_thread():
            return False
        global _installed
        _installed = self
        self._process = os.getpid()
        for number in (*STOP, *GO_ON):
            self._before[number] = signal.signal(number, self._handle)
        return True

    def remove(self) -> None:
        """Put back the handlers that were there, unless the program installed others meanwhile."""
        global _installed
        if os.getpid() != self._process:
            return
        _installed = None
        self.put_back()

    def put_back(self) -> None:
        """Do as `remove`, in a forked child too."""
        for number, before in self._before.items():
            if signal.getsignal(number) == self._handle:
                # None: installed by C code, which Python cannot put back
                signal.signal(number, signal.SIG_DFL if before is None else before)
        self._before.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        before = self._before.get(number)
        if os.getpid() != self._process:  # a child that no code of Python forked
            self._as_before(number, before, frame)
            return
        if number in STOP:
            self.stop = True
        else:
            self.go_on = True
        if number == signal.SIGTERM and self._is_second():
            # not through a stream, which may be in the middle of a line
            os.write(2, b"sauerkraut: second SIGTERM: ending at once, without a checkpoint\n")
            self._as_before(number, before, frame)
        elif callable(before):
            before(number, frame)

    def _is_second(self) -> bool:
        now = time.monotonic()
        if self._terminated_at is None:
            self._terminated_at = now
        return now - self._terminated_at > SAME

    def _as_before(
        self,
        number: int,
        before: Callable[[int, FrameType | None], Any] | int | None,
        frame: FrameType | None,
    ) -> None:
        if callable(before):
            before(number, frame)
        elif before != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


def _in_child() -> None:
    # At once: a handler in Python is run late, or never, by a child that waits in C code.
    global _installed
    if _installed is not None:
        _installed.put_back()
        _installed = None


os.register_at_fork(after_in_child=_in_child)
