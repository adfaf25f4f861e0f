"""The frames of a stored snapshot for people, without running anything from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sauerkraut import _native
from sauerkraut.errors import ResumeError
from sauerkraut.frames.labels import FrameInfo
from sauerkraut.objects import inert


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


def frames(control: bytes, objects: Any) -> list[StoredFrame]:
    """Read the control section and the object stream, outermost frame first.

    Raises:
        ResumeError: The control section is damaged. A damaged object stream costs the values only.
    """
    decoded = _native.decode(control)
    try:
        values = inert.read(objects)
    except ResumeError:
        values = []
    return [
        StoredFrame(
            FrameInfo.of(frame),
            tuple(
                Local(name, kind, size, _value(frame["slots"][slot], values))
                for name, slot, kind, size in frame["variables"]
                if slot < len(frame["slots"])
            ),
        )
        for frame in decoded.frames
    ]


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
