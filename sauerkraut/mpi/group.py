"""The ranks of a communicator as a Group, on a private duplicate of it.

Every wait is made of short tests with a growing sleep between them: it leaves the core to others,
lets signal handlers run, and can tell which ranks it waits for.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import sys
import threading
import time
from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NoReturn, TypeVar

from mpi4py import MPI

from sauerkraut.errors import RankError
from sauerkraut.mpi import files, persistent, wire
from sauerkraut.mpi.handles import windows
from sauerkraut.mpi.handles.members import Members
from sauerkraut.mpi.handles.table import Table
from sauerkraut.mpi.patience import LOST, Patience
from sauerkraut.mpi.redelivery import Traffic
from sauerkraut.mpi.watch import Watch
from sauerkraut.settings import Settings
from sauerkraut.world import refuse_strays

T = TypeVar("T")

SUSPENDED = 1.0  # seconds without a test: this process was stopped, and did not wait
FINALIZE_TIME = 10.0  # seconds MPI_Finalize may take when all ranks have done their work
FORWARD_TIME = 0.3  # seconds that mpiexec has to read the last lines of a rank that aborts


class MpiGroup:
    """A `sauerkraut.group.Group` over a private duplicate of ``comm``.

    Collective over ``comm``. Errors of MPI come back as ``MPI.Exception``; `close` frees the
    duplicate.

    Args:
        comm: An intracommunicator.
        settings: ``patience`` and ``give_up``, the same on every rank.

    Raises:
        TypeError: ``comm`` is an intercommunicator.
        RankError: on every rank: one of them cannot tell where it is.
    """

    def __init__(self, comm: MPI.Intracomm, settings: Settings) -> None:
        if comm.Is_inter():
            raise TypeError("comm must be an intracommunicator; merge the intercommunicator first")
        windows.memory_keyval()
        persistent.note_calls()
        files.note_calls()
        self._given = comm
        self._traffic = Traffic()
        self._settings = settings
        self._comm = comm.Dup()
        self._comm.Set_errhandler(MPI.ERRORS_RETURN)
        self.rank: int = self._comm.Get_rank()
        self.size: int = self._comm.Get_size()
        self.where = ""
        self._closed = False
        try:
            self._watch = Watch.of(self._comm, settings) if self.size > 1 else None
        except RankError:
            self._comm.Free()
            raise
        self._members = Members(self._comm)
        self._patience = Patience(self._comm, settings, self._watch, self.abort)

    @property
    def ended(self) -> bool:
        """Whether the duplicate is freed, or MPI is finalized."""
        return self._closed or MPI.Is_finalized()

    def allgather(self, value: T) -> list[T]:
        """Give every rank the values of all, pickled; two collective operations."""
        data = pickle.dumps(value, protocol=5)
        counts = array("q", bytes(8 * self.size))
        self._finish(
            self._comm.Iallgather([array("q", [len(data)]), MPI.INT64_T], [counts, MPI.INT64_T]),
            "allgather",
        )
        lengths = counts.tolist()
        starts = list(accumulate(lengths[:-1], initial=0))
        received = bytearray(sum(lengths))
        self._finish(
            self._comm.Iallgatherv([data, MPI.BYTE], [received, lengths, starts, MPI.BYTE]),
            "allgather",
        )
        view = memoryview(received)
        return [
            pickle.loads(view[start : start + length])
            for start, length in zip(starts, lengths, strict=True)
        ]

    def bcast(self, value: T, root: int = 0) -> T:
        """Give every rank the value of ``root``, pickled; two collective operations."""
        data: bytes | bytearray = pickle.dumps(value, protocol=5) if self.rank == root else b""
        length = array("q", [len(data)])
        self._finish(self._comm.Ibcast([length, MPI.INT64_T], root), "bcast")
        if self.rank != root:
            data = bytearray(length[0])
        self._finish(self._comm.Ibcast([data, MPI.BYTE], root), "bcast")
        return value if self.rank == root else pickle.loads(data)

    def barrier(self) -> None:
        """Return once every rank has called it."""
        self._finish(self._comm.Ibarrier(), "barrier")

    def begin_consensus(self, record: Sequence[int]) -> PendingConsensus:
        """Post one ``Iallreduce(MAX)`` of ``record``."""
        return PendingConsensus(self, record)

    def handles(self) -> Table:
        """A table for the handles of one checkpoint or restart."""
        return Table(self, self._members, self._given, self._settings, self._traffic)

    def refuse_strays(self) -> None:
        """See `sauerkraut.group.Group`; ``COMM_SELF`` is given by those that want to be alone."""
        if self._given != MPI.COMM_SELF:
            refuse_strays(MPI.COMM_WORLD.Get_size())

    def stacks(self) -> str:
        """Where the other ranks are, as lines for people: their Python stacks. Not collective.

        For a job that is about to end. Takes up to a few seconds where ranks do not answer.
        """
        return "" if self._watch is None else self._watch.stacks(all_threads=True)

    def abort(self, code: int) -> NoReturn:
        """End all ranks now with exit status ``code``."""
        _flush()
        # mpiexec ends without what it has not read yet, the reason for all this.
        time.sleep(FORWARD_TIME)
        # Of the world: aborting a duplicate, MPICH's mpiexec now and then returns 9 for `code`.
        MPI.COMM_WORLD.Abort(code)
        os._exit(code)

    def leave(self, code: int) -> NoReturn:
        """Barrier, ``MPI_Finalize``, ``exit(3)``: no Python frame is unwound, no atexit of Python.

        Requests the program left incomplete can make Finalize wait for ever, so it has
        `FINALIZE_TIME` seconds; everything that must be durable is so already. ``os._exit`` would
        do but for MPICH, which leaves its process manager in a handler of C's ``exit``: without it,
        mpiexec kills the ranks that are a moment later, and their 9 becomes its status.
        """
        self.barrier()
        if self._watch is not None:
            self._watch.close()  # whoever leaves first is not lost
        timer = threading.Timer(FINALIZE_TIME, os._exit, (code,))
        timer.daemon = True
        timer.start()
        _flush()
        MPI.Finalize()
        timer.cancel()
        ctypes.PyDLL(None).exit(code)  # keeps the GIL: no other thread of Python runs meanwhile
        os._exit(code)

    def close(self) -> None:
        """Free the duplicate; a second call does nothing."""
        if self._watch is not None:
            self._watch.release()
            self._watch = None
        if not self.ended:
            self._patience.close()
            self._members.close()
            self._comm.Free()
        self._closed = True

    def agreed(self) -> None:
        """Note that a consensus is complete: every rank has come to it."""
        if self._watch is not None:
            self._watch.agreed()

    def _finish(self, request: MPI.Request, kind: str, timeout: float | None = None) -> None:
        """Wait for ``request`` in slices; say who is missing when it takes long."""
        began = seen = time.monotonic()
        while not request.Test():
            now = time.monotonic()
            if now - seen > SUSPENDED:
                began += now - seen
            seen, waited = now, now - began
            if timeout is not None and waited > timeout:
                raise TimeoutError(f"waited {timeout:g} s for the other ranks")
            self._patience.waiting(kind, self.where, waited)
            if self._watch is not None and self._watch.lost:
                self.abort(LOST)
            wire.rest(waited)
        self._patience.operation += 1


class PendingConsensus:
    """One ``Iallreduce(MAX)`` under way; its buffers live as long as this object."""

    def __init__(self, group: MpiGroup, record: Sequence[int]) -> None:
        self._group = group
        self._sent = array("q", record)
        self._largest = array("q", bytes(8 * len(record)))
        self._done = False
        self._request: MPI.Request = group._comm.Iallreduce(
            [self._sent, MPI.INT64_T], [self._largest, MPI.INT64_T], MPI.MAX
        )

    def wait(self, timeout: float | None = None) -> list[int]:
        """Block until all ranks have posted theirs; see `sauerkraut.group.Pending`."""
        if not self._done:
            self._group._finish(self._request, "consensus", timeout)
            self._done = True
            self._group.agreed()
        return self._largest.tolist()


def _flush() -> None:
    stream: Any
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # closed, or there is none
            continue
