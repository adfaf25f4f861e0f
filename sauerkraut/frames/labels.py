"""What a captured frame is called: where its code is found, and a row per variable for people."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import CellType, CodeType
from typing import Any

from sauerkraut import _native
from sauerkraut.code import difference, reference
from sauerkraut.code.reference import CodeReference

Label = dict[str, Any]
"""The fields of one frame in `schema/snapshot.fbs` that its state alone does not tell."""

_sources: dict[CodeType, str] = {}


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
    """The source line; empty when the file could not be read at capture."""
    variables: tuple[tuple[str, str, int], ...]
    """(name, type, bytes) of each local; bytes is 0 where the type does not tell."""

    @classmethod
    def of(cls, label: Label) -> FrameInfo:
        """Read the fields of a control section's frame."""
        lines = label["source"].splitlines()
        place = label["line"] - label["first_line"]
        return cls(
            file=label["file"],
            line=label["line"],
            function=label["function"],
            names=tuple(name for name, _, _, _ in label["variables"]),
            excluded=tuple(label["excluded"]),
            unbound=tuple(label["unbound"]),
            source=lines[place].strip() if 0 <= place < len(lines) else "",
            variables=tuple((name, kind, size) for name, _, kind, size in label["variables"]),
        )


def make(stack: _native.Stack, frame: int, excluded: list[str], *, embed: bool) -> Label:
    """Describe frame number ``frame`` of ``stack``; ``excluded`` were replaced already."""
    code = stack.code(frame)
    ref = reference.of(code, stack.globals(frame), embed=embed)
    return {
        "module": ref.module,
        "qualname": ref.qualname,
        "function": code.co_qualname,
        "path": list(ref.path),
        "fingerprint": ref.fingerprint,
        "embedded": ref.embedded,
        "layout": ref.layout,
        "globals_module": module_of(stack.globals(frame)),
        "file": code.co_filename,
        "line": stack.line(frame),
        "first_line": code.co_firstlineno,
        "source": _source(code),
        "variables": [
            (name, slot, type_name(value), size_of(value))
            for slot, name, value in stack.bound(frame)
        ],
        "excluded": excluded,
        "unbound": stack.unbound(frame),
    }


def reference_of(label: Label) -> CodeReference:
    """The code reference in a label."""
    return CodeReference(
        label["module"],
        label["qualname"],
        tuple(label["path"]),
        label["fingerprint"],
        label["embedded"],
        label["layout"],
    )


def module_of(namespace: dict[str, Any]) -> str | None:
    """Name of the module whose globals ``namespace`` is; None: of none."""
    name = namespace.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    return name if module is not None and getattr(module, "__dict__", None) is namespace else None


def type_name(value: object) -> str:
    """The type of a local as people write it, arrays with dtype and shape; cells are seen through.

    Runs no code of the value.
    """
    value = contents(value)
    cls = type(value)
    name = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__name__}"
    numpy = sys.modules.get("numpy")
    if numpy is not None and cls is numpy.ndarray:
        return f"{name} {value.dtype} {value.shape}"  # type: ignore[attr-defined]
    return name


def size_of(value: object) -> int:
    """Bytes of an array, text or byte string; 0 for what does not tell without running code."""
    value = contents(value)
    numpy = sys.modules.get("numpy")
    if numpy is not None and type(value) is numpy.ndarray:
        return int(value.nbytes)  # type: ignore[attr-defined]
    return len(value) if type(value) in (bytes, bytearray, str) else 0  # type: ignore[arg-type]


def contents(value: object) -> object:
    """What a cell holds (None when empty); any other value itself."""
    if type(value) is not CellType:
        return value
    try:
        return value.cell_contents
    except ValueError:
        return None


def _source(code: CodeType) -> str:
    # Reading and tokenising a file at each checkpoint would cost more than the capture.
    text = _sources.get(code)
    if text is None:
        text = _sources[code] = difference.source_of(code)
    return text
