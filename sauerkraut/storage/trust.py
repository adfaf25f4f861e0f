"""Whose checkpoints may be unpickled: owner, permissions and an optional key."""

from __future__ import annotations

from dataclasses import dataclass

from sauerkraut.settings import Settings


@dataclass(frozen=True, slots=True)
class Trust:
    """What a checkpoint must prove before anything in it is unpickled; plain and picklable."""

    key: bytes | None = None
    """32 bytes; all hashes are then keyed, and an epoch without or with another key is refused."""
    owner: str | None = None
    """User whose checkpoints are accepted beside one's own."""

    @classmethod
    def of(cls, settings: Settings) -> Trust:
        """Read the key file that the settings name, if any.

        Raises:
            UntrustedCheckpoint: others may read the key file, or it is empty.
            StorageError: it cannot be read.
        """
        raise NotImplementedError
