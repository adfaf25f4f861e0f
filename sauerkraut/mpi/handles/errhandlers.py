"""Error handlers: predefined ones by name."""

from __future__ import annotations

from typing import Any

from mpi4py import MPI

from sauerkraut.mpi.handles.attributes import name_of_errhandler
from sauerkraut.objects.freezing import Reduced, refuse

_OWN = "set it again in on_restart: a handler does not tell which Python function it calls"


def description_of(handle: Any) -> str:
    """What to write of the error handler of a communicator, window or file.

    Raises:
        CaptureError: it is a function of the program.
    """
    handler = handle.Get_errhandler()
    name = name_of_errhandler(handler)
    if name is None:
        handler.Free()
        raise refuse(handle, f"it has an error handler of the program's own: {_OWN}")
    return name


def set_on(handle: Any, description: str) -> None:
    """Give a handle that error handler."""
    handle.Set_errhandler(getattr(MPI, description))


def reduce(handler: MPI.Errhandler, _: object) -> Reduced:
    """What is written of one that is not predefined."""
    raise refuse(handler, _OWN)
