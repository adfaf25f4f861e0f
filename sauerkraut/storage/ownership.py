"""Who may write to a checkpoint directory: OWNER, replaced by rename. Rank 0 only.

Nothing but atomic rename is asked of the file system. A taker (a) puts its name into OWNER, (b)
renames every partial attempt of others to a fenced name, and (c) only then decides what becomes of
them. The old owner reads OWNER before it publishes; if it was stopped between that and its rename,
the directory it wants to rename is gone by (b), or the rename came before (b), and (c) sees it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from errno import EEXIST, ENOENT
from pathlib import Path
from typing import Self

from sauerkraut.errors import DirectoryOwned, StorageError
from sauerkraut.storage import disk, layout
from sauerkraut.storage import owner as owners
from sauerkraut.storage.disk import File
from sauerkraut.storage.incarnation import Incarnation
from sauerkraut.storage.layout import EpochName, Modes
from sauerkraut.storage.owner import Owner

_LOOK_AGAIN = 0.5


class Ownership:
    """This incarnation's right to write; ended by a rival's name in OWNER."""

    def __init__(self, directory: Path, owner: Owner, file: File, share: str | None) -> None:
        self.directory = directory
        self.incarnation = owner.incarnation
        self.share = share
        self._owner = owner
        self._file = file
        self._size = len(owner.encode())

    @property
    def modes(self) -> Modes:
        """Permissions of what is made in the directory."""
        return Modes.of(self.share)

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
    ) -> Self:
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
            DirectoryOwned: another incarnation may still write; nothing was changed.
            Superseded: another incarnation took the directory at the same time.
            StorageError: the directory could not be read or written.
        """
        modes = Modes.of(share)
        _make(directory, modes)
        mine = Owner(incarnation)
        private = directory / layout.private(layout.OWNER)
        file = File.create(private, modes.file)
        try:
            file.write(0, mine.encode())
            file.sync()
            try:
                _wait_until_free(directory, file, incarnation, take_over, wait, say)
            except DirectoryOwned:
                disk.unlink(private)
                raise
            _replace(private, directory)
        except BaseException:
            file.close()
            raise
        taken = cls(directory, mine, file, share)
        try:
            disk.sync_directory(directory)
            _fence(directory)
        except BaseException:
            taken._give_up()
            raise
        return taken

    def check(self) -> None:
        """Read OWNER anew; raises Superseded when it names another incarnation."""
        found = owners.read(self.directory)
        if found is None or found.incarnation.id != self.incarnation.id:
            raise owners.superseded(self.directory, found)

    def touch(self, longest_gap: float) -> None:
        """Show that the owner lives; call at consensus, at most every 10 s.

        Args:
            longest_gap: Longest time between two polls so far, in seconds.

        Raises:
            Superseded: OWNER names another incarnation.
            StorageError: OWNER could not be read or written.
        """
        self.check()
        # Through the descriptor: whoever has replaced OWNER meanwhile is not written over.
        touched = self._owner.touched(gap=longest_gap)
        if touched != self._owner:
            self._rewrite(touched)
        self._file.touch()

    def release(self) -> None:
        """Write that anybody may take over, and close; for exit 85, the end, an error on all ranks.

        Never raises Superseded: what is written goes to our own OWNER, replaced or not.
        """
        self._rewrite(Owner(self.incarnation, self._owner.longest_gap, released=True))
        self._file.sync()
        self._file.close()

    def close(self) -> None:
        """Close without releasing."""
        self._file.close()

    def _give_up(self) -> None:
        """Release as far as that can be done, so that the next start does not wait for this one."""
        try:
            self.release()
        except StorageError:
            self.close()

    def _rewrite(self, owner: Owner) -> None:
        self._file.write(0, owner.encode(self._size))
        self._owner = owner


def _make(directory: Path, modes: Modes) -> None:
    missing = []
    path = directory.absolute()
    while not _is_there(path):
        missing.append(path)
        path = path.parent
    for path in reversed(missing):
        try:
            disk.make_directory(path, modes.directory)
        except StorageError as error:
            if error.errno != EEXIST:
                raise
        disk.sync_directory(path.parent)


def _is_there(path: Path) -> bool:
    try:
        disk.status(path)
    except StorageError as error:
        if error.errno != ENOENT:
            raise
        return False
    return True


def _wait_until_free(
    directory: Path,
    file: File,
    incarnation: Incarnation,
    take_over: str | None,
    wait: float,
    say: Callable[[str], None] | None,
) -> None:
    deadline, said = time.monotonic() + wait, False
    while True:
        owner = owners.read(directory)
        if owner is None or owners.why_free(owner, incarnation, take_over) is not None:
            return
        if not owners.is_seen_alive(owner) and _is_quiet(directory, file, owner):
            return
        if not owners.may_be_leaving(owner) or time.monotonic() >= deadline:
            raise owners.refusal(directory, owner)
        if say is not None and not said:
            first, said = owner.incarnation.processes[0], True
            say(
                f"{directory} belongs to a run on this host (pid {first.pid}) that has not ended: "
                f"waiting for it, {wait:.0f} s at most"
            )
        time.sleep(min(_LOOK_AGAIN, wait))


def _is_quiet(directory: Path, file: File, owner: Owner) -> bool:
    """Whether OWNER was not touched for long, by the clock of the file system itself."""
    file.touch()
    now = file.status().st_mtime
    try:
        touched = disk.status(directory / layout.OWNER).st_mtime
    except StorageError as error:
        if disk.is_missing(error):
            return False
        raise
    return now - touched > max(owners.QUIET, owners.GAPS * owner.longest_gap)


def _replace(private: Path, directory: Path) -> None:
    try:
        disk.rename(private, directory / layout.OWNER)
    except StorageError as error:
        if disk.is_missing(error):  # a rival swept it: it owns the directory
            raise owners.superseded(directory, owners.read(directory)) from error
        raise


def _fence(directory: Path) -> None:
    """Take every attempt that others were writing out of their reach; all they do goes by name."""
    for name in disk.names(directory):
        epoch = EpochName.parse(name)
        if epoch is None or epoch.state != "partial" or not disk.is_directory(directory / name):
            continue
        try:
            disk.rename(
                directory / name, directory / str(EpochName(epoch.number, "fenced", epoch.id))
            )
        except StorageError as error:
            if not disk.is_missing(error):  # published or discarded by its writer just now
                raise
