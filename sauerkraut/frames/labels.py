"""What a captured frame is called: where its code is found, and a row per variable for people."""

from __future__ import annotations

import functools
import linecache
import sys
import weakref
from dataclasses import dataclass
from types import CellType, CodeType
from typing import Any, Literal

from sauerkraut import _native
from sauerkraut.code import difference, reference

Carry = Literal["auto", "embed", "name"]
Label = dict[str, Any]
"""The fields of one frame in `schema/snapshot.fbs` that its state alone does not tell."""


@dataclass(frozen=True, slots=True)
class FrameInfo:
    """One frame of a snapshot, for people."""

    file: str
    line: int
    function: str
    """Qualified name."""
    names: tuple[str, ...]
    """Locals that had a value, in the order of their slots."""
    excluded: tuple[str, ...]
    """Locals that were left out on request."""
    unbound: tuple[str, ...]
    """Locals that had no value."""
    source: str
    """The source line, as recorded, else as the file says now; empty without either."""
    variables: tuple[tuple[str, str, int], ...]
    """(name, type, bytes) of each local; bytes is 0 where the type does not tell."""

    @classmethod
    def of(cls, label: Label) -> FrameInfo:
        """Read the fields of a control section's frame."""
        line = label["line"]
        if label["source"]:
            lines, place = label["source"].splitlines(), line - label["first_line"]
            source = lines[place].strip() if 0 <= place < len(lines) else ""
        else:
            source = linecache.getline(label["file"], line).strip()
        return cls(
            file=label["file"],
            line=line,
            function=label["function"],
            names=tuple(name for name, _, _, _ in label["variables"]),
            excluded=tuple(label["excluded"]),
            unbound=tuple(label["unbound"]),
            source=source,
            variables=tuple((name, kind, size) for name, _, kind, size in label["variables"]),
        )


_known: dict[int, _native.KnownLabel] = {}
"""By the id of the code, and dropped with it."""


def of_frames(
    stack: _native.Stack, *, carry: Carry = "auto", sources: bool = False
) -> list[_native.CodeLabel]:
    """The label of each frame, see `of`; those made before are taken where they still hold."""
    labels, unknown = _native.known_labels(stack, _known, carry, sources)
    made: dict[tuple[int, int], _native.CodeLabel] = {}  # frames of one function share theirs
    for frame in unknown:
        code, namespace = stack.code(frame), stack.globals(frame)
        key = id(code), id(namespace)
        label = made.get(key) or of(code, namespace, carry=carry, sources=sources)
        labels[frame] = made[key] = label
    return labels


def of(
    code: CodeType, namespace: dict[str, Any], *, carry: Carry = "auto", sources: bool = False
) -> _native.CodeLabel:
    """Where ``code``, which runs with the globals ``namespace``, is found again.

    Args:
        code: The code of a frame.
        namespace: Its globals.
        carry: Whether the code itself is carried along: where its name may not lead to it
            ("auto"), always ("embed"), or only where no name does here ("name").
        sources: Record the function's source text, for the difference to show when it changed.
    """
    module = reference.module_of(namespace)
    ref = reference.of(code, namespace, embed=carry == "embed")
    label = _native.CodeLabel(
        {
            "module": ref.module,
            "qualname": ref.qualname,
            "function": code.co_qualname,
            "path": list(ref.path),
            "fingerprint": ref.fingerprint,
            "embedded": None if carry == "name" and ref.module else ref.embedded,
            "layout": ref.layout,
            "globals_module": module,
            "file": code.co_filename,
            "first_line": code.co_firstlineno,
            "source": difference.source_of(code) if sources else "",
        }
    )
    if module is not None:
        # Not for globals of no module: an entry would depend on a dict that nothing else names.
        key = id(code)
        outer = reference.outermost(ref)
        _known[key] = _native.KnownLabel(
            weakref.ref(code, lambda gone: _forget(key, gone)),
            module,
            carry,
            sources,
            tuple(ref.qualname.split(".")) if ref.module else (),
            weakref.ref(outer) if outer is not None else None,
            label,
        )
    return label


def _forget(key: int, gone: weakref.ref[CodeType]) -> None:
    # The id may belong to a newer code object by now.
    if (known := _known.get(key)) is not None and known.code is gone:
        del _known[key]


def describe(value: object) -> tuple[str, int]:
    """(type, bytes) of a local as people read them; see `type_name` and `size_of`."""
    return type_name(value), size_of(value)


def type_name(value: object) -> str:
    """The type of a local as people write it, arrays with dtype and shape; cells are seen through.

    Runs no code of the value.
    """
    held: Any = contents(value)
    cls = type(held)
    name = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__name__}"
    numpy = sys.modules.get("numpy")
    if numpy is not None and cls is numpy.ndarray:
        return f"{name} {_text_of(held.dtype)} {held.shape}"
    return name


@functools.lru_cache(maxsize=256)
def _text_of(dtype: object) -> str:
    return str(dtype)


def size_of(value: object) -> int:
    """Bytes of an array, text or byte string; 0 for what does not tell without running code."""
    held: Any = contents(value)
    numpy = sys.modules.get("numpy")
    if numpy is not None and type(held) is numpy.ndarray:
        return int(held.nbytes)
    return len(held) if type(held) in (bytes, bytearray, str) else 0


def slot_names(code: CodeType) -> list[str]:
    """Names of the fast locals of ``code``, in the order of their places."""
    inner = [name for name in code.co_cellvars if name not in code.co_varnames]
    return [*code.co_varnames, *inner, *code.co_freevars]


def contents(value: object) -> object:
    """What a cell holds (None when empty); any other value itself."""
    if type(value) is not CellType:
        return value
    try:
        return value.cell_contents
    except ValueError:
        return None
