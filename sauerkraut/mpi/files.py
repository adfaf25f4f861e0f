"""Files of MPI that a restart can open again.

MPI does not tell which file a handle was opened on, so those that are to live across checkpoints
are opened by `File.Open`, which remembers it: ``sauerkraut.mpi.files.File.Open(comm, "out.dat",
amode)`` for ``MPI.File.Open(comm, "out.dat", amode)``.
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
        if isinstance(file, File) and hasattr(file, "opening"):
            made.opening = file.opening
        return made

    @classmethod
    def Open(  # noqa: N802 - as mpi4py calls it
        cls,
        comm: MPI.Intracomm,
        filename: os.PathLike[Any] | str | bytes,
        amode: int = MPI.MODE_RDONLY,
        info: MPI.Info = MPI.INFO_NULL,
    ) -> Self:
        """Do as ``MPI.File.Open``, for a file that comes back; one ``bcast`` more. Collective."""
        made = super().Open(comm, filename, amode, info)
        given = os.fsdecode(filename)
        path = Path(given).absolute()
        made.opening = Opening(
            str(path) if path.exists() else given,
            amode,
            dict(info.items()) if info else {},
            comm.bcast(uuid.uuid4().hex),
            0 if amode & MPI.MODE_SEQUENTIAL else made.Get_position(),
        )
        return made

    def Set_view(self, *args: Any, **kwargs: Any) -> None:  # noqa: N802 - as mpi4py calls it
        """Do as ``MPI.File.Set_view``, which sets both positions to 0. Collective."""
        super().Set_view(*args, **kwargs)
        if hasattr(self, "opening"):
            self.opening.shared_start = 0

    def Get_amode(self) -> int:  # noqa: N802 - as mpi4py calls it
        """The mode it was opened in; a restart leaves out what would make or move the file."""
        return self.opening.amode if self and hasattr(self, "opening") else super().Get_amode()


def _noting(plain: Callable[..., Any]) -> Callable[..., Any]:
    """A method that notes the use of the shared position, which costs a look at checkpoints."""

    @functools.wraps(plain)
    def method(self: File, *args: Any, **kwargs: Any) -> Any:
        if hasattr(self, "opening"):
            self.opening.shared = True
        return plain(self, *args, **kwargs)

    return method


for _name in (
    *("Seek_shared", "Get_position_shared"),
    *(f"{verb}_{kind}" for verb in ("Read", "Write") for kind in ("shared", "ordered")),
    *("Iread_shared", "Iwrite_shared", "Read_ordered_begin", "Write_ordered_begin"),
):
    setattr(File, _name, _noting(getattr(MPI.File, _name)))
