"""The tasks of an epoch for people, without running anything from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sauerkraut.errors import CorruptCheckpoint
from sauerkraut.frames import container, stored
from sauerkraut.frames.stored import StoredStack
from sauerkraut.mpi.tasks.cut import INDEX
from sauerkraut.mpi.tasks.packing import Unpacking, place_of
from sauerkraut.mpi.tasks.record import BESIDE
from sauerkraut.nonsense import NONSENSE, wrong
from sauerkraut.objects import inert
from sauerkraut.storage import Shard


@dataclass(frozen=True, slots=True)
class StoredTask:
    """A task that had not ended."""

    id: int
    name: str
    moves: int
    """How often it had gone to another rank."""
    seconds: float
    """Of the processor, since it was spawned."""
    begun: bool
    waits: str | None
    """What it waited for, for people; None: it could run."""
    letters: int
    """Messages that had come and were not taken."""
    letter_bytes: int
    call: str | None
    """What one that had not begun was to call, as far as it can be told; None: it had begun."""
    stack: StoredStack

    @property
    def state(self) -> str:
        """In a few words."""
        if not self.begun:
            return "not begun"
        return "can run" if self.waits is None else f"waits for {self.waits}"


@dataclass(frozen=True, slots=True)
class StoredOutcome:
    """What a task that had ended left at its home."""

    id: int
    name: str | None
    """None: its bytes do not tell."""
    value: str | None
    """What it returned, where that is small; None: not shown, or it raised."""
    error: str | None
    """What it raised; None: nothing."""


@dataclass(frozen=True, slots=True)
class StoredTasks:
    """What one rank had of a pool."""

    tasks: tuple[StoredTask, ...]
    """Those that were with it."""
    outcomes: tuple[StoredOutcome, ...]
    """Of those that had ended, whose home it was."""
    letters: int
    """Messages that it kept for tasks it had not heard of."""
    letter_bytes: int


def read(shard: Shard) -> StoredTasks:
    """Read what one rank had.

    Raises:
        CorruptCheckpoint: bytes are not those that were written, or describe no tasks.
        ResumeError: The control section of a task is damaged.
        StorageError: They could not be read.
    """
    unpacking = Unpacking(shard)
    try:
        index = json.loads(bytes(unpacking.whole(INDEX)))
        return StoredTasks(
            tuple(_task(entry, unpacking) for entry in index["tasks"]),
            tuple(_outcome(entry, unpacking) for entry in index["outcomes"]),
            *_counts(index["kept"]),
        )
    except NONSENSE as error:
        raise CorruptCheckpoint(f"{shard.path} does not describe tasks: {wrong(error)}") from error


def _task(entry: Mapping[str, Any], unpacking: Unpacking) -> StoredTask:
    control, objects = (unpacking.get(place_of(entry[part])) for part in ("control", "objects"))
    letters, letter_bytes = _counts(entry["letters"])
    waits, begun = entry["waits"], bool(entry["begun"])
    return StoredTask(
        id=int(entry["id"]),
        name=str(entry["name"]),
        moves=int(entry["moves"]),
        seconds=float(entry["seconds"]),
        begun=begun,
        waits=None if waits is None else str(waits),
        letters=letters,
        letter_bytes=letter_bytes,
        call=None if begun else _call(stored.beside(control, objects)[len(BESIDE) :]),
        stack=stored.read(control, objects),
    )


def _counts(entry: Any) -> tuple[int, int]:
    number, nbytes = map(int, entry)
    return number, nbytes


def _call(called: list[object]) -> str:
    """A call of the first value with the others."""
    shown = [inert.text(value) or "..." for value in called]
    return f"{shown[0]}({', '.join(shown[1:])})" if shown else "..."


def _outcome(entry: Mapping[str, Any], unpacking: Unpacking) -> StoredOutcome:
    parts = container.read(memoryview(unpacking.get(place_of(entry["data"]))))
    match stored.beside(parts.control, parts.objects):
        case [str(name), _, object() as raised] if raised is not None:
            return StoredOutcome(int(entry["id"]), name, None, inert.text(raised) or "an error")
        case [str(name), value, None]:
            return StoredOutcome(int(entry["id"]), name, inert.text(value), None)
    return StoredOutcome(int(entry["id"]), None, None, None)
