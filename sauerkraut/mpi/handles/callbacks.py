"""Python functions that mpi4py keeps for MPI: those of reductions and of error handlers.

mpi4py shows neither. It keeps them in lists, at a place that an object carries in the upper bits of
its flags, which lie behind the handle (the struct is public, in ``mpi4py.MPI.h``). Whether that is
so here is found out by an object made for it; where not, such objects are refused.
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
