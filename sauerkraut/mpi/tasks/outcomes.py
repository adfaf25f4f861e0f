"""What tasks returned or raised, as bytes that go to whoever waits for it."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from sauerkraut.checkpoint.agreement import text_of, together
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
        return self.named()[1:]

    def named(self) -> tuple[str, Any, BaseException | None]:
        """The same, with the name of the task."""
        try:
            thawed = Snapshot.from_bytes(self.data).thaw()
            thawed.check()
            thawed.touch_files()
        except Exception as refusal:  # noqa: BLE001 - raised by whoever asks for it
            return "", None, refusal
        name, value, raised = thawed.values
        return str(name), value, raised if isinstance(raised, BaseException) else None


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
        raised = f"raised {type(error).__name__}: {text_of(error)},"
        what = "returned" if error is None else raised
        text = f"{luggage.name!r} {what} what cannot be sent: {refusal}"
        return _captured(luggage.name, None, MigrationError(text))


def unheard(found: Mapping[int, Outcome]) -> Iterator[tuple[str, BaseException]]:
    """The tasks that raised, as far as nobody waited for it."""
    for task in sorted(found):
        if not found[task].asked:
            name, _, error = found[task].named()
            if error is not None:
                yield name, error


def settle(group: Group, found: Mapping[int, Outcome]) -> dict[str, Any]:
    """The results of this rank by name, see `keys`. Collective.

    Raises:
        RankError: on every rank, with what a task raised that nobody waited for.
    """
    results: dict[str, Any] = {}

    def look() -> None:
        errors = []
        named = {task: found[task].named() for task in sorted(found)}
        key_of = keys({task: name for task, (name, _, _) in named.items()})
        for task, (_, value, error) in named.items():
            if error is None:
                results[key_of[task]] = value
            elif not found[task].asked:
                found[task].asked = True
                errors.append(error)
        if errors:
            for other in errors[1:]:
                errors[0].add_note(f"and {type(other).__name__}: {other}")
            raise errors[0]

    together(group, "the tasks", look)
    return results


def keys(names: Mapping[int, str]) -> dict[int, str]:
    """Names of tasks by id, none of them twice: those that were have the id, ``name (task 7)``."""
    found = dict(names)
    while shared := {name for name, times in Counter(found.values()).items() if times > 1}:
        found = {
            task: f"{name} (task {task})" if name in shared else name
            for task, name in found.items()
        }
    return found


def _captured(name: str, value: object, error: BaseException | None) -> Outcome:
    names = ("", "its result", "its error").__getitem__
    return Outcome(capture_values([name, value, error], names=names).to_bytes())
