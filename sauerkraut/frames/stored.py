"""The frames of a stored snapshot for people, without running anything from it."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass
from typing import Any

from sauerkraut import _native
from sauerkraut.errors import ResumeError
from sauerkraut.frames.labels import FrameInfo, Label
from sauerkraut.objects import inert

_STAGES = {0: "created", 1: "suspended"}


@dataclass(frozen=True, slots=True)
class Local:
    """One local of a frame."""

    name: str
    type: str
    """As people write it, arrays with dtype and shape."""
    bytes: int
    """0 where the type does not tell."""
    value: str | None
    """The value where it is small, cut to about 80 characters; None: not shown."""


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """One frame, with the values of its locals."""

    info: FrameInfo
    locals: tuple[Local, ...]


@dataclass(frozen=True, slots=True)
class StoredStack:
    """The frames of a snapshot."""

    frames: tuple[StoredFrame, ...]
    """The call stack, outermost frame first."""
    generators: tuple[tuple[str, StoredFrame], ...]
    """Generators and coroutines that wait: "created" or "suspended", and the frame."""


def read(control: bytes, objects: Any) -> StoredStack:
    """Read the control section and the object stream.

    Raises:
        ResumeError: The control section is damaged. A damaged object stream costs the values only.
    """
    decoded = _native.decode(control)
    values: list[object] = []
    held: list[list[object]] = []
    with contextlib.suppress(ResumeError):
        values, held = inert.read(objects)
    return StoredStack(
        tuple(_frame(fields, values) for fields in decoded.frames),
        tuple(
            (_STAGES[fields["stage"]], _frame(fields, refers_to))
            for fields, refers_to in zip(
                decoded.generators, itertools.chain(held, itertools.repeat([])), strict=False
            )
            if fields["stage"] in _STAGES  # else its frame is one of the call stack
        ),
    )


def beside(control: bytes, objects: Any) -> list[object]:
    """Read what was captured beside the frames; nothing where the object stream is damaged.

    Raises:
        ResumeError: The control section is damaged.
    """
    first = _native.decode(control).objects
    with contextlib.suppress(ResumeError):
        return inert.read(objects)[0][first:]
    return []


def _frame(fields: Label, values: list[object]) -> StoredFrame:
    return StoredFrame(
        FrameInfo.of(fields),
        tuple(
            Local(name, kind, size, _value(fields["slots"][slot], values))
            for name, slot, kind, size in fields["variables"]
            if slot < len(fields["slots"])
        ),
    )


def _value(reference: int, values: list[object]) -> str | None:
    """What a slot's number (see `schema/snapshot.fbs`) stands for."""
    kind, rest = reference & 7, reference >> 3
    match kind:
        case 1:
            return inert.text(values[rest]) if rest < len(values) else None
        case 2 | 6:
            return str((rest >> 1) ^ -(rest & 1))  # zigzag
        case 3 | 4 | 5:
            return ("None", "False", "True")[kind - 3]
    return None
