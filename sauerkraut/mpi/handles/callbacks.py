"""Python functions that mpi4py keeps for MPI: those of reductions and of error handlers.

mpi4py shows neither. It keeps them in lists, which are found by a function put there for it; where
that does not succeed, such objects are refused. The place of a reduction's function is in the upper
bits of its flags, which lie behind the handle (the struct is public, in ``mpi4py.MPI.h``). That of
an error handler is known to MPI alone: the handler is called, with a list that only notes where.
"""

from __future__ import annotations

import ctypes
import functools
import gc
from collections.abc import Callable
from typing import Any

from mpi4py import MPI

_SHIFT = 24
_FLAGS = ctypes.sizeof(ctypes.c_uint)


def function_of_op(op: MPI.Op) -> Callable[..., Any] | None:
    """The function of a reduction; None where it cannot be had."""
    found: Callable[..., Any] | None = _entry(_registry_of_ops(), op)
    return found


@functools.cache
def _registry_of_ops() -> list[Any] | None:
    """The list that keeps the functions of reductions; None: it is not as we know it."""

    def probe(x: Any, y: Any, _: Any) -> Any:  # never called
        return x, y

    try:
        op = MPI.Op.Create(probe)
    except (RuntimeError, MPI.Exception):  # all places are taken
        return None
    try:
        for each in gc.get_referrers(probe):
            if type(each) is list and _entry(each, op) is probe:
                return each
        return None
    finally:
        op.Free()


def function_of_errhandler(comm: MPI.Comm) -> Callable[..., Any] | None:
    """The function that a communicator's error handler calls; None where it cannot be had."""
    registry = _registry_of_errhandlers()
    if registry is None:
        return None
    functions = list(registry)
    called: list[int] = []
    try:
        for place in range(1, len(registry)):
            registry[place] = functools.partial(_note, called, place)
        comm.Call_errhandler(MPI.ERR_OTHER)
    finally:
        registry[:] = functions
    return functions[called[0]] if len(called) == 1 else None


def _note(called: list[int], place: int, *_: object) -> None:
    called.append(place)


@functools.cache
def _registry_of_errhandlers() -> list[Any] | None:
    """The list that keeps the functions of communicators' error handlers."""

    def probe(_comm: MPI.Comm, _code: int) -> None:  # never called
        return

    try:
        handler = MPI.Comm.Create_errhandler(probe)
    except (RuntimeError, MPI.Exception):  # all places are taken
        return None
    handler.Free()  # its place stays taken: mpi4py keeps the function for good
    found = [each for each in gc.get_referrers(probe) if type(each) is list and len(each) > 1]
    return found[0] if len(found) == 1 and found[0][0] is None else None


def _entry(registry: list[Any] | None, handle: Any) -> Any:
    if registry is None:
        return None
    place = _place(handle)
    return registry[place] if 0 < place < len(registry) else None


def _place(handle: Any) -> int:
    """The place of its function that an object of mpi4py carries."""
    behind = MPI._addressof(handle) + MPI._sizeof(handle)
    flags = ctypes.c_uint.from_address((behind + _FLAGS - 1) // _FLAGS * _FLAGS).value
    return flags >> _SHIFT
