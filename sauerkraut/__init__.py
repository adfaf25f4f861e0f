"""Checkpoint and restart for MPI Python programs: live call stacks, mid-loop, in HDF5."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

if "t" in sys.abiflags:
    raise ImportError(
        "sauerkraut needs a CPython with the GIL: in this free-threaded build other threads would "
        "change frames while they are read"
    )

if sys.version_info >= (3, 13):
    import _interpreters
else:
    import _xxsubinterpreters as _interpreters  # type: ignore[import-not-found]
if _interpreters.get_current() != _interpreters.get_main():
    raise ImportError(
        "sauerkraut cannot be used in a sub-interpreter: what it keeps belongs to the main one of "
        "a process; import it there"
    )

from sauerkraut.errors import (
    ArgumentsChanged,
    CaptureError,
    CodeChanged,
    CorruptCheckpoint,
    Deadlock,
    DirectoryOwned,
    FlowError,
    InterpreterMismatch,
    MigrationError,
    NoCheckpoint,
    NoSuchArray,
    RankError,
    ResumeError,
    SauerkrautError,
    StorageError,
    Superseded,
    UntrustedCheckpoint,
    WorldSizeMismatch,
)
from sauerkraut.frames.capture import call, capture
from sauerkraut.frames.sentinels import EXCLUDED, Resumed
from sauerkraut.frames.snapshot import Snapshot
from sauerkraut.frames.transparent import transparent
from sauerkraut.objects.freezing import register_reducer

if TYPE_CHECKING:
    from sauerkraut import liveness, storage
    from sauerkraut.checkpoint.blocks import Block
    from sauerkraut.checkpoint.checkpointer import Checkpointer, current
    from sauerkraut.checkpoint.records import Epoch, Restart
    from sauerkraut.seed_api import (
        copy_current_frame,
        copy_frame,
        copy_frame_from_greenlet,
        deserialize_frame,
        resume_greenlet,
        run_frame,
        serialize_frame,
    )

__version__ = "0.1.0"
__all__ = [
    "EXCLUDED",
    "ArgumentsChanged",
    "Block",
    "CaptureError",
    "Checkpointer",
    "CodeChanged",
    "CorruptCheckpoint",
    "Deadlock",
    "DirectoryOwned",
    "Epoch",
    "FlowError",
    "InterpreterMismatch",
    "MigrationError",
    "NoCheckpoint",
    "NoSuchArray",
    "RankError",
    "Restart",
    "ResumeError",
    "Resumed",
    "SauerkrautError",
    "Snapshot",
    "StorageError",
    "Superseded",
    "UntrustedCheckpoint",
    "WorldSizeMismatch",
    "__version__",
    "call",
    "capture",
    "copy_current_frame",
    "copy_frame",
    "copy_frame_from_greenlet",
    "current",
    "deserialize_frame",
    "liveness",
    "register_reducer",
    "resume_greenlet",
    "run_frame",
    "serialize_frame",
    "storage",
    "transparent",
]

# Each start of a process waits for what is imported: these come when they are first asked for.
_LATER = {
    "sauerkraut.checkpoint.blocks": ("Block",),
    "sauerkraut.checkpoint.checkpointer": ("Checkpointer", "current"),
    "sauerkraut.checkpoint.records": ("Epoch", "Restart"),
    "sauerkraut.seed_api": (
        "copy_current_frame",
        "copy_frame",
        "copy_frame_from_greenlet",
        "deserialize_frame",
        "resume_greenlet",
        "run_frame",
        "serialize_frame",
    ),
}
_home_of = {name: home for home, names in _LATER.items() for name in names}


if not TYPE_CHECKING:  # else every name would do

    def __getattr__(name: str) -> object:
        if name in ("liveness", "storage"):  # the modules among them
            return importlib.import_module(f"sauerkraut.{name}")
        if name not in _home_of:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(importlib.import_module(_home_of[name]), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
