"""Readers and writers of csv: the file or iterator they work on, and their dialect."""

from __future__ import annotations

import csv
import gc
import io
from collections.abc import Iterator
from typing import Any

from sauerkraut._native import set_line_number
from sauerkraut.objects.freezing import Freezing, Reduced, reduces, refuse

_FIELDS = (
    *("delimiter", "doublequote", "escapechar", "lineterminator"),
    *("quotechar", "quoting", "skipinitialspace", "strict"),
)


def _format(dialect: Any) -> dict[str, Any]:
    return {name: getattr(dialect, name) for name in _FIELDS}


@reduces("_csv.Dialect")
def _reduce_dialect(dialect: Any, _: Freezing) -> Reduced:
    return (make_dialect, (_format(dialect),))


def make_dialect(fields: dict[str, Any]) -> Any:
    """A dialect as readers and writers have it."""
    return csv.writer(io.StringIO(), **fields).dialect


@reduces("_csv.reader")
def _reduce_reader(reader: Any, _: Freezing) -> Reduced:
    dialect = reader.dialect
    held = [each for each in gc.get_referents(reader) if isinstance(each, Iterator)]
    if len(held) != 1:
        raise refuse(reader, "keep what it reads from and make it anew in on_restart")
    state = (reader.line_num,)
    return (make_reader, (held[0], _format(dialect)), state, None, None, set_line)


def make_reader(lines: Any, fields: dict[str, Any]) -> Any:
    """A ``csv.reader`` of an iterator over lines."""
    return csv.reader(lines, **fields)


def set_line(reader: Any, state: tuple[int]) -> None:
    """Set the number of lines that a reader has read."""
    set_line_number(reader, state[0])


@reduces("_csv.writer")
def _reduce_writer(writer: Any, _: Freezing) -> Reduced:
    write = next((each for each in gc.get_referents(writer) if callable(each)), None)
    file = getattr(write, "__self__", None)
    if file is None or getattr(file, "write", None) != write:
        raise refuse(writer, "keep the file and make it anew in on_restart")
    return (make_writer, (file, _format(writer.dialect)))


def make_writer(file: Any, fields: dict[str, Any]) -> Any:
    """A ``csv.writer`` to a file."""
    return csv.writer(file, **fields)
