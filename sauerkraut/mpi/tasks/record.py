"""What is captured beside the stack of a task: plain values, which every later release reads.

Of our own classes only those that programs hold are in there, by their public names: `Task`,
`TaskComm`, `TaskRequest`. The fields are in ``docs/format.md``; `resident_of` reads what it wrote.
"""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Sequence
from contextvars import Context
from typing import Any

from sauerkraut.errors import ResumeError
from sauerkraut.mpi.tasks import contexts
from sauerkraut.mpi.tasks.member import Member, ReceivePosted
from sauerkraut.mpi.tasks.task import (
    AwaitOutcome,
    AwaitRoom,
    Letter,
    Luggage,
    Receive,
    Resident,
    Wait,
)

BESIDE = ("its messages", "what it waited for", "the error that it waited for")
"""How people find what is captured beside the stack of a task, see `beside`."""

PLAIN = (
    *("id", "name", "moves", "nbytes", "seconds", "load", "traffic"),
    *("received", "sent", "unread", "read"),
)
"""Fields of `Luggage` that are stored as they are."""


def beside(resident: Resident, variables: Sequence[object] = ()) -> list[object]:
    """What is captured beside the stack of a task, see `BESIDE` and `resident_of`.

    Args:
        resident: The task.
        variables: Those that it has set, see `contexts.changed`.
    """
    luggage, value = resident.luggage, resident.value
    record: dict[str, Any] = {name: getattr(luggage, name) for name in PLAIN}
    record["wait"] = _of_wait(luggage.wait)
    record["mailbox"] = [each.fields() for each in luggage.mailbox]
    record["early"] = [each.fields() for each in luggage.early.values()]
    record["taken"] = None
    if isinstance(value, Letter):
        record["taken"], value = value.fields(), None
    member = luggage.member
    if variables:
        record["variables"] = list(variables)
    elif member is None:  # it is quicker by itself
        return [pickle.dumps(record, 5), value, resident.error]
    if member is not None:  # the stack holds requests that were posted, too
        record["member"] = member.context, member.members, member.posted, member.led
    return [record, value, resident.error]


def resident_of(captured: Sequence[object], context: Context) -> Resident:
    """The task of which `beside` captured this; what it runs is the caller's to add.

    Args:
        captured: What came back.
        context: That in which it came back; gets the variables that the task had set.

    Raises:
        ResumeError: it waits for something that only a later release knows.
    """
    packed, value, error = captured
    record: Any = pickle.loads(packed) if isinstance(packed, bytes) else packed
    luggage = Luggage(**{name: record[name] for name in PLAIN})
    if (told := record.get("member")) is not None:
        luggage.member = Member(*told)
    luggage.wait = _wait_of(record["wait"], luggage)
    luggage.mailbox = deque(Letter(*each) for each in record["mailbox"])
    early = (Letter(*each) for each in record["early"])
    luggage.early = {(each.source, each.number): each for each in early}
    if record["taken"] is not None:
        value = Letter(*record["taken"])
    contexts.restore(context, record.get("variables", ()))
    raised = error if isinstance(error, BaseException) else None
    return Resident(luggage, context=context, value=value, error=raised)


def _of_wait(wait: Wait | None) -> tuple[Any, ...] | None:
    match wait:
        case ReceivePosted(what=what):
            return "posted", what
        case Receive():
            return "message", *wait.fields()
        case AwaitOutcome(task):
            return "outcome", task
        case AwaitRoom(dest, receiving):
            return "room", dest, _of_wait(receiving)
    return None


def _wait_of(told: Any, luggage: Luggage) -> Wait | None:
    match told:
        case None:
            return None
        case ("outcome", task):
            return AwaitOutcome(task)
        case ("room", dest, receiving):
            return AwaitRoom(dest, _receive_of(receiving, luggage))
    return _receive_of(told, luggage)


def _receive_of(told: Any, luggage: Luggage) -> Receive | None:
    match told:
        case None:
            return None
        case ("message", *fields):
            return Receive(*fields)
        case ("posted", what) if luggage.member is not None:
            posted = luggage.member.posted
            return ReceivePosted(None, None, is_object=False, posted=posted, what=what)
    raise ResumeError(f"a task waits for {told!r:.80}, which this release does not know")
