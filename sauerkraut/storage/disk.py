"""Every call that touches a checkpoint directory, and nothing else touches it.

Each announces itself to one hook before it happens, so that tests can end the process, fail or
record any of them by ordinal. An `OSError` of the system leaves as a one-line `StorageError` that
says what was tried, on what, and keeps the ``errno``.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EFBIG, EINVAL, ELOOP, ENOENT, ENOMEM, ENOSPC, ESTALE
from pathlib import Path
from typing import TYPE_CHECKING, Self

from sauerkraut import _native
from sauerkraut.errors import StorageError

if TYPE_CHECKING:
    from typing_extensions import Buffer


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is about to happen."""

    operation: str
    """The method or function here, e.g. ``write``."""
    path: Path
    other: Path | None = None
    """New name of a rename."""
    offset: int = 0
    data: Buffer | None = None
    """Bytes of a write."""


_PIECE = 16 << 20  # bytes

hook: Callable[[Call], None] | None = None
"""For fault injection: what it raises is treated as the failure of the call."""


@contextmanager
def _calling(
    operation: str,
    path: Path,
    other: Path | None = None,
    offset: int = 0,
    data: Buffer | None = None,
) -> Generator[None]:
    try:
        if hook is not None:
            hook(Call(operation, path, other, offset, data))
        yield
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        name = operation.replace("_", " ")
        raise StorageError(
            error.errno, f"cannot {name}: {error.strerror or error}", str(path)
        ) from error


def is_missing(error: StorageError) -> bool:
    """Whether the name was not there, or is another file by now (NFS)."""
    return error.errno in (ENOENT, ESTALE)


