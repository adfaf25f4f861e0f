"""One run at a time on a file: a lock that the system takes back when the process is gone."""

from __future__ import annotations

import fcntl
import os
import socket
import weakref
from pathlib import Path

from sauerkraut.errors import DirectoryOwned, StorageError

_ROOM = 300  # bytes; the text of a holder before us must not show behind ours
_held: weakref.WeakSet[Lock] = weakref.WeakSet()


class Lock:
    """An exclusive lock on ``path`` with ``.lock`` added, held until `release`.

    Processes that are forked from this one do not hold it: it ends with this one. The file stays,
    since one that is removed could be locked twice.

    Raises:
        DirectoryOwned: another run holds it; names its host and process.
        StorageError: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        name = path.with_name(f"{path.name}.lock")
        try:
            self._descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageError(error.errno, f"cannot lock: {error.strerror}", str(name)) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(self._descriptor, _ROOM).decode("utf-8", "replace").strip()
            os.close(self._descriptor)
            if not isinstance(error, BlockingIOError):
                raise StorageError(
                    error.errno, f"cannot lock: {error.strerror}", str(name)
                ) from error
            raise DirectoryOwned(
                f"{path} is being used by another run ({holder or 'unknown'}): wait until it has "
                "ended, or give this one another path"
            ) from None
        holder = f"{socket.gethostname()}, pid {os.getpid()}"
        os.write(self._descriptor, f"{holder:<{_ROOM}}\n".encode())
        self.process = os.getpid()
        _held.add(self)

    def release(self) -> None:
        """Let others have it."""
        _held.discard(self)
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _let_go() -> None:
    for each in list(_held):
        each.release()  # closing it unlocks nothing while the parent has it open


os.register_at_fork(after_in_child=_let_go)
