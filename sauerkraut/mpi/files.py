"""Files of MPI that a restart can open again.

MPI does not tell which file a handle was opened on. So from the first Checkpointer over ranks on,
``MPI.File`` notes how it is opened, and used. Files that are opened before that are to be of the
class here: ``sauerkraut.mpi.files.File.Open(comm, "out.dat", amode)``.
"""

from __future__ import annotations

import functools
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from mpi4py import MPI

from sauerkraut.mpi import noting


@dataclass
class Opening:
    """How a file was opened, and what MPI does not tell of what happened to it since."""

    path: str
    """Absolute; as it was given where it is no plain one (``ufs:out.dat``)."""
    amode: int
    hints: dict[str, str]
    """Those given, not those that MPI added."""
    key: str
    """The same on all members, and of no other file."""
    shared_start: int
    """Where the shared position is as long as this file does not use it, in etypes."""
    shared: bool = False
    """Whether this rank has used the shared position."""


class File(MPI.File):
    """A file of MPI that remembers how it was opened, and so comes back after a restart."""

    __slots__ = ("opening",)
    opening: Opening

    def __new__(cls, file: MPI.File | None = None) -> Self:
        """An object for no file, or another one for the same."""
        made = super().__new__(cls, file)
        if file is not None and (known := opening_of(file)) is not None:
            made.opening = known
        return made


_openings: noting.Notes[MPI.File, Opening] = noting.Notes()


def remember(file: MPI.File, opening: Opening) -> None:
    """Note how ``file`` was opened."""
    if isinstance(file, File):
        file.opening = opening
    else:
        _openings.remember(file, opening)


def opening_of(file: MPI.File) -> Opening | None:
    """How ``file`` was opened; None: nobody noted it."""
    if not file:  # closed
        return None
    found: Opening | None = getattr(file, "opening", None)
    return _openings.of(file) if found is None else found


def _noting_open(plain: Any) -> Any:
    """``Open`` that notes how it was called; one ``bcast`` more."""

    @functools.wraps(plain.__get__(None, MPI.File))
    def method(
        cls: type[MPI.File],
        comm: MPI.Intracomm,
        filename: os.PathLike[Any] | str | bytes,
        amode: int = MPI.MODE_RDONLY,
        info: MPI.Info = MPI.INFO_NULL,
    ) -> MPI.File:
        made: MPI.File = plain.__get__(None, cls)(comm, filename, amode, info)
        given = os.fsdecode(filename)
        path = Path(given).absolute()
        opening = Opening(
            str(path) if path.exists() else given,
            amode,
            dict(info.items()) if info else {},
            comm.bcast(uuid.uuid4().hex),
            0 if amode & MPI.MODE_SEQUENTIAL else made.Get_position(),
        )
        remember(made, opening)
        return made

    return classmethod(method)


def _noting_view(plain: Callable[..., None]) -> Callable[..., None]:
    """``Set_view``, which sets both positions to 0."""

    @functools.wraps(plain)
    def method(self: MPI.File, *args: Any, **kwargs: Any) -> None:
        plain(self, *args, **kwargs)
        if (opening := opening_of(self)) is not None:
            opening.shared_start = 0

    return method


def _telling_amode(plain: Callable[[MPI.File], int]) -> Callable[[MPI.File], int]:
    """``Get_amode`` as it was opened: a restart leaves out what would make or move the file."""

    @functools.wraps(plain)
    def method(self: MPI.File) -> int:
        opening = opening_of(self)
        return plain(self) if opening is None else opening.amode

    return method


def _noting_use(plain: Callable[..., Any]) -> Callable[..., Any]:
    """A method that notes the use of the shared position, which costs a look at checkpoints."""

    @functools.wraps(plain)
    def method(self: MPI.File, *args: Any, **kwargs: Any) -> Any:
        if (opening := opening_of(self)) is not None:
            opening.shared = True
        return plain(self, *args, **kwargs)

    return method


_METHODS: dict[str, Callable[[Any], Any]] = {
    "Open": _noting_open,
    "Set_view": _noting_view,
    "Get_amode": _telling_amode,
    **dict.fromkeys(
        [
            *("Seek_shared", "Get_position_shared"),
            *(f"{verb}_{kind}" for verb in ("Read", "Write") for kind in ("shared", "ordered")),
            *("Iread_shared", "Iwrite_shared", "Read_ordered_begin", "Write_ordered_begin"),
        ],
        _noting_use,
    ),
}
for _name, _factory in _METHODS.items():
    setattr(File, _name, _factory(vars(MPI.File)[_name]))


@functools.cache
def note_calls() -> None:
    """Let all files of MPI note how they are opened and used, from now on."""
    noting.replace(MPI.File, _METHODS)
