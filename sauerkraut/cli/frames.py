"""How captured frames are shown: as plain values for JSON, as lines for people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sauerkraut.cli import report
from sauerkraut.frames import stored

_STATES = {"": "", "created": " (not started)", "suspended": " (suspended)"}
_ARRAY = re.compile(r"(numpy\.ndarray) (.+) (\(.*\))")


def described_stack(stack: stored.StoredStack) -> dict[str, Any]:
    """Frames and waiting generators as plain values."""
    return {
        "frames": [described(frame) for frame in stack.frames],
        "generators": [{"state": state, **described(frame)} for state, frame in stack.generators],
    }


def described(frame: stored.StoredFrame) -> dict[str, Any]:
    """One frame as plain values."""
    return {
        "file": frame.info.file,
        "line": frame.info.line,
        "function": frame.info.function,
        "source": frame.info.source,
        "locals": [described_local(local) for local in frame.locals],
        "excluded": frame.info.excluded,
        "unbound": frame.info.unbound,
    }


def described_local(local: stored.Local) -> dict[str, Any]:
    """One local as plain values."""
    row: dict[str, Any] = {"name": local.name, "type": local.type, "bytes": local.bytes or None}
    if array := _ARRAY.fullmatch(local.type):
        row["type"], row["dtype"], row["shape"] = array.groups()
    if local.value is not None:
        row["value"] = local.value
    return row


def lines(frame: dict[str, Any]) -> Iterator[str]:
    """One described frame for people."""
    state = _STATES[frame.get("state", "")]
    yield f"  {frame['file']}:{frame['line']}, in {frame['function']}{state}"
    if frame["source"]:
        yield f"      {frame['source']}"
    rows = [
        (
            local["name"],
            " ".join(str(local[key]) for key in ("type", "dtype", "shape") if key in local),
            report.size(local["bytes"]) if local["bytes"] else "",
            local.get("value", f"(not stored: {local['refused']})" if "refused" in local else ""),
        )
        for local in frame["locals"]
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    for name, kind, size, value in rows:
        line = f"    {name:{widths[0]}}  {kind:{widths[1]}}  {size:>{widths[2]}}  {value}"
        yield line.rstrip()
    for title in ("excluded", "unbound"):
        if frame.get(title):
            yield f"    {title}: {', '.join(frame[title])}"
