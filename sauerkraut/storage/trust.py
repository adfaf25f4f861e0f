"""Whose checkpoints may be unpickled: owner, permissions and an optional key.

A checkpoint holds pickles, and pickles run code: reading another user's checkpoint is running that
user's program as oneself.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from sauerkraut.errors import UntrustedCheckpoint
from sauerkraut.settings import Settings
from sauerkraut.storage.disk import File


@dataclass(frozen=True, slots=True)
class Trust:
    """What a checkpoint must prove before anything in it is unpickled; plain and picklable."""

    key: bytes | None = None
    """32 bytes; all hashes are then keyed, and an epoch without or with another key is refused."""
    owner: str | None = None
    """User, by name or number, whose checkpoints are accepted beside one's own."""
    anybody: bool = False
    """Check bytes only: for `verify`, which runs nothing."""
    data_only: bool = False
    """Nothing will be unpickled: any owner's will do, but a key must fit."""

    @classmethod
    def of(cls, settings: Settings, *, anybody: bool = False, data_only: bool = False) -> Trust:
        """Read the key file that the settings name, if any.

        Raises:
            UntrustedCheckpoint: others may read the key file, or it is empty.
            StorageError: it cannot be read.
        """
        key = None if settings.key_file is None else _read_key(Path(settings.key_file))
        return cls(key, settings.trust_owner, anybody, data_only)

    def check(self, status: os.stat_result, path: Path) -> None:
        """Refuse what another user owns or may write; raises UntrustedCheckpoint."""
        if self.anybody or self.data_only:
            return
        if status.st_uid != os.geteuid() and status.st_uid != self._trusted_user():
            raise UntrustedCheckpoint(
                f"{path} belongs to {_name(status.st_uid)}, and restarting from it would run that "
                f"user's code as {_name(os.geteuid())}; if you trust it: "
                f"SAUERKRAUT_TRUST_OWNER={_name(status.st_uid)}"
            )
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise UntrustedCheckpoint(
                f"{path} may be written by others, and restarting from it could run their code; "
                f"if you trust what it holds: chmod go-w {path}"
            )

    def check_keyed(self, keyed: bool, path: Path) -> None:
        """Refuse a file that has a key where we have none, or the reverse."""
        if self.anybody:
            return
        if keyed and self.key is None:
            raise UntrustedCheckpoint(
                f"{path} is authenticated: set SAUERKRAUT_KEY_FILE to its key"
            )
        if self.key is not None and not keyed:
            raise UntrustedCheckpoint(
                f"{path} is not authenticated by the key of SAUERKRAUT_KEY_FILE; "
                "unset it if you trust the file"
            )

    def _trusted_user(self) -> int | None:
        if self.owner is None:
            return None
        try:
            return int(self.owner) if self.owner.isdecimal() else pwd.getpwnam(self.owner).pw_uid
        except KeyError:
            raise UntrustedCheckpoint(f"no user {self.owner!r}, who is to be trusted") from None


ANYBODY = Trust(anybody=True)


def _read_key(path: Path) -> bytes:
    with File.open(path) as file:
        status = file.status()
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise UntrustedCheckpoint(f"{path}, the key, is open to others: chmod 600 {path}")
        content = bytearray(status.st_size)
        content = content[: file.read(0, content)]
    if not content:
        raise UntrustedCheckpoint(f"{path}, the key, is empty")
    return hashlib.blake2b(content, digest_size=32, person=b"sauerkraut key").digest()


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
