"""The ranks that act together: what the Checkpointer asks of them, and the group of one process.

`of` turns what a user passes as ``comm`` into a `Group`. MPI is loaded only for a communicator,
through the one dynamic import of this project, so that one process needs no MPI.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from typing import Any, NoReturn, Protocol, TypeVar, cast, runtime_checkable

from sauerkraut.objects import freezing
from sauerkraut.settings import Settings

T = TypeVar("T")


class Pending(Protocol):
    """A consensus that was begun and is to be completed by `wait`."""

    def wait(self, timeout: float | None = None) -> list[int]:
        """Block until every rank has begun it; return the largest value of each field.

        Args:
            timeout: Seconds to wait at most; None waits as long as it takes.

        Raises:
            TimeoutError: not every rank arrived in time; the consensus stays pending.
        """
        ...


class Handles(freezing.Handles, Protocol):
    """The handles of MPI in what one checkpoint captures, or in what one restart brings back."""

    nbytes: int
    """Bytes of what was in flight between all ranks, which they store beside their graphs."""

    def told(self) -> object:
        """What the other ranks must know of those met here, picklable; None: none was met."""
        ...

    def settle(self, told: Sequence[object]) -> bool:
        """Agree with the other ranks which handle is which, and let nothing be in flight.

        Collective, with what every rank `told`; called when any met a handle.

        Returns:
            Whether to capture once more, and call this again: buffers have changed, or the
            reason why a handle cannot come back is known now, and the capture will name it.

        Raises:
            RankError: on every rank.
        """
        ...

    def unseen(self) -> str | None:
        """Which messages in flight were not looked for, once settled; None: all were."""
        ...

    def stream(self) -> bytes:
        """What is stored beside the graph, once settled."""
        ...

    def go_on(self) -> None:
        """Let the program go on: send again what was in flight. Not when the job stops."""
        ...

    def prepare(self, stored: bytes) -> None:
        """Look at the handles of a graph that was read again, with `stream` of then. Local."""
        ...

    def rebuild(self) -> None:
        """Make them, once they are prepared on all ranks. Collective."""
        ...

    def dress(self) -> None:
        """Give them what was hung on them, and send again what was in flight. Local."""
        ...


@runtime_checkable
class Group(Protocol):
    """Ranks that act together. A method is collective over them unless it says otherwise."""

    @property
    def rank(self) -> int:
        """Number of this process, from 0."""
        ...

    @property
    def size(self) -> int:
        """How many ranks there are."""
        ...

    @property
    def ended(self) -> bool:
        """Whether no other rank can be reached: there is none, or MPI is finalized or freed."""
        ...

    where: str
    """What this rank waits at, for the message that other ranks print when it takes long."""

    def allgather(self, value: T) -> list[T]:
        """Give every rank the values of all, in rank order."""
        ...

    def bcast(self, value: T, root: int = 0) -> T:
        """Give every rank the value of ``root``."""
        ...

    def barrier(self) -> None:
        """Return once every rank has called it."""
        ...

    def begin_consensus(self, record: Sequence[int]) -> Pending:
        """Start to reduce ``record`` (64-bit, as many on every rank) to its largest values."""
        ...

    def handles(self) -> Handles | None:
        """A table for the handles of one checkpoint or restart; None: they are refused."""
        ...

    def refuse_strays(self) -> None:
        """Refuse to be the whole job where a launcher started several ranks. Not collective.

        Raises:
            WorldSizeMismatch: MPI knows nothing of the others.
        """
        ...

    def stacks(self) -> str:
        """Where the other ranks are now, as lines for people; "": there are none. Not collective.

        For a job that is about to end.
        """
        ...

    def abort(self, code: int) -> NoReturn:
        """End all ranks now with exit status ``code``. Not collective."""
        ...

    def leave(self, code: int) -> NoReturn:
        """End this process with exit status ``code`` once every rank has called this."""
        ...

    def close(self) -> None:
        """Free what the group holds; afterwards only `rank` and `size` can be used."""
        ...


class SoloGroup:
    """The group of one process: every method returns at once."""

    rank = 0
    size = 1
    ended = True

    def __init__(self) -> None:
        self.where = ""

    def allgather(self, value: T) -> list[T]:
        """Return ``[value]``."""
        return [value]

    def bcast(self, value: T, root: int = 0) -> T:  # noqa: ARG002 - the only root there is
        """Return ``value``."""
        return value

    def barrier(self) -> None:
        """Return at once."""

    def begin_consensus(self, record: Sequence[int]) -> Pending:
        """Agree with oneself."""
        return _Agreed(list(record))

    def handles(self) -> None:
        """None: one process without MPI has no handles."""

    def refuse_strays(self) -> None:
        """One process is what was asked for."""

    def stacks(self) -> str:
        """There are no others."""
        return ""

    def abort(self, code: int) -> NoReturn:
        """End the process now; nothing is flushed or unwound."""
        os._exit(code)

    def leave(self, code: int) -> NoReturn:
        """End the process now; the caller has flushed what is to be kept."""
        os._exit(code)

    def close(self) -> None:
        """Free nothing."""


class _Agreed:
    def __init__(self, record: list[int]) -> None:
        self._record = record

    def wait(self, timeout: float | None = None) -> list[int]:  # noqa: ARG002 - never waits
        return self._record


def of(comm: Any, settings: Settings | None = None) -> Group:
    """Return the group of ``comm``; collective over its ranks.

    Args:
        comm: None for this process alone, a `Group` (returned as it is), or an mpi4py
            intracommunicator, of which a private duplicate is made.
        settings: Patience and give-up times; read from the environment by default.

    Raises:
        TypeError: ``comm`` is none of these.
    """
    if comm is None:
        return SoloGroup()
    if isinstance(comm, Group):
        return comm
    if not hasattr(comm, "Dup"):
        raise TypeError(
            f"comm must be None or an mpi4py communicator, not {type(comm).__qualname__}"
        )
    mpi = importlib.import_module("sauerkraut.mpi.group")
    return cast("Group", mpi.MpiGroup(comm, settings or Settings.from_environment()))
