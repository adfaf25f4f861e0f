"""Every error sauerkraut raises on purpose; each also is the built-in a caller would catch.

SauerkrautError
 ├─ CaptureError (TypeError)            a live frame or value cannot be captured
 ├─ ResumeError (ValueError)            a snapshot cannot be resumed here
 │   ├─ CodeChanged                     ... because a function on the stack is not the one captured
 │   ├─ InterpreterMismatch             ... because another Python wrote it
 │   ├─ WorldSizeMismatch               ... because another number of ranks wrote it
 │   └─ ArgumentsChanged                ... because run() was given another function or arguments
 ├─ SafepointError (ValueError)         `sauerkraut run` cannot poll where it was asked to
 ├─ StorageError (OSError)              the checkpoint directory could not be read or written
 │   ├─ NoCheckpoint (FileNotFoundError)  nothing there to restart from
 │   ├─ NoSuchArray (KeyError)          an epoch holds no array of that name
 │   ├─ CorruptCheckpoint               bytes are not what was written
 │   ├─ UntrustedCheckpoint (PermissionError)  owner or permissions do not allow unpickling it
 │   ├─ DirectoryOwned                  another incarnation of the job may still write there
 │   └─ Superseded                      another incarnation took the directory over from this one
 ├─ RankError (RuntimeError)            some ranks failed in a collective step, so every rank raises
 ├─ MigrationError (RuntimeError)       a task could not move
 │   └─ Deadlock                        every task waits for another
 └─ FlowError (RuntimeError)            a pipeline cannot go on
"""

from __future__ import annotations

from collections.abc import Mapping


class SauerkrautError(Exception):
    """Base of every error raised by sauerkraut."""


class CaptureError(SauerkrautError, TypeError):
    """A live frame or value cannot be captured; nothing was changed.

    The message names frame and variable, why, and what to do.
    """


class ResumeError(SauerkrautError, ValueError):
    """A snapshot cannot be resumed in this process; no frame of it ran."""


class CodeChanged(ResumeError):
    """A function on the captured stack has other bytecode here; the message shows it."""


class InterpreterMismatch(ResumeError):
    """The snapshot was written by another Python implementation, version or build."""


class WorldSizeMismatch(ResumeError):
    """Another number of ranks wrote the checkpoint, or was started by the launcher."""


class ArgumentsChanged(ResumeError):
    """``run`` was called with another function, or other arguments, than then; shows both."""


class SafepointError(SauerkrautError, ValueError):
    """A safepoint that was asked for cannot be compiled in; says where one could be."""


class StorageError(SauerkrautError, OSError):
    """The checkpoint directory could not be read or written; committed epochs stay valid."""


class NoCheckpoint(StorageError, FileNotFoundError):
    """There is no committed epoch to restart from."""


class NoSuchArray(StorageError, KeyError):
    """An epoch holds no array of that name; the message names those that it has."""


class CorruptCheckpoint(StorageError):
    """Stored bytes are not the bytes that were written; the message names file and stream."""


class UntrustedCheckpoint(StorageError, PermissionError):
    """Owner, permissions or key of a checkpoint do not allow unpickling it."""


class DirectoryOwned(StorageError):
    """Another incarnation owns the directory and may still write; nothing was touched."""


class Superseded(StorageError):
    """Another incarnation took the directory over; this one must end without writing."""


class RankError(SauerkrautError, RuntimeError):
    """Some ranks failed in a collective step, so every rank raises this.

    ``failures`` maps rank to the text of its error. On a failing rank the
    original error is ``__cause__``.
    """

    failures: Mapping[int, str]

    def __init__(self, message: str, failures: Mapping[int, str] | None = None) -> None:
        super().__init__(message)
        self.failures = dict(failures or {})


class MigrationError(SauerkrautError, RuntimeError):
    """A task could not move; it goes on where it was."""


class Deadlock(MigrationError):
    """Every task waits for a message that no task can send."""


class FlowError(SauerkrautError, RuntimeError):
    """A pipeline of steps cannot go on as asked."""
