"""The file OWNER: what it says, and whether another incarnation may take over from it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sauerkraut.errors import DirectoryOwned, StorageError, Superseded
from sauerkraut.nonsense import NONSENSE
from sauerkraut.storage import disk, layout
from sauerkraut.storage.incarnation import Incarnation, Process

_ROOM = 512
"""OWNER is padded to a multiple of this: its owner rewrites it in place, through its descriptor."""
QUIET = 300.0
"""Seconds without a touch after which an owner counts as gone ..."""
GAPS = 10
"""... or so many of its longest gaps between polls, if that is longer."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Content of OWNER."""

    incarnation: Incarnation
    longest_gap: float = 0.0
    """Longest time between two of its polls, in seconds."""
    released: bool = False
    """It left in good order: anybody may take over."""

    def encode(self, size: int = 0) -> bytes:
        """Return JSON padded with spaces to ``size`` bytes, or to a size that leaves room."""
        first = self.incarnation.processes[0]
        text = json.dumps(
            {
                "incarnation": self.incarnation.id,
                "host": first.host,
                "boot_id": first.boot_id,
                "pid_namespace": first.pid_namespace,
                "processes": [[p.pid, p.start_time] for p in self.incarnation.processes],
                "job_id": self.incarnation.job_id,
                "restart_count": self.incarnation.restart_count,
                "supervisor": self.incarnation.supervisor,
                "longest_gap": round(self.longest_gap, 3),
                "released": self.released,
            },
            indent=1,
        ).encode()
        size = size or -(-(len(text) + 64) // _ROOM) * _ROOM
        return text.ljust(size - 1) + b"\n"

    @classmethod
    def decode(cls, text: bytes) -> Owner:
        """Read what `encode` returned; ValueError, KeyError or TypeError when it is not that."""
        values: dict[str, Any] = json.loads(text)
        if not values["processes"]:
            raise ValueError("an owner without a process")
        where = str(values["host"]), str(values["boot_id"]), str(values["pid_namespace"])
        return cls(
            Incarnation(
                id=str(values["incarnation"]),
                processes=tuple(
                    Process(*where, int(pid), int(start)) for pid, start in values["processes"]
                ),
                job_id=values["job_id"],
                restart_count=int(values["restart_count"]),
                supervisor=values["supervisor"],
            ),
            float(values["longest_gap"]),
            bool(values["released"]),
        )

    def touched(self, *, gap: float) -> Owner:
        """Return it with a longest gap of at least ``gap``."""
        return replace(self, longest_gap=max(self.longest_gap, gap))


def read(directory: Path) -> Owner | None:
    """Read OWNER anew, by opening it; None when there is none.

    Raises:
        DirectoryOwned: it is there, and does not parse.
        StorageError: it could not be read.
    """
    path = directory / layout.OWNER
    for attempt in range(5):  # its owner may be rewriting it
        try:
            return Owner.decode(disk.read_bytes(path))
        except StorageError as error:
            if not disk.is_missing(error):
                raise
            return None
        except NONSENSE:
            time.sleep(0.01 * 2**attempt)
    raise DirectoryOwned(
        f"{path} cannot be read as an owner: if no run uses the directory, remove that file"
    )


def why_free(owner: Owner, incarnation: Incarnation, take_over: str | None) -> str | None:
    """Say why ``incarnation`` may take over from ``owner``; None when it may not by its content."""
    theirs = owner.incarnation
    if owner.released:
        return "it was released"
    if theirs.id == take_over:
        return "asked to"
    if (
        theirs.job_id is not None
        and theirs.job_id == incarnation.job_id
        and theirs.restart_count < incarnation.restart_count
    ):
        return "an earlier start of this job"
    if theirs.supervisor is not None and theirs.supervisor == incarnation.supervisor:
        return "an earlier start by this supervisor"
    if all(process.is_gone() for process in theirs.processes):
        return "its processes are gone"
    return None


def may_be_leaving(owner: Owner) -> bool:
    """Whether it lives on this host, so that its end can be waited for and seen."""
    return all(process.is_gone() is not None for process in owner.incarnation.processes)


def is_seen_alive(owner: Owner) -> bool:
    """Whether one of its processes runs on this host, however long it has been quiet."""
    return any(process.is_gone() is False for process in owner.incarnation.processes)


def refusal(directory: Path, owner: Owner) -> DirectoryOwned:
    """Build the error that names the owner and the way out."""
    theirs = owner.incarnation
    job = f", job {theirs.job_id}" if theirs.job_id is not None else ""
    return DirectoryOwned(
        f"{directory} belongs to a run that may still write: {theirs.processes[0].host}, "
        f"pid {theirs.processes[0].pid}{job}; if it has ended: SAUERKRAUT_TAKE_OVER={theirs.id}"
    )


def superseded(directory: Path, found: Owner | None) -> Superseded:
    """Build the error of an incarnation that is no longer the owner."""
    if found is None:
        return Superseded(f"{directory} has lost its OWNER file, so this run must not write there")
    theirs = found.incarnation
    return Superseded(
        f"{directory} was taken over by {theirs.processes[0].host}, pid {theirs.processes[0].pid}"
        + (f", job {theirs.job_id}" if theirs.job_id is not None else "")
    )


def explained(directory: Path, incarnation: str, error: StorageError) -> StorageError:
    """Tell a name that is gone because a rival fenced it from a plain failure."""
    if disk.is_missing(error):
        found = read(directory)
        if found is None or found.incarnation.id != incarnation:
            return superseded(directory, found)
    return error
