"""Locals by name or index: left out when a frame is copied, replaced when it is run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import CodeType
from typing import Any

from sauerkraut import _native, liveness
from sauerkraut.frames.exclusion import Cells, hide
from sauerkraut.frames.labels import slot_names
from sauerkraut.frames.snapshot import Thawed, place_of

Names = Iterable[str | int]
ExcludeLocals = Names | Mapping[str, Names] | None
ReplaceLocals = Mapping[Any, Any] | None


def leave_out(stack: _native.Stack, exclude: ExcludeLocals, *, dead: bool) -> list[list[str]]:
    """Put None in place of excluded and dead locals; returns their names per frame.

    Raises:
        KeyError: a local that is not there; lists those that are.
        IndexError: an index out of range.
        TypeError: neither a name nor an index.
    """
    wanted = _slots_by_frame(stack, exclude or ())
    left_out: list[list[str]] = []
    cells: Cells = {}
    for frame in range(len(stack)):
        code = stack.code(frame)
        slots = set(wanted.get(frame, ()))
        if dead:
            slots.update(liveness.dead_slots(code, stack.unit(frame)))
        names = slot_names(code)
        chosen = {names[slot] for slot in slots}
        left_out.append(hide(stack, frame, chosen, None, cells) if chosen else [])
    return left_out


def _slots_by_frame(
    stack: _native.Stack, chosen: Names | Mapping[str, Any]
) -> dict[int, list[int]]:
    """Frame -> places that names and indices mean: of the innermost frame, or by function."""
    innermost = len(stack) - 1
    by_frame = [(innermost, chosen)]
    if isinstance(chosen, Mapping):
        by_frame = [(i, keys) for name, keys in chosen.items() for i in _frames_of(stack, name)]
    found: dict[int, list[int]] = {}
    for frame, keys in by_frame:
        if isinstance(keys, (str, bytes)):
            raise TypeError("locals are given as a set or list of names, not as one text")
        found[frame] = [_place_of(stack.code(frame), each) for each in keys]
    return found


def _frames_of(stack: _native.Stack, function: object) -> list[int]:
    functions = [stack.code(frame).co_qualname for frame in range(len(stack))]
    if function not in functions:
        raise KeyError(f"no captured frame of {function!r}; there are {functions}")
    return [frame for frame, name in enumerate(functions) if name == function]


def _place_of(code: CodeType, key: object) -> int:
    if isinstance(key, str):
        return place_of(code, key)
    if isinstance(key, int) and not isinstance(key, bool):
        count = len(slot_names(code))
        if not 0 <= key < count:
            raise IndexError(f"{code.co_qualname}() has {count} locals, none at index {key}")
        return key
    raise TypeError(f"a local is named by a str or an int, not {type(key).__name__}")


def replace(thawed: Thawed, replacements: Mapping[Any, Any]) -> None:
    """Give locals new values: of the innermost frame, or by function. Raises as `leave_out`."""
    thawed.replace(replacements, _place_of)


def check_replacements(replace_locals: object) -> None:
    """Raise TypeError unless it is None or a mapping."""
    if replace_locals is not None and not isinstance(replace_locals, Mapping):
        raise TypeError(f"replace_locals must be a dict, not {type(replace_locals).__name__}")
