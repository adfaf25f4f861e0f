"""Who may write to a checkpoint directory: OWNER, replaced by rename. Rank 0 only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sauerkraut.storage.incarnation import Incarnation


class Ownership:
    """This incarnation's right to write; ended by a rival's name in OWNER."""

    directory: Path
    incarnation: Incarnation
    share: str | None

    @classmethod
    def take(
        cls,
        directory: Path,
        incarnation: Incarnation,
        *,
        take_over: str | None = None,
        wait: float = 60.0,
        share: str | None = None,
        say: Callable[[str], None] | None = None,
    ) -> Ownership:
        """Take the directory, made if it is not there, and fence what others were writing.

        Nothing has been decided about fenced attempts yet: call `roll_forward` next, also when
        the run starts afresh.

        Args:
            directory: The checkpoint directory.
            incarnation: This start of the job.
            take_over: Id of the incarnation that may be taken over though it may still live.
            wait: Seconds to wait for an owner on this host whose processes still end.
            share: None or "group": permissions of everything that is made.
            say: Told once, in a line, why the start waits.

        Raises:
            DirectoryOwned: another incarnation may still write; nothing was touched.
            Superseded: another incarnation took the directory at the same time.
            StorageError: the directory could not be read or written.
        """
        raise NotImplementedError

    def check(self) -> None:
        """Read OWNER anew; raises Superseded when it names another incarnation."""
        raise NotImplementedError

    def touch(self, longest_gap: float) -> None:
        """Show that the owner lives; call at consensus, at most every 10 s.

        Args:
            longest_gap: Longest time between two polls so far, in seconds.

        Raises:
            Superseded: OWNER names another incarnation.
            StorageError: OWNER could not be read or written.
        """
        raise NotImplementedError

    def release(self) -> None:
        """Write that anybody may take over, and close; for exit 85, the end, an error on all ranks.

        Never raises Superseded: an owner that was replaced has nothing to release.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Close without releasing."""
        raise NotImplementedError
