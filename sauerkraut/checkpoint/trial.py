"""What a checkpoint would meet here, found before hours are spent."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from sauerkraut.checkpoint import leaving
from sauerkraut.checkpoint.checkpointer import Checkpointer
from sauerkraut.checkpoint.state import State
from sauerkraut.errors import CaptureError
from sauerkraut.group import Handles

MOST = 20
"""Refusals that are told; each costs another attempt."""

_LOCAL = re.compile(r"local '([^']*)'")
_GLOBAL = re.compile(r"the globals -> item '[^']*' -> item '([^']*)'")


Report = Callable[[FrameType, dict[int, tuple[list[str], int]]], int]
"""Tells, on rank 0, where the ranks are and what `refusals` returned on each; the exit status."""


def at_first_safepoint(checkpointer: Checkpointer, report: Report) -> Callable[[], NoReturn]:
    """What safepoints call in a dry run: it looks at the stack, reports, and ends the job.

    Collective. Nothing is stored, and no frame of the program is unwound.
    """

    def look() -> NoReturn:
        run = checkpointer.inside("dry run")
        frame = sys._getframe(1)
        found = run.group.allgather(refusals(run.state, frame, run.group.handles))
        status = 0
        if run.group.rank == 0:
            status = report(frame, dict(enumerate(found)))
        leaving.leave(run.group, run.group.bcast(status))

    return look


def refusals(
    state: State, frame: FrameType, handles: Callable[[], Handles | None]
) -> tuple[list[str], int]:
    """Why variables of the stack from ``frame`` outwards cannot be captured.

    What is named once is left out of the next attempt, so that all of them are found.

    Returns:
        A line for each, and the bytes of a checkpoint of this rank (0 when it never succeeded).
    """
    found: list[str] = []
    left_out: set[str] = set()
    while len(found) < MOST:
        try:
            captured = state.capture(frame, handles(), left_out)
        except CaptureError as error:
            found.append(str(error))
            names = _names(str(error))
            if not names - left_out:
                break
            left_out |= names
            continue
        size = captured.piece.nbytes
        captured.release()
        return found, size
    return found, 0


def _names(message: str) -> set[str]:
    """The variable that a message names last, before the way into its value."""
    found = _GLOBAL.findall(message) or _LOCAL.findall(message)
    return set(found[-1:])
