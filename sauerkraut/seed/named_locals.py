"""Locals by name or index: left out when a frame is copied, replaced when it is run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sauerkraut import _native, liveness
from sauerkraut.frames.exclusion import Cells, hide
from sauerkraut.frames.labels import slot_names
from sauerkraut.frames.snapshot import Thawed

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
    names = [slot_names(stack.code(frame)) for frame in range(len(stack))]
    wanted = _slots_by_frame(stack, names, exclude or ())
    left_out: list[list[str]] = []
    cells: Cells = {}
    for frame, known in enumerate(names):
        slots = set(wanted.get(frame, ()))
        if dead:
            slots.update(liveness.dead_slots(stack.code(frame), stack.unit(frame)))
        chosen = {known[slot] for slot in slots}
        left_out.append(hide(stack, frame, chosen, None, cells) if chosen else [])
    return left_out


def _slots_by_frame(
    stack: _native.Stack, names: list[list[str]], chosen: Names | Mapping[str, Any]
) -> dict[int, list[int]]:
    """Frame -> places that names and indices mean: of the innermost frame, or by function."""
    if isinstance(chosen, (str, bytes)):
        raise TypeError("locals are given as a set or list of names, not as one text")
    if not isinstance(chosen, Mapping):
        innermost = len(names) - 1
        return {innermost: [_slot(stack, innermost, names, each) for each in chosen]}
    found: dict[int, list[int]] = {}
    for function, keys in chosen.items():
        if isinstance(keys, (str, bytes)):
            raise TypeError("locals are given as a set or list of names, not as one text")
        for frame in _frames_of(stack, function):
            found[frame] = [_slot(stack, frame, names, each) for each in keys]
    return found


def _frames_of(stack: _native.Stack, function: object) -> list[int]:
    functions = [stack.code(frame).co_qualname for frame in range(len(stack))]
    if function not in functions:
        raise KeyError(f"no captured frame of {function!r}; there are {functions}")
    return [frame for frame, name in enumerate(functions) if name == function]


def _slot(stack: _native.Stack, frame: int, names: list[list[str]], key: object) -> int:
    known, function = names[frame], stack.code(frame).co_qualname
    if isinstance(key, str):
        if key not in known:
            raise KeyError(f"{function}() has no local {key!r}; it has {known}")
        return known.index(key)
    if isinstance(key, int) and not isinstance(key, bool):
        if not 0 <= key < len(known):
            raise IndexError(f"{function}() has {len(known)} locals, none at index {key}")
        return key
    raise TypeError(f"a local is named by a str or an int, not {type(key).__name__}")


def replace(thawed: Thawed, replacements: Mapping[Any, Any]) -> None:
    """Give locals new values: of the innermost frame, or by function. Raises as `leave_out`."""
    stack = thawed.stack
    names = [slot_names(stack.code(frame)) for frame in range(len(stack))]
    functions = [stack.code(frame).co_qualname for frame in range(len(stack))]
    by_function = bool(replacements) and all(
        key in functions and isinstance(value, Mapping) for key, value in replacements.items()
    )
    for frame in range(len(stack)):
        chosen = replacements.get(functions[frame], {}) if by_function else replacements
        if by_function or frame == len(stack) - 1:
            for key, value in chosen.items():
                thawed.set_local(frame, _slot(stack, frame, names, key), value)


def check_replacements(replace_locals: object) -> None:
    """Raise TypeError unless it is None or a mapping."""
    if replace_locals is not None and not isinstance(replace_locals, Mapping):
        raise TypeError(f"replace_locals must be a dict, not {type(replace_locals).__name__}")
