"""What tasks returned or raised, as bytes that go to whoever waits for it."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

from sauerkraut.checkpoint.agreement import together
from sauerkraut.errors import CaptureError, MigrationError
from sauerkraut.frames.capture import capture_values
from sauerkraut.frames.snapshot import Snapshot
from sauerkraut.group import Group
from sauerkraut.mpi.tasks.switching import Ended
from sauerkraut.mpi.tasks.task import Luggage


class Outcome:
    """What a task returned or raised."""

    __slots__ = ("asked", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        """For the other ranks."""
        self.asked = False
        """Whether somebody has waited for it, and so knows of an error."""

    def get(self) -> tuple[Any, BaseException | None]:
        """What it returned, or what it raised; a copy each time."""
        thawed = Snapshot.from_bytes(self.data).thaw()
        thawed.check()
        thawed.touch_files()
        _, value, error = thawed.values
        return value, error if isinstance(error, BaseException) else None

    @property
    def name(self) -> str:
        """That of the task."""
        return str(Snapshot.from_bytes(self.data).thaw().values[0])


def of(luggage: Luggage, ended: Ended) -> Outcome:
    """The outcome of a task; its name is part of it."""
    error = ended.error
    if error is not None:
        told = "".join(traceback.format_exception(error)).rstrip()
        error.add_note(f"in {luggage.name!r}:\n{told}")
        error.__traceback__ = None
    try:
        return _captured(luggage.name, ended.value, error)
    except CaptureError as refusal:
        what = "returned" if error is None else f"raised {type(error).__name__}: {error}, "
        text = f"{luggage.name!r} {what} what cannot be sent: {refusal}"
        return _captured(luggage.name, None, MigrationError(text))


def settle(group: Group, found: Mapping[int, Outcome]) -> dict[str, Any]:
    """The results of this rank by name. Collective.

    Raises:
        RankError: on every rank, with what a task raised that nobody waited for.
    """
    results: dict[str, Any] = {}

    def look() -> None:
        for task in sorted(found):
            outcome = found[task]
            value, error = outcome.get()
            if error is None:
                results[outcome.name] = value
            elif not outcome.asked:
                outcome.asked = True
                raise error

    together(group, "the tasks", look)
    return results


def _captured(name: str, value: object, error: BaseException | None) -> Outcome:
    names = ("", "its result", "its error").__getitem__
    return Outcome(capture_values([name, value, error], names=names).to_bytes())
