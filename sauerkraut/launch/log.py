"""What the supervisor did, for people: one line each, with the time in UTC."""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from sauerkraut.errors import StorageError


class Log:
    """Lines on standard error, and in a file too.

    Args:
        path: The file they are appended to; None: standard error only.

    Raises:
        StorageError: the file cannot be opened.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        if path is not None:
            try:
                path.open("a").close()
            except OSError as error:
                text = f"cannot write the log {path}: {error.strerror}"
                raise StorageError(text) from error

    def __call__(self, text: str) -> None:
        """Write one line; a reader that went away, or a full disk, ends nothing."""
        line = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} sauerkraut launch: {text}\n"
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(line)
            sys.stderr.flush()
        if self._path is not None:
            with suppress(OSError), self._path.open("a", encoding="utf-8") as file:
                file.write(line)
