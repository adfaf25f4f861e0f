"""Named byte streams and typed arrays per rank, in epochs that are committed atomically.

The steps of one rank. Who takes which when, and the agreement of the ranks between them, is
`sauerkraut.checkpoint`'s. Nothing here knows frames, objects or MPI.
"""

from __future__ import annotations

from sauerkraut.storage import catalog, dtypes, events, layout, postmortem, tiling
from sauerkraut.storage.catalog import Completion, Entry, Finding
from sauerkraut.storage.commit import begin, finish, publish
from sauerkraut.storage.data import Data, StoredArray, open  # noqa: A004 - storage.open(DIR)
from sauerkraut.storage.epoch import About, Attempt, Epoch, Manifest, Seal
from sauerkraut.storage.incarnation import Incarnation, Process
from sauerkraut.storage.ownership import Ownership
from sauerkraut.storage.piece import Array, Piece, Place, Stream
from sauerkraut.storage.pruning import discard, prune, reopen, set_aside_damaged, start_over, sweep
from sauerkraut.storage.rollforward import roll_forward
from sauerkraut.storage.shard import Shard, write
from sauerkraut.storage.trust import Trust

__all__ = [
    "About",
    "Array",
    "Attempt",
    "Completion",
    "Data",
    "Entry",
    "Epoch",
    "Finding",
    "Incarnation",
    "Manifest",
    "Ownership",
    "Piece",
    "Place",
    "Process",
    "Seal",
    "Shard",
    "StoredArray",
    "Stream",
    "Trust",
    "begin",
    "catalog",
    "discard",
    "dtypes",
    "events",
    "finish",
    "layout",
    "open",
    "postmortem",
    "prune",
    "publish",
    "reopen",
    "roll_forward",
    "set_aside_damaged",
    "start_over",
    "sweep",
    "tiling",
    "write",
]
