"""Requests for a checkpoint from outside: files ``request-<id>`` in the checkpoint directory.

Rank 0 looks for them when it posts a consensus. The manifest of the epoch that satisfies a request
records its id, so that a request whose file outlived it (a kill between commit and unlink) is
ignored: otherwise each restart would stop at once again.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

NAME = re.compile(r"request-([0-9A-Za-z]{1,64})")


@dataclass(frozen=True, slots=True)
class Request:
    """One request."""

    id: str
    stop: bool
    """Checkpoint and stop; otherwise checkpoint and go on."""
    who: str = ""

    @property
    def name(self) -> str:
        """Its file name."""
        return f"request-{self.id}"


def write(directory: Path, request: Request) -> Path:
    """Place a request; the file appears with its content. Raises OSError."""
    path = directory / request.name
    private = directory / f".{request.name}.new"
    private.write_text(
        json.dumps({"id": request.id, "stop": request.stop, "who": request.who}) + "\n"
    )
    private.replace(path)
    return path


def pending(directory: Path, satisfied: Collection[str]) -> list[Request]:
    """Read the requests that no epoch has satisfied; files of satisfied ones are removed.

    One that cannot be read or does not parse is left where it is.
    """
    found: list[Request] = []
    try:
        names = sorted(os.listdir(directory))  # noqa: PTH208 - names only, once per consensus
    except OSError:
        return found
    for name in names:
        match = NAME.fullmatch(name)
        if match is None:
            continue
        if match[1] in satisfied:
            with contextlib.suppress(OSError):
                (directory / name).unlink()
            continue
        try:
            content = json.loads((directory / name).read_text())
            stop, who = bool(content["stop"]), str(content.get("who", ""))
            found.append(Request(match[1], stop, who))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
    return found


def remove(directory: Path, satisfied: Iterable[Request]) -> None:
    """Remove the files of requests; one that stays is ignored or satisfied again."""
    for request in satisfied:
        with contextlib.suppress(OSError):
            (directory / request.name).unlink()
