"""Which place a flow keeps its states in, from what its user says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sauerkraut.flow.adapted import Adapted, StateHandler
from sauerkraut.flow.local import LocalFile, LocalStateHandler
from sauerkraut.flow.stores import StepStore

NAMES = ("local",)


def store_of(
    path: str | os.PathLike[str], handler: str | type | StateHandler, keep: int
) -> StepStore:
    """The store of a flow; see `CheckpointFlow`.

    Raises:
        NotImplementedError, TypeError: ``handler`` is none.
    """
    if isinstance(handler, str):
        if handler not in NAMES:
            raise NotImplementedError(
                f"handler={handler!r}: one of {', '.join(map(repr, NAMES))}, or a class or an "
                "object with write(state) and read()"
            )
        return LocalFile(Path(path), keep)
    if handler is LocalStateHandler:
        return LocalFile(Path(path), keep)
    made: Any = handler(path) if isinstance(handler, type) else handler
    if type(made) is LocalStateHandler:
        return LocalFile(Path(made.path), keep)
    if not isinstance(made, StateHandler):
        raise TypeError(
            f"handler={handler!r} is neither a name, nor a class or an object with write(state) "
            "and read()"
        )
    return Adapted(made, f"{type(made).__qualname__} of {os.fspath(path)}")


def stored_at(path: Path) -> LocalFile:
    """The store of a path that exists, by what it is."""
    return LocalFile(path)
