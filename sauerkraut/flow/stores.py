"""What a flow asks of the place where its states are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sauerkraut.flow.record import Failure, Record

State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Commit:
    """A state that was stored, and what was known then."""

    record: Record
    load: Callable[[bool], State]
    """Reads the state anew, a new object each time. True: files in it that were being written are
    cut back to their length then.

    Raises CorruptCheckpoint when its bytes are wrong, ResumeError when it needs what is not here.
    """
    nbytes: int = 0
    """Size of the state as it is stored; 0: not known."""


@dataclass(frozen=True, slots=True)
class History:
    """What is stored."""

    commits: tuple[Commit, ...] = ()
    """Newest first."""
    failure: Failure | None = None
    """How the run ended after the newest commit, if a step failed."""
    notes: tuple[str, ...] = ()
    """What a person should know about what was found."""

    @property
    def newest(self) -> Record | None:
        """What the newest commit tells; None: nothing was ever stored."""
        return self.commits[0].record if self.commits else None


class StepStore(Protocol):
    """Where a flow keeps its states. One run at a time, between `open` and `close`."""

    where: str
    """What a person calls it: a path."""

    def read(self) -> History:
        """Look without taking it: nothing is changed.

        Raises:
            StorageError: it cannot be read, or is not what it should be; names it.
        """
        ...

    def open(self) -> History:
        """Take it for a run, and look.

        Raises:
            DirectoryOwned: another run has it.
            StorageError: as `read`.
        """
        ...

    def commit(self, state: State, record: Record) -> None:
        """Store a state durably; when this raises, what was stored before is as it was.

        Raises:
            CaptureError: something in the state cannot be stored; names it.
            StorageError: disk full and the like.
        """
        ...

    def failed(self, record: Record, *, alone: bool = False) -> None:
        """Store ``record.failure`` beside the newest state. Raises StorageError.

        Args:
            record: As the step left it.
            alone: Only this rank knows of it, which ends the job then.
        """
        ...

    def close(self) -> None:
        """Let other runs take it."""
        ...
