"""How results are printed: one JSON document, or columns for people."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NoReturn

from sauerkraut.wording import printable


def usage(verb: str, text: str) -> NoReturn:
    """End with status 2: the words of the command line make no sense."""
    print(f"sauerkraut {verb}: {text}", file=sys.stderr)
    raise SystemExit(2)


def print_json(document: Any) -> None:
    """Print `document`, with paths and times as text, and numbers that JSON has not: "nan"."""

    def as_text(value: object) -> str:
        return value.isoformat() if isinstance(value, datetime) else str(value)

    print(json.dumps(_finite(document), default=as_text, indent=2, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def print_columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a head, each column as wide as its widest cell, numbers to the right."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        cells = (
            cell.rjust(width) if cell[:1].isdigit() else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        )
        print("  ".join(cells).rstrip())


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on a terminal where rich is installed; `print_columns` elsewhere."""
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        print_columns(head, rows)
        return
    console = Console()
    if not console.is_terminal:
        print_columns(head, rows)
        return
    table = Table(*head)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console.print(table)


def size(nbytes: float) -> str:
    """Bytes for people: ``2.1 MiB``."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if nbytes < 1024 or unit == "TiB":
            return f"{nbytes:.0f} {unit}" if unit == "B" else f"{nbytes:.1f} {unit}"
        nbytes /= 1024
    raise AssertionError


def moment(when: datetime) -> str:
    """A time in UTC for people."""
    return when.strftime("%Y-%m-%d %H:%M:%S")


def number(value: float | None) -> str:
    """A step or a metric, without a needless ``.0``."""
    return "-" if value is None else f"{value:g}" if abs(value) < 1e5 else f"{value:.10g}"
