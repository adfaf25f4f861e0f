"""Where in its program a task stands that does not run."""

from __future__ import annotations

import os
from types import CodeType, FrameType

import sauerkraut
from sauerkraut.mpi.tasks.task import Resident

_OURS = os.path.dirname(sauerkraut.__file__) + os.sep  # noqa: PTH120 - as in file names of code


def of(resident: Resident) -> str:
    """Say file, line and function of its innermost frame of the program; nothing without one."""
    frame: FrameType | None = None
    if resident.greenlet is not None:
        frame = resident.greenlet.gr_frame
    while frame is not None:
        if not _is_ours(frame.f_code):
            return _said(frame.f_code, frame.f_lineno)
        frame = frame.f_back
    if resident.arrived is not None:  # it has not run here yet
        stack = resident.arrived.stack
        for index in reversed(range(len(stack))):
            if not _is_ours(stack.code(index)):
                return _said(stack.code(index), stack.line(index))
    return ""


def _is_ours(code: CodeType) -> bool:
    return code.co_filename.startswith(_OURS)


def _said(code: CodeType, line: int) -> str:
    return f" at {code.co_filename}:{line} in {code.co_qualname}()"
