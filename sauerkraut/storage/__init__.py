"""Named byte streams and typed arrays per rank, in epochs that are committed atomically.

The steps of one rank. Who takes which when, and the agreement of the ranks between them, is
`sauerkraut.checkpoint`'s. Nothing here knows frames, objects or MPI.
"""

from __future__ import annotations

from sauerkraut.storage import catalog, events, layout, postmortem
from sauerkraut.storage.catalog import Completion, Entry, Finding
from sauerkraut.storage.commit import begin, finish, publish
from sauerkraut.storage.epoch import About, Attempt, Epoch, Manifest, Seal
from sauerkraut.storage.incarnation import Incarnation, Process
from sauerkraut.storage.ownership import Ownership
from sauerkraut.storage.piece import Array, Piece, Stream
from sauerkraut.storage.pruning import discard, prune, reopen, set_aside_damaged, start_over, sweep
from sauerkraut.storage.rollforward import roll_forward
from sauerkraut.storage.shard import Shard, write
from sauerkraut.storage.trust import Trust

__all__ = [
    "About",
    "Array",
    "Attempt",
    "Completion",
    "Entry",
    "Epoch",
    "Finding",
    "Incarnation",
    "Manifest",
    "Ownership",
    "Piece",
    "Process",
    "Seal",
    "Shard",
    "Stream",
    "Trust",
    "begin",
    "catalog",
    "discard",
    "events",
    "finish",
    "layout",
    "postmortem",
    "prune",
    "publish",
    "reopen",
    "roll_forward",
    "set_aside_damaged",
    "start_over",
    "sweep",
    "write",
]
