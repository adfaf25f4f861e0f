"""One start of a job: the process of its launcher, and what that leaves behind on this host."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from sauerkraut.errors import StorageError
from sauerkraut.launch import identity

ENDING = 2.0
"""Seconds that processes have to end by themselves once their launcher is gone."""
TERMINATING = 5.0
"""Seconds that a launcher has to end its ranks after SIGTERM."""
_PR_SET_PDEATHSIG = 1


class Child:
    """A started launcher, in a process group of its own.

    Ctrl-C at the terminal so reaches the supervisor alone, which asks for a checkpoint. Should the
    supervisor be killed, the kernel sends the launcher SIGUSR1 in its place: checkpoint and stop.

    Args:
        command: Words.
        environment: All of it.
        supervisor: Id in it, see `identity`.
        wakeup: Descriptor that is readable when a signal has come: `wait` then returns.
        output: Descriptor of standard output; None: the caller's.

    Raises:
        StorageError: the program cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        supervisor: str,
        wakeup: int,
        output: int | None = None,
    ) -> None:
        self._supervisor = supervisor
        self._wakeup = wakeup
        try:
            self._process = subprocess.Popen(
                command,
                env=environment,
                # a launcher in the background must not read from a terminal
                stdin=subprocess.DEVNULL if sys.stdin is None or sys.stdin.isatty() else None,
                stdout=output,
                process_group=0,
                preexec_fn=_stop_with(os.getpid()),
            )
        except OSError as error:
            raise StorageError(f"cannot start {command[0]}: {error.strerror}") from error
        self._ended = select.poll()
        self._ended.register(wakeup, select.POLLIN)
        self._descriptor: int | None = None
        with suppress(OSError, AttributeError):  # kernels before 5.3: `wait` looks now and then
            self._descriptor = os.pidfd_open(self._process.pid)
            self._ended.register(self._descriptor, select.POLLIN)

    def wait(self, timeout: float) -> int | None:
        """Exit status as a shell says it; None: it runs, and time is up or a signal came."""
        self._ended.poll(timeout * 1000)
        with suppress(BlockingIOError):
            os.read(self._wakeup, 4096)
        status = self._process.poll()
        return status if status is None or status >= 0 else 128 - status

    def send(self, number: int) -> None:
        """Send a signal to the launcher, which passes it on to the ranks."""
        self._process.send_signal(number)

    def end(self) -> None:
        """End a launcher that still runs."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is None:
                self._process.send_signal(number)
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(TERMINATING)
        self._process.wait()

    def sweep(self) -> list[int]:
        """End what outlives the launcher on this host; the PIDs that had to be killed."""
        self.close()
        return end_all(self._supervisor, ENDING)

    def close(self) -> None:
        """Forget a launcher that has ended."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def end_all(supervisor: str, patience: float) -> list[int]:
    """Wait for what a supervisor started on this host, then kill it; the PIDs that were killed."""
    deadline = time.monotonic() + patience
    while (pids := identity.started_by(supervisor)) and time.monotonic() < deadline:
        time.sleep(0.05)
    killed = pids
    while pids:
        for pid in pids:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
        pids = [pid for pid in identity.started_by(supervisor) if time.monotonic() < deadline + 30]
    return killed


def _stop_with(parent: int) -> Callable[[], None]:
    """What the child does between fork and exec."""
    prctl = ctypes.CDLL(None).prctl

    def prepare() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGUSR1), 0, 0, 0)
        if os.getppid() != parent:  # it ended before this
            os._exit(1)

    return prepare
