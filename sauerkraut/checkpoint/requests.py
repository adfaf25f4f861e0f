"""Requests for a checkpoint from outside: files ``request-<id>`` in the checkpoint directory.

Rank 0 looks for them when it posts a consensus. The manifest of the epoch that satisfies a request
records its id, so that a request whose file outlived it (a kill between commit and unlink) is
ignored: otherwise each restart would stop at once again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sauerkraut.errors import StorageError
from sauerkraut.nonsense import NONSENSE
from sauerkraut.storage import disk, layout

READABLE = 0o644  # whoever may place one need not be the one who runs the job
LARGEST = 64 << 10


@dataclass(frozen=True, slots=True)
class Request:
    """One request."""

    id: str
    """1 to 64 letters and digits."""
    stop: bool
    """Checkpoint and stop; otherwise checkpoint and go on."""
    who: str = ""


def write(directory: Path, request: Request) -> Path:
    """Place a request; the file appears with its content.

    Raises:
        ValueError: its id is none.
        StorageError: it could not be written.
    """
    path = directory / layout.request(request.id)
    if layout.request_id(path.name) != request.id:
        raise ValueError(f"{request.id!r} is no id of a request: 1 to 64 letters and digits")
    private = directory / layout.private(path.name)
    text = json.dumps({"id": request.id, "stop": request.stop, "who": request.who})
    with disk.File.create(private, READABLE) as file:
        file.write(0, text.encode() + b"\n")
    disk.rename(private, path)
    return path


def pending(directory: Path, satisfied: Collection[str]) -> list[Request]:
    """Read the requests that no epoch has satisfied; files of satisfied ones are removed.

    One that cannot be read or does not parse is left where it is.
    """
    found: list[Request] = []
    try:
        names = disk.names(directory)
    except StorageError:
        return found
    for name in names:
        known_as = layout.request_id(name)
        if known_as is None:
            continue
        with suppress(StorageError, *NONSENSE):
            if known_as in satisfied:
                disk.unlink(directory / name)
                continue
            content = json.loads(disk.read_bytes(directory / name, largest=LARGEST))
            found.append(Request(known_as, bool(content["stop"]), str(content.get("who", ""))))
    return found


def remove(directory: Path, satisfied: Iterable[Request]) -> None:
    """Remove the files of requests; one that stays is ignored or satisfied again."""
    for request in satisfied:
        with suppress(StorageError):
            disk.unlink(directory / layout.request(request.id))
