"""Which place a flow keeps its states in, from what its user says."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sauerkraut.checkpoint.reports import Reports
from sauerkraut.flow.adapted import Adapted, StateHandler
from sauerkraut.flow.epochs import Epochs
from sauerkraut.flow.local import LocalFile, LocalStateHandler
from sauerkraut.flow.stores import StepStore
from sauerkraut.group import Group, SoloGroup

NAMES = ("local", "hdf5")


def store_of(
    path: str | os.PathLike[str],
    handler: str | type | StateHandler,
    *,
    group: Group,
    keep: int,
    shared: Sequence[str],
    reports: Reports,
) -> StepStore:
    """The store of a flow; see `CheckpointFlow`.

    Raises:
        NotImplementedError, TypeError, ValueError: ``handler`` is none, or none for many ranks.
    """
    if isinstance(handler, str):
        if handler not in NAMES:
            raise NotImplementedError(
                f"handler={handler!r}: one of {', '.join(map(repr, NAMES))}, or a class or an "
                "object with write(state) and read()"
            )
        if handler == "hdf5":
            return Epochs(Path(path), group, keep=keep, shared_keys=shared, reports=reports)
    if group.size > 1:
        raise ValueError(f'handler={handler!r} stores one state; for {group.size} ranks: "hdf5"')
    if handler in ("local", LocalStateHandler):
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


def stored_at(path: Path) -> LocalFile | Epochs:
    """The store of a path that exists, by what it is, for one process that only looks."""
    if path.is_dir():
        group, reports = SoloGroup(), Reports(0, quiet=True)
        return Epochs(path, group, keep=1, shared_keys=(), reports=reports)
    return LocalFile(path, only_look=True)
