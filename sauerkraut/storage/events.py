"""``events.jsonl``: what happened in a checkpoint directory, for people; never evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sauerkraut.storage.ownership import Ownership


def append(ownership: Ownership, event: str, **fields: Any) -> None:
    """Append a line with time and incarnation; a line that cannot be written is logged only.

    Args:
        ownership: Of this incarnation; rank 0.
        event: start, restart, begin, sealed, commit, failed, prune, stop, complete or superseded.
        fields: epoch, attempt, step, seconds, bytes, metrics, error: JSON values.
    """
    raise NotImplementedError


def read(directory: Path) -> list[dict[str, Any]]:
    """Read all lines; torn ones are left out. No file: an empty list."""
    raise NotImplementedError
