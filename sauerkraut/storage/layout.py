"""Names and modes on disk; nothing else in the package spells them.

::

    OWNER                               the incarnation that may write here
    COMPLETE                            names the last epoch of a finished run
    events.jsonl                        what happened, for people
    request-<id>                        somebody asks for a checkpoint
    epoch-00000042/                     committed
        manifest.h5  shard-00000.h5 ...
    epoch-00000043.partial-<attempt>/   being written
    epoch-00000043.fenced-<attempt>/    left by an incarnation that was taken over
    epoch-00000041.damaged-<id>/        its bytes are wrong; never chosen again
    epoch-00000040.trash-<id>/          about to be unlinked
    postmortem-3/                       what a rank that failed left, for people
    <name>.new-<id>                     a file before its rename to <name>
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

OWNER = "OWNER"
COMPLETE = "COMPLETE"
EVENTS = "events.jsonl"
MANIFEST = "manifest.h5"
ARRAYS = "arrays"
"""Group of the manifest that shows arrays of which ranks stored blocks."""

LARGEST = 10**18 - 1
"""Epoch number; HDF5 takes no number beyond 64 bits."""

State = Literal["committed", "partial", "fenced", "damaged", "trash"]

_EPOCH = re.compile(
    r"epoch-(?P<number>[0-9]{8}|[1-9][0-9]{8,17})(\.(?P<state>partial|fenced|damaged|trash)-(?P<id>[0-9a-f]{32}))?"
)
_TRASH = re.compile(rf"{COMPLETE}\.trash-[0-9a-f]{{32}}")
_REQUEST = re.compile(r"request-(?P<id>[0-9A-Za-z]{1,64})")
_POSTMORTEM = re.compile(r"postmortem-(?P<number>[1-9][0-9]{0,17})")
_SHARD = re.compile(r"shard-(?P<rank>[0-9]{5,})\.h5")
_PRIVATE = re.compile(
    rf"({OWNER}|{COMPLETE}|{MANIFEST}|request-[0-9A-Za-z]{{1,64}})\.new-[0-9a-f]{{32}}"
)


@dataclass(frozen=True, slots=True)
class EpochName:
    """A directory name that speaks of an epoch."""

    number: int
    state: State
    id: str | None = None
    """32 hexadecimal digits; of a partial or fenced name the attempt's. None: committed."""

    def __str__(self) -> str:
        return f"epoch-{self.number:08d}" + ("" if self.id is None else f".{self.state}-{self.id}")

    @classmethod
    def parse(cls, name: str) -> EpochName | None:
        """Read a name; None for one that is not ours, which is left alone."""
        match = _EPOCH.fullmatch(name)
        if match is None:
            return None
        state = cast("State", match["state"] or "committed")
        return cls(int(match["number"]), state, match["id"])


def new_id() -> str:
    """Random 128 bits as 32 hexadecimal digits: attempts, incarnations, private names."""
    return os.urandom(16).hex()


def shard(rank: int) -> str:
    """File name of the shard that holds ``rank``."""
    return f"shard-{rank:05d}.h5"


def rank_group(rank: int) -> str:
    """Path inside HDF5 of what ``rank`` stored, in its shard and through the manifest."""
    return f"ranks/{rank:05d}"


def private(name: str) -> str:
    """Return a name under which a file is written before its rename to ``name``."""
    return f"{name}.new-{new_id()}"


def request(request_id: str) -> str:
    """File name of a request."""
    return f"request-{request_id}"


def request_id(name: str) -> str | None:
    """Id of the request that has that file name; None for another file."""
    match = _REQUEST.fullmatch(name)
    return None if match is None else match["id"]


def postmortem(number: int) -> str:
    """Directory name of a post-mortem."""
    return f"postmortem-{number}"


def postmortem_number(name: str) -> int | None:
    """Number of the post-mortem that has that name; None for another directory."""
    match = _POSTMORTEM.fullmatch(name)
    return None if match is None else int(match["number"])


def is_of_run(name: str) -> bool:
    """Whether ``name`` is one that we give to what lies beside the epochs."""
    if name in (OWNER, COMPLETE, EVENTS) or is_trash(name) or is_private(name):
        return True
    return request_id(name) is not None or postmortem_number(name) is not None


def is_private(name: str) -> bool:
    """Whether ``name`` is a left-over of `private`."""
    return _PRIVATE.fullmatch(name) is not None


def is_of_epoch(name: str) -> bool:
    """Whether ``name`` is one that we give to files inside an epoch's directory."""
    return is_shard(name) or name == MANIFEST or is_private(name)


def is_shard(name: str) -> bool:
    """Whether ``name`` is that of a rank's file."""
    return _SHARD.fullmatch(name) is not None


def shard_rank(name: str) -> int:
    """Rank whose shard has that file name; 0 for another file."""
    match = _SHARD.fullmatch(name)
    return 0 if match is None else int(match["rank"])


def is_trash(name: str) -> bool:
    """Whether ``name`` waits to be unlinked."""
    epoch = EpochName.parse(name)
    return _TRASH.fullmatch(name) is not None or (epoch is not None and epoch.state == "trash")


def trash(path: Path) -> Path:
    """Return the name under which ``path`` waits to be unlinked."""
    epoch = EpochName.parse(path.name)
    stem = path.name if epoch is None else str(EpochName(epoch.number, "committed"))
    return path.with_name(f"{stem}.trash-{new_id()}")


@dataclass(frozen=True, slots=True)
class Modes:
    """Permissions of what is created."""

    directory: int
    file: int

    @classmethod
    def of(cls, share: str | None) -> Modes:
        """0700 and 0600, or with ``share="group"`` 0750 and 0640.

        Raises:
            ValueError: ``share`` is neither None nor "group".
        """
        if share not in (None, "group"):
            raise ValueError(f'share={share!r}: None or "group"')
        return cls(0o700, 0o600) if share is None else cls(0o750, 0o640)
