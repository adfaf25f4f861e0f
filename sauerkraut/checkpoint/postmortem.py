"""What a rank that fails leaves beside the epochs: its frames, for people to look at."""

from __future__ import annotations

import json
import os
import traceback
from datetime import UTC, datetime
from pathlib import Path

from sauerkraut.checkpoint.agreement import Failure
from sauerkraut.checkpoint.records import Epoch
from sauerkraut.checkpoint.reports import write_line
from sauerkraut.checkpoint.state import State
from sauerkraut.checkpoint.store import Store
from sauerkraut.storage import Array, Piece, Stream


def leave(store: Store, state: State, error: BaseException, last: Epoch | None) -> None:
    """Store the frames of ``error`` in a ``postmortem-N``, and say so. Not collective.

    Never raises an `Exception`: that nothing could be stored is told, too.

    Args:
        store: Where.
        state: Of this rank.
        error: What left the function given to ``run``.
        last: The epoch that was committed last.
    """
    try:
        path = _store(store, state, error, last)
    except Exception as problem:  # noqa: BLE001 - the error itself is what is to be seen
        write_line(f"no post-mortem was stored: {Failure.of(problem).text}")
    else:
        shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        write_line(f"post-mortem: sauerkraut inspect {shown}")


def _store(store: Store, state: State, error: BaseException, last: Epoch | None) -> Path:
    aftermath = state.aftermath(error)
    with aftermath.frozen as frozen:
        told = {
            "error": Failure.of(error).text,
            "traceback": "".join(traceback.format_exception(error)),
            "host": os.uname().nodename,
            "time": datetime.now(UTC).isoformat(),
        }
        streams = (
            Stream("postmortem", json.dumps(told).encode()),
            Stream("frames", aftermath.rows),
            Stream("objects", frozen.stream),
        )
        arrays = tuple(
            Array(f"arrays/{i}", each.memory, each.dtype, each.shape, each.path)
            for i, each in enumerate(frozen.blocks)
        )
        return store.leave_postmortem(Piece(state.rank, streams, arrays), state.about(), last)
