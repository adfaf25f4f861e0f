"""How a process ends: exit statuses, leaving without unwinding, errors that nobody caught.

Exit statuses: 0 done, 1 error (or what ``sys.exit`` was given), 2 usage, 85 checkpointed (requeue),
86 ranks lost (restart), 87 do not restart.
"""

from __future__ import annotations

import gc
import io
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, NoReturn

from sauerkraut.checkpoint.reports import write_line
from sauerkraut.errors import (
    CorruptCheckpoint,
    DirectoryOwned,
    ResumeError,
    Superseded,
    UntrustedCheckpoint,
    WorldSizeMismatch,
)
from sauerkraut.group import Group

if TYPE_CHECKING:
    from sauerkraut.checkpoint.records import Epoch
    from sauerkraut.checkpoint.reports import Reports
    from sauerkraut.checkpoint.store import Store

CHECKPOINTED = 85
RANKS_LOST = 86
REFUSED = 87

REFUSALS = (ResumeError, CorruptCheckpoint, UntrustedCheckpoint, DirectoryOwned, Superseded)
"""Errors of a start that another start would meet again."""

Hook = Callable[[type[BaseException], BaseException, TracebackType | None], object]


def flush() -> None:
    """Write out what files and standard streams of this process still hold in memory."""
    for each in gc.get_objects():
        # exact types: looking at a proxy's class would run code of the program
        if type(each) in (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom):
            _flush(each)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            _flush(stream)


def _flush(file: IO[Any]) -> None:
    try:
        file.flush()
    except (OSError, ValueError):  # closed, or its disk is full: nothing more can be done here
        return


def leave(group: Group, code: int) -> NoReturn:
    """End all ranks with ``code``; no user frame is unwound. Collective, never returns.

    ``finally`` and ``with`` blocks on the stack belong to the restart. Everything that must be
    durable is so before this is called.
    """
    flush()
    group.leave(code)


def stop(group: Group, store: Store, reports: Reports, epoch: Epoch) -> NoReturn:
    """End all ranks after a checkpoint that was to be the last. Collective."""
    store.event("stop", epoch=epoch.number, attempt=epoch.attempt)
    reports.tell(f"stopped after epoch {epoch.number}; the same command goes on")
    store.release()
    leave(group, CHECKPOINTED)


def end_superseded(group: Group, store: Store, reports: Reports, text: str) -> NoReturn:
    """End all ranks of an incarnation that lost its directory to another. Collective."""
    store.event("superseded", error=text)
    reports.warn(f"Superseded: {text}; this incarnation ends")
    leave(group, REFUSED)


def fail(group: Group, error: BaseException) -> NoReturn:
    """End all ranks because of an error on this one: `tell_failure`, then `end`."""
    tell_failure(group, error)
    end(group, status_of(error))


def status_of(error: BaseException) -> int:
    """Exit status of a job that an error on this rank only ends, never 0: it is not done."""
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return error.code & 0xFF or 1
    return 1


def tell_failure(group: Group, error: BaseException) -> None:
    """Print the traceback of an error that ends all ranks, then where the others are."""
    if isinstance(error, SystemExit):
        write_line(f"rank {group.rank}: sys.exit({error.code!r}) on this rank only ends all")
    else:
        trace = "".join(traceback.format_exception(error)).rstrip()
        write_line(f"rank {group.rank} failed:\n{trace}")
    show_others(group)


def show_others(group: Group) -> None:
    """Tell where the other ranks are, as this one ends the job. Not collective."""
    try:
        stacks = group.stacks()
    except Exception as problem:  # noqa: BLE001 - the job is to end whatever it is
        stacks = f"{type(problem).__name__}: {problem}"
    if stacks:
        write_line(f"rank {group.rank} ends the job; where the others are:\n{stacks}")


def end(group: Group, status: int = 1) -> NoReturn:
    """End all ranks now with ``status``. Not collective."""
    flush()
    group.abort(status)


class UncaughtErrors:
    """The hook for errors that reach the top of the program on this rank.

    A refusal of a start becomes one line and exit status 87. An error on one rank of many ends the
    job with its traceback, since the others would wait for ever; one that all ranks raised together
    ends each of them in the ordinary way.
    """

    def __init__(self, group: Group) -> None:
        self._group = group
        self._together: BaseException | None = None
        self._before: Hook | None = None
        self._removed = False
        self._process = os.getpid()

    def install(self) -> None:
        """Put the hook before the one that is there; the main thread's errors only.

        Raises:
            WorldSizeMismatch: this rank was to be one of many, and MPI knows of none of them.
        """
        if self._before is None:
            self._before = sys.excepthook
            sys.excepthook = self._handle
        with self.alike(WorldSizeMismatch):
            self._group.refuse_strays()

    def remove(self) -> None:
        """Take the hook back, unless another was put before it."""
        self._removed = True
        if sys.excepthook == self._handle and self._before is not None:
            sys.excepthook = self._before
            self._before = None

    def raised_together(self, error: BaseException) -> None:
        """Remember that every rank raises this error or its like."""
        self._together = error

    def is_together(self, error: BaseException | None) -> bool:
        """Whether every rank raises this error or its like."""
        return error is not None and error is self._together

    @contextmanager
    def alike(self, *kinds: type[BaseException]) -> Iterator[None]:
        """An error of these kinds in here is one that every rank raises."""
        try:
            yield
        except kinds as error:
            self.raised_together(error)
            raise

    def _handle(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        forked = os.getpid() != self._process  # it is no rank
        together = error is self._together or self._removed or forked
        if error is self._together and isinstance(error, REFUSALS) and not forked:
            if self._group.rank == 0:
                name = getattr(kind, "stands_for", kind).__name__
                write_line(f"{name}: {error}")
            flush()
            # should a rank have caught what the others did not, it never comes to meet them
            timer = threading.Timer(10.0, self._group.abort, (REFUSED,))
            timer.daemon = True
            timer.start()
            self._group.leave(REFUSED)
        (self._before or sys.__excepthook__)(kind, error, trace)
        if not together and self._group.size > 1:
            show_others(self._group)
            end(self._group)
