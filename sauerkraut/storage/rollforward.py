"""What becomes of attempts that a dead incarnation left: published, or trash. Rank 0 only."""

from __future__ import annotations

from sauerkraut.storage.manifest import Epoch
from sauerkraut.storage.ownership import Ownership
from sauerkraut.storage.trust import Trust


def roll_forward(ownership: Ownership, trust: Trust) -> Epoch | None:
    """Decide every fenced attempt; call once, after `Ownership.take` and before `catalog`.

    One whose shards are all sealed and whole, and whose parent is the newest committed epoch, is
    published: all seals mean that every rank captured the same cut. Every other becomes trash.

    Returns:
        The epoch that was published, if any.

    Raises:
        Superseded: another incarnation took the directory.
        StorageError: EIO, EACCES, ESTALE or the like; call again at the next start.
    """
    raise NotImplementedError
