"""What a checkpoint would meet here, found before hours are spent."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from types import FrameType
from typing import NamedTuple, NoReturn

from sauerkraut.checkpoint import leaving
from sauerkraut.checkpoint.checkpointer import Checkpointer
from sauerkraut.checkpoint.state import State
from sauerkraut.errors import CaptureError
from sauerkraut.group import Handles

MOST = 20
"""Refusals that are told; each costs another attempt."""

_LOCAL = re.compile(r"local '([^']*)'")
_GLOBAL = re.compile(r"the globals -> item '[^']*' -> item '([^']*)'")


class Found(NamedTuple):
    """What a checkpoint of this rank would meet."""

    refused: list[str]
    """A line for each variable that cannot be captured."""
    copied: list[str]
    """Globals of installed packages of which the restarted program has copies."""
    nbytes: int
    """Of the checkpoint; 0 when it never succeeded."""


Report = Callable[[FrameType, dict[int, Found]], int]
"""Tells, on rank 0, where the ranks are and what was found on each; the exit status."""


def at_first_safepoint(checkpointer: Checkpointer, report: Report) -> Callable[[], NoReturn]:
    """What safepoints call in a dry run: it looks at the stack, reports, and ends the job.

    Collective. Nothing is stored, and no frame of the program is unwound.
    """

    def look() -> NoReturn:
        run = checkpointer.inside("dry run")
        frame = sys._getframe(1)
        found = run.group.allgather(look_at(run.state, frame, run.group.handles))
        status = 0
        if run.group.rank == 0:
            status = report(frame, dict(enumerate(found)))
        leaving.leave(run.group, run.group.bcast(status))

    return look


def look_at(state: State, frame: FrameType, handles: Callable[[], Handles | None]) -> Found:
    """Why variables of the stack from ``frame`` outwards cannot be captured, or not as they are.

    What is named once is left out of the next attempt, so that all of them are found.
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
        return Found(found, state.packages_reached(frame, handles(), left_out), size)
    return Found(found, [], 0)


def _names(message: str) -> set[str]:
    """The variable that a message names last, before the way into its value."""
    found = _GLOBAL.findall(message) or _LOCAL.findall(message)
    return set(found[-1:])
