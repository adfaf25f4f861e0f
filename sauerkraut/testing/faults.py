"""Faults of the file system, by ordinal: end the process at, fail or record a call on the store.

``with faults.injected(faults.Failing(7, errno.EIO)): ...`` makes the seventh call on a checkpoint
directory fail. One set of faults at a time, for all threads of the process.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sauerkraut.storage import disk
from sauerkraut.storage.disk import Call


@contextmanager
def injected(hook: Callable[[Call], None]) -> Iterator[None]:
    """Let ``hook`` see every call before it happens; what it raises fails the call."""
    before, disk.hook = disk.hook, hook
    try:
        yield
    finally:
        disk.hook = before


@dataclass
class Failing:
    """Fails one call with an errno; ``short`` writes half of it first."""

    ordinal: int
    """Which call, from 1 on."""
    errno: int
    short: bool = False
    call: Call | None = None
    """The call that failed, once it has."""
    count: int = 0

    def __call__(self, call: Call) -> None:
        """See a call, and fail it if it is the one."""
        self.count += 1
        if self.count != self.ordinal:
            return
        self.call = call
        if self.short and call.data is not None and call.path.exists():
            data = memoryview(call.data).tobytes()
            descriptor = os.open(call.path, os.O_WRONLY)
            os.pwrite(descriptor, data[: len(data) // 2], call.offset)
            os.close(descriptor)
        raise OSError(self.errno, os.strerror(self.errno))


@dataclass
class Killing:
    """Sends a signal to the process, SIGKILL by default, before one call."""

    ordinal: int
    """Which call, from 1 on."""
    signal: int = signal.SIGKILL
    count: int = 0

    def __call__(self, _: Call) -> None:
        """See a call, and end the process if it is the one."""
        self.count += 1
        if self.count == self.ordinal:
            os.kill(os.getpid(), self.signal)


class Recording:
    """Keeps every call, the bytes of writes copied."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def __call__(self, call: Call) -> None:
        """Keep a call."""
        data = None if call.data is None else memoryview(call.data).tobytes()
        self.calls.append(replace(call, data=data))


ERRNOS = (errno.EIO, errno.ENOSPC, errno.EACCES)
"""What each call of a healthy store must stand."""
