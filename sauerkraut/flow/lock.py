"""One run at a time on a file: a lock that the system takes back when the process is gone."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

from sauerkraut.errors import DirectoryOwned, StorageError

_ROOM = 300  # bytes; the text of a holder before us must not show behind ours


class Lock:
    """An exclusive lock on ``path`` with ``.lock`` added, held until `release`.

    The file stays, since one that is removed could be locked twice.

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

    def release(self) -> None:
        """Let others have it."""
        os.close(self._descriptor)
