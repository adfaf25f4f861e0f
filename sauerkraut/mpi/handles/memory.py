"""The MPI handle inside an object of mpi4py: looked at, and given to an object that is there."""

from __future__ import annotations

import ctypes
from typing import Any, TypeVar

from mpi4py import MPI

T = TypeVar("T")


def base_of(cls: type) -> Any:
    """The class of mpi4py whose ``__new__`` makes objects of ``cls``.

    Of several bases that is not always the first in the order of look-up: ``pkl5.Intracomm``, of
    ``pkl5.Comm`` and ``Intracomm``, is made as a ``Comm``.
    """
    base = cls
    while base.__module__ != MPI.__name__ and base.__base__ is not None:
        base = base.__base__
    return base


def empty(cls: type[T]) -> T:
    """An object of ``cls`` with a null handle; nothing of the user's runs."""
    made: T = base_of(cls).__new__(cls)
    return made


def another(cls: type[T], first: object) -> T:
    """Another object of ``cls`` with the handle of ``first``, and what mpi4py keeps beside it."""
    made: T = base_of(cls).__new__(cls, first)
    return made


def give(shell: Any, made: Any) -> None:
    """Let ``shell`` have the handle of ``made``, an object of the same family."""
    # What mpi4py shows these two for: the place of a handle that C code is to fill.
    ctypes.memmove(MPI._addressof(shell), MPI._addressof(made), MPI._sizeof(made))


def is_named(handle: Any) -> bool:
    """Whether a handle is predefined or null, so that any process has it by name."""
    try:
        reduced = handle.__reduce__()
    except ValueError:  # what mpi4py says of all others
        return False
    return isinstance(reduced, str) or reduced[1][0] is type(handle)


def attributes_of(handle: Any) -> dict[str, Any] | None:
    """Attributes of an instance of a user's own class; None: there are none."""
    return getattr(handle, "__dict__", None) or None
