"""``events.jsonl``: what happened in a checkpoint directory, for people; never evidence."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sauerkraut.errors import StorageError
from sauerkraut.nonsense import NONSENSE
from sauerkraut.storage import disk, layout
from sauerkraut.storage.disk import File
from sauerkraut.storage.ownership import Ownership

log = logging.getLogger(__name__)


def append(ownership: Ownership, event: str, **fields: Any) -> None:
    """Append a line with time and incarnation; a line that cannot be written is logged only.

    Args:
        ownership: Of this incarnation; rank 0.
        event: start, restart, begin, sealed, commit, failed, prune, stop, complete or superseded.
        fields: epoch, attempt, step, seconds, bytes, metrics, error: JSON values.
    """
    append_line(ownership.directory, ownership.modes.file, ownership.incarnation.id, event, fields)


def append_line(
    directory: Path, mode: int, incarnation: str, event: str, fields: Mapping[str, Any]
) -> None:
    """As `append`, for a rank that has no `Ownership`, and ends the job after this line."""
    known = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "incarnation": incarnation,
        "event": event,
    }
    line = json.dumps({**known, **fields}, default=str).encode() + b"\n"
    path = directory / layout.EVENTS
    try:
        with File.open_to_append(path, mode) as file:
            size = file.status().st_size
            last = bytearray(1)
            if size and file.read(size - 1, last) and last != b"\n":
                line = b"\n" + line  # the line before was torn
            file.write(size, line)
    except StorageError as error:
        log.warning("no line for %s in the log: %s", event, error)


def read(directory: Path) -> list[dict[str, Any]]:
    """Read all lines; torn ones are left out. No file: an empty list.

    Raises:
        StorageError: it could not be read.
    """
    try:
        text = disk.read_bytes(directory / layout.EVENTS, largest=1 << 30)
    except StorageError as error:
        if disk.is_missing(error):
            return []
        raise
    lines = []
    for line in text.splitlines():
        try:
            values = json.loads(line)
        except NONSENSE:
            continue
        if isinstance(values, dict):
            lines.append(values)
    return lines
