"""What the user hung on a handle: attributes by keyval, and hints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mpi4py import MPI

from sauerkraut.errors import ResumeError

_KEYVALS: dict[str, dict[int, Any]] = vars(MPI)["_keyval_registry"]
TRIES = 64  # keyvals made and freed again until one has the number that the program knows


@dataclass(frozen=True)
class Keyval:
    """A keyval of the program, and the value that a handle has for it."""

    number: int
    copy: Callable[..., Any] | bool | None
    delete: Callable[..., Any] | bool | None
    plain: bool
    value: Any


def attributes_by_keyval(family: str, handle: Any) -> list[Keyval]:
    """The attributes that mpi4py set on a handle of a family: Comm, Datatype or Win."""
    found = []
    for number, known in list(_KEYVALS[family].items()):
        value = handle.Get_attr(number)
        if value is not None:
            plain = bool(known.nopython)
            found.append(Keyval(number, known.copy_fn, known.delete_fn, plain, value))
    return found


def set_attributes(family: str, handle: Any, attributes: list[Keyval]) -> None:
    """Set them on a handle that was made again.

    Raises:
        ResumeError: a keyval of the program has another number here.
    """
    for each in attributes:
        handle.Set_attr(_keyval(family, each), each.value)


def _keyval(family: str, wanted: Keyval) -> int:
    """The keyval of this number, made if it is not there: the program knows it by that."""
    registry = _KEYVALS[family]
    known = registry.get(wanted.number)
    if known is not None:
        here = (known.copy_fn, known.delete_fn, bool(known.nopython))
        if here == (wanted.copy, wanted.delete, wanted.plain):
            return wanted.number
        raise ResumeError(
            f"keyval {wanted.number} of the epoch is one with other functions here: make keyvals "
            "in the same order in every start"
        )
    cls = getattr(MPI, family)
    spare = []
    try:
        for _ in range(TRIES):
            made: int = cls.Create_keyval(wanted.copy, wanted.delete, nopython=wanted.plain)
            if made == wanted.number:
                return made
            spare.append(made)
    finally:
        for number in spare:
            cls.Free_keyval(number)
    raise ResumeError(
        f"keyval {wanted.number} of the epoch cannot be had here: make keyvals before run"
    )


def info_of(handle: Any) -> dict[str, str]:
    """The hints of a communicator, window or file."""
    info = handle.Get_info()
    try:
        return dict(info.items())
    finally:
        info.Free()


def missing_hints(handle: Any, hints: dict[str, str]) -> dict[str, str]:
    """Those of the hints that a handle does not have, and that this MPI has room for."""
    here = info_of(handle)
    return {
        key: value
        for key, value in hints.items()
        if here.get(key) != value and len(key) < MPI.MAX_INFO_KEY and len(value) < MPI.MAX_INFO_VAL
    }


def set_hints(handle: Any, hints: dict[str, str]) -> None:
    """Give a handle hints; collective over its members."""
    info = MPI.Info.Create(hints)
    handle.Set_info(info)
    info.Free()
