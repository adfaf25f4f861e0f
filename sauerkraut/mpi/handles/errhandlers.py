"""Error handlers: predefined ones by name, those of the program by the function they call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mpi4py import MPI

from sauerkraut.mpi.handles import callbacks
from sauerkraut.mpi.handles.memory import another
from sauerkraut.objects.freezing import Reduced, refuse

_PREDEFINED = ("ERRORS_RETURN", "ERRORS_ARE_FATAL", "ERRORS_ABORT")
_OWN = "set it again in on_restart: this mpi4py does not show which function it calls"

_kept: dict[int, tuple[Callable[..., Any], MPI.Intracomm]] = {}
"""By the id of a function: that, and a communicator that keeps the error handler for it."""

Description = str | Callable[[Any, int], Any]
"""The name of a predefined error handler, or the function of the program."""


def description_of(comm: MPI.Comm) -> Description:
    """What to write of the error handler of a communicator.

    Raises:
        CaptureError: its function cannot be found.
    """
    handler = comm.Get_errhandler()
    name = next((name for name in _PREDEFINED if handler == getattr(MPI, name, None)), None)
    if name is not None:
        return name
    handler.Free()
    function = callbacks.function_of_errhandler(comm)
    if function is None:
        raise refuse(comm, f"it has an error handler of the program's own: {_OWN}")
    return function


def set_on(comm: MPI.Comm, description: Description) -> None:
    """Give a communicator that error handler."""
    if isinstance(description, str):
        comm.Set_errhandler(getattr(MPI, description))
    else:
        handler = _calling(description)
        comm.Set_errhandler(handler)
        handler.Free()


def reduce(handler: MPI.Errhandler, _: object) -> Reduced:
    """What is written of one that is not predefined.

    Raises:
        CaptureError: it is one of windows or files, or its function cannot be found.
    """
    own = MPI.COMM_SELF.Dup()
    try:
        own.Set_errhandler(handler)
        function = callbacks.function_of_errhandler(own)
    except MPI.Exception as error:
        raise refuse(handler, "only those of communicators come back") from error
    finally:
        own.Free()
    if function is None:
        raise refuse(handler, _OWN)
    return (make, (type(handler), function))


def make(cls: Any, function: Callable[[Any, int], Any]) -> Any:
    """An error handler for communicators, with this function."""
    return another(cls, _calling(function))


def _calling(function: Callable[[Any, int], Any]) -> MPI.Errhandler:
    """The error handler for this function, to be freed: mpi4py has room for few, and for good."""
    if id(function) not in _kept:
        made = MPI.Comm.Create_errhandler(function)
        own = MPI.COMM_SELF.Dup()
        own.Set_errhandler(made)
        made.Free()
        _kept[id(function)] = (function, own)
    return _kept[id(function)][1].Get_errhandler()
