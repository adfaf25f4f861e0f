"""The frames that an exception left, frozen for people to look at: nothing ever resumes them."""

from __future__ import annotations

import json
import linecache
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import BuiltinFunctionType, FrameType, FunctionType, ModuleType, TracebackType
from typing import Any

from sauerkraut.errors import CaptureError, ResumeError
from sauerkraut.frames import labels
from sauerkraut.frames.exclusion import Exclude
from sauerkraut.nonsense import NONSENSE, wrong
from sauerkraut.objects import graph, inert
from sauerkraut.objects.graph import Frozen

SEARCH_TIME = 30.0
"""Seconds for finding out, one by one, which locals cannot be captured: the job waits."""

_MADE_BY_CODE = (ModuleType, FunctionType, BuiltinFunctionType, type)


@dataclass(frozen=True, slots=True)
class Aftermath:
    """The frames of an exception, outermost first."""

    rows: bytes
    """Of each frame and each local of it, what `read` wants: JSON."""
    frozen: Frozen
    """The values that could be captured."""


@dataclass(frozen=True, slots=True)
class _Local:
    frame: str
    name: str
    value: object


def freeze(
    trace: TracebackType | None,
    is_ours: Callable[[str], bool],
    *,
    exclude: Exclude = (),
    threshold: int = 64 * 1024,
) -> Aftermath:
    """Freeze the frames of a traceback, each local that can be captured.

    What cannot be is left out and told with the reason; so is all that depends on more than a
    snapshot has: generators, handles of MPI.

    Args:
        trace: Of the exception.
        is_ours: Whether frames of the module of that name are left out.
        exclude: See `capture`.
        threshold: See `graph.freeze`; memory is borrowed.
    """
    frames: list[dict[str, Any]] = []
    found: list[_Local] = []
    while trace is not None:
        frame = trace.tb_frame
        if not is_ours(frame.f_globals.get("__name__", "")):
            excluded = _excluded(frame, exclude)
            bound = {n: v for n, v in frame.f_locals.items() if n not in excluded}
            if frame.f_locals is frame.f_globals:  # the body of an unmodified program
                bound = {n: v for n, v in bound.items() if not _is_of_program(n, v)}
            frames.append(_row(frame, trace.tb_lineno, bound, sorted(excluded)))
            found += [_Local(frame.f_code.co_qualname, name, v) for name, v in bound.items()]
        trace = trace.tb_next
    refused: dict[int, str] = {}
    frozen = _freeze(found, refused, threshold)
    rows = [local for frame in frames for local in frame["locals"]]
    for index, reason in refused.items():
        rows[index]["refused"] = reason
    return Aftermath(json.dumps(frames).encode(), frozen)


def _is_of_program(name: str, value: object) -> bool:
    """Whether a global is what every start of the program makes: no data."""
    return name.startswith("__") or isinstance(value, _MADE_BY_CODE)


def _excluded(frame: FrameType, exclude: Exclude) -> set[str]:
    if isinstance(exclude, Mapping):
        names: Collection[str] = set(exclude.get(frame.f_code.co_qualname, ()))
    else:
        names = set(exclude)
    return {name for name in frame.f_locals if name in names}


def _row(
    frame: FrameType, line: int, bound: Mapping[str, object], excluded: list[str]
) -> dict[str, Any]:
    code = frame.f_code
    described = {name: labels.describe(value) for name, value in bound.items()}
    return {
        "file": code.co_filename,
        "line": line,
        "function": code.co_qualname,
        "source": linecache.getline(code.co_filename, line).strip(),
        "locals": [
            {"name": name, "type": kind, "bytes": size} for name, (kind, size) in described.items()
        ],
        "excluded": excluded,
    }


def _freeze(found: list[_Local], refused: dict[int, str], threshold: int) -> Frozen:
    """Freeze the values in one graph, with None for each that is refused, and note why."""

    def attempt(chosen: list[_Local]) -> Frozen:
        return graph.freeze(
            [local.value for local in chosen],
            names=lambda i: f"{chosen[i].frame}() -> local {chosen[i].name!r}",
            arrays="borrow",
            threshold=threshold,
            carry_main=True,
        )

    try:
        return attempt(found)
    except CaptureError:
        until = time.monotonic() + SEARCH_TIME
        for index, local in enumerate(found):
            if time.monotonic() > until:
                refused[index] = f"not tried: those before it took {SEARCH_TIME:g} s"
                continue
            try:
                attempt([local]).release()
            except CaptureError as error:
                refused[index] = str(error)
    kept = [
        _Local(local.frame, local.name, None) if index in refused else local
        for index, local in enumerate(found)
    ]
    try:
        return attempt(kept)
    except CaptureError as error:  # each by itself can be captured, together they cannot
        refused |= {i: str(error) for i in range(len(found)) if i not in refused}
        return attempt([_Local(local.frame, local.name, None) for local in found])


def read(rows: bytes, objects: Any) -> list[dict[str, Any]]:
    """The frames as `freeze` told them, each local with ``value``: text, or None; runs nothing.

    Raises:
        ResumeError: they are damaged. Damaged values cost the values only.
    """
    try:
        frames = [_told(frame) for frame in json.loads(rows)]
    except NONSENSE as error:
        raise ResumeError(f"the post-mortem cannot be read: {wrong(error)}") from error
    told = [local for frame in frames for local in frame["locals"]]
    try:
        values, _ = inert.read(objects)
    except ResumeError:
        values = []
    for index, local in enumerate(told):
        shown = index < len(values) and "refused" not in local
        local["value"] = inert.text(values[index]) if shown else None
    return frames


def _told(frame: Mapping[str, Any]) -> dict[str, Any]:
    """A row that `freeze` made; what raises `NONSENSE` is none."""
    found = []
    for local in frame["locals"]:
        row: dict[str, Any] = {key: str(local[key]) for key in ("name", "type")}
        row["bytes"] = int(local["bytes"])
        if "refused" in local:
            row["refused"] = str(local["refused"])
        found.append(row)
    return {
        **{key: str(frame[key]) for key in ("file", "function", "source")},
        "line": int(frame["line"]),
        "locals": found,
        "excluded": [str(name) for name in frame["excluded"]],
    }