class Closing(ABC):
    """Something that is closed at the end of a ``with`` block."""

    @abstractmethod
    def close(self) -> None:
        """Close it; a second time does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class File(Closing):
    """An open file."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def create(cls, path: Path, mode: int) -> Self:
        """Make a file that was not there, for writing."""
        return cls._open("create", path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open for reading."""
        # a pipe by that name must not hold the caller up
        return cls._open("open", path, os.O_RDONLY | os.O_NONBLOCK, 0)

    @classmethod
    def open_to_write(cls, path: Path) -> Self:
        """Open what is there for reading and writing."""
        return cls._open("open", path, os.O_RDWR, 0)

    @classmethod
    def open_to_append(cls, path: Path, mode: int) -> Self:
        """Open for reading and for adding at the end; made if not there."""
        return cls._open("append", path, os.O_RDWR | os.O_CREAT | os.O_APPEND, mode)

    @classmethod
    def _open(cls, operation: str, path: Path, flags: int, mode: int) -> Self:
        with _calling(operation, path):
            descriptor = os.open(path, flags | os.O_CLOEXEC, mode)
            if flags & os.O_NONBLOCK:  # meant for the opening only
                os.set_blocking(descriptor, True)
        file = cls(path, descriptor)
        if mode & 0o077:  # beyond what the umask may have left
            try:
                with _calling("chmod", path):
                    if os.fstat(descriptor).st_mode & 0o777 != mode:
                        os.fchmod(descriptor, mode)
            except BaseException:
                file.close()
                raise
        return file

    def allocate(self, size: int) -> bool:
        """Make the file ``size`` bytes long and reserve the space; ENOSPC comes from here.

        Returns:
            Whether it was reserved: in memory and on some file systems it is not, and ENOSPC
            comes when it is written.
        """
        with _calling("allocate", self.path, offset=size):
            return _native.allocate(self._descriptor, size)

    def write(self, offset: int, data: Buffer) -> None:
        """Write all of ``data``."""
        with _calling("write", self.path, offset=offset, data=data):
            for at, piece in _pieces(data, _PIECE):
                _native.write(self._descriptor, offset + at, piece)
                self._begin_writeback(offset + at, piece)

    def write_hashed(self, offset: int, data: Buffer, block: int) -> bytes:
        """Write all of ``data``; returns the XXH3-128 of each block, joined."""
        digests = []
        with _calling("write", self.path, offset=offset, data=data):
            for at, piece in _pieces(data, max(_PIECE // block, 1) * block):
                digests.append(_native.write_hashed(self._descriptor, offset + at, piece, block))
                self._begin_writeback(offset + at, piece)
        return b"".join(digests)

    def _begin_writeback(self, offset: int, data: Buffer) -> None:
        """Let the disk begin with a large piece while the next is copied, and not at the fsync."""
        nbytes = memoryview(data).nbytes
        if nbytes < _PIECE:
            return
        with contextlib.suppress(OSError):  # it is advice: dirty pages are written, and stay
            os.posix_fadvise(self._descriptor, offset, nbytes, os.POSIX_FADV_DONTNEED)

    def read(self, offset: int, memory: Buffer) -> int:
        """Fill ``memory``; returns how many bytes there were before the end of the file."""
        with _calling("read", self.path):
            return _native.read(self._descriptor, offset, memory)

    def read_hashed(self, offset: int, memory: Buffer, block: int) -> tuple[int, bytes]:
        """Fill ``memory``; returns how many bytes there were and their hashes, joined."""
        with _calling("read", self.path):
            return _native.read_hashed(self._descriptor, offset, memory, block)

    def hash(self, offset: int, size: int, block: int) -> tuple[int, bytes]:
        """Read ``size`` bytes; returns how many there were and their hashes, joined."""
        with _calling("read", self.path):
            return _native.hash_file(self._descriptor, offset, size, block)

    def cut(self, size: int) -> bool:
        """Give back the space behind ``size``; whether that succeeded. Never raises."""
        try:
            os.ftruncate(self._descriptor, size)
        except OSError:
            return False
        return True

    def sync(self) -> None:
        """Return when the content is durable; a failure is final: the bytes may be gone."""
        with _calling("fsync", self.path):
            os.fdatasync(self._descriptor)

    def touch(self) -> None:
        """Set the modification time by the file system's clock."""
        with _calling("touch", self.path):
            os.utime(self._descriptor)

    def status(self) -> os.stat_result:
        """Owner, permissions, size and times."""
        with _calling("stat", self.path):
            return os.fstat(self._descriptor)

    def close(self) -> None:
        """Close; an error of a file that was written is final for it."""
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        try:
            with _calling("close", self.path):
                closed, descriptor = descriptor, -1
                os.close(closed)
        finally:
            if descriptor >= 0:  # a hook let it fail: as where close does, it is closed
                os.close(descriptor)


def _pieces(data: Buffer, size: int) -> Iterator[tuple[int, Buffer]]:
    """Offset and bytes of pieces of ``size`` bytes; all at once, where bytes cannot be had."""
    view = memoryview(data)
    if view.nbytes <= size:
        yield 0, data
        return
    try:
        view = view.cast("B")
    except TypeError:  # elements Python has no letter for, such as complex
        yield 0, data
        return
    for at in range(0, len(view), size):
        yield at, view[at : at + size]


def names(directory: Path) -> list[str]:
    """Names in a directory, sorted."""
    with _calling("list", directory):
        return sorted(entry.name for entry in directory.iterdir())


def make_directory(path: Path, mode: int) -> None:
    """Make a directory; errno EEXIST when there is one."""
    with _calling("mkdir", path):
        path.mkdir(mode)
    if mode & 0o077:
        with _calling("chmod", path):
            path.chmod(mode)


def sync_directory(path: Path) -> None:
    """Return when the names in a directory are durable."""
    with _calling("fsync", path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno != EINVAL:  # a file system whose names need no fsync
                raise
        finally:
            os.close(descriptor)


def rename(old: Path, new: Path) -> None:
    """Rename, replacing a file (not a directory with anything in it) that has the new name."""
    with _calling("rename", old, new):
        old.rename(new)


def unlink(path: Path) -> None:
    """Remove a file, if it is there."""
    with _calling("unlink", path):
        path.unlink(missing_ok=True)


def remove_directory(path: Path) -> None:
    """Remove an empty directory."""
    with _calling("rmdir", path):
        path.rmdir()


def status(path: Path) -> os.stat_result:
    """Owner, permissions, size and times of what a name stands for."""
    with _calling("stat", path):
        return path.stat()


def is_directory(path: Path, *, follow: bool = True) -> bool:
    """Whether it is a directory, or with ``follow`` a link to one; False when it is not there."""
    with _calling("stat", path):
        try:
            return stat.S_ISDIR(path.stat(follow_symlinks=follow).st_mode)
        except OSError as error:
            if error.errno not in (ENOENT, ELOOP):
                raise
            return False


def free_bytes(directory: Path) -> int:
    """Space that an ordinary user may still fill; as much as can be, where there is no limit."""
    with _calling("statvfs", directory):
        room = os.statvfs(directory)
        return room.f_bavail * room.f_frsize if room.f_blocks else sys.maxsize


def must_fit(directory: Path, nbytes: int, leave_free: int) -> None:
    """Refuse what would take bytes that the next epoch needs; errno ENOSPC says so."""
    free = free_bytes(directory)
    if free - nbytes < leave_free:
        needed = f"{nbytes} bytes for it and " if nbytes else ""
        told = f"{leave_free} for the next epoch are more than the {free} that are free"
        raise StorageError(ENOSPC, needed + told, str(directory))


def read_bytes(path: Path, *, largest: int = 16 << 20) -> bytes:
    """Read a small file at once; EFBIG for one of more than ``largest`` bytes."""
    with File.open(path) as file:
        nbytes = file.status().st_size
        if nbytes > largest:
            raise StorageError(EFBIG, f"has {nbytes} bytes, too many to be ours", str(path))
        memory = new_memory(path, nbytes)
        return bytes(memory[: file.read(0, memory)])


def new_memory(path: Path, nbytes: int) -> memoryview:
    """Return aligned, writable memory with undefined content, to read bytes of ``path`` into.

    Raises:
        StorageError: ENOMEM: the machine has not as much; a sparse file may say any size.
    """
    error: MemoryError | None = None
    if nbytes <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        # more, the system might promise, and end the process when it is used
        try:
            return memoryview(_native.Memory(nbytes))
        except MemoryError as caught:
            error = caught
    raise StorageError(ENOMEM, f"no memory for {nbytes} bytes of it", str(path)) from error
