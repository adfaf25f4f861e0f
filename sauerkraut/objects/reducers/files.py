"""Open files: read ones must be unchanged, written ones are cut back to what they held.

Text over buffer over raw file, each written as itself, so that whoever holds one of them holds
the same one after a restart. The raw file carries the policy; each layer its own position.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sauerkraut.errors import ResumeError
from sauerkraut.objects import thawing
from sauerkraut.objects.freezing import Freezing, Reduced, reduces, refuse
from sauerkraut.objects.standard_streams import NAMES, standing

_REOPEN = "close it before the checkpoint and open it again in on_restart, or exclude it"


def standard(name: str, layer: str) -> Any:
    """A standard stream of this process, or the buffer or raw file under it."""
    stream = getattr(sys, name)
    for attribute in layer.split():
        stream = getattr(stream, attribute)
    return stream


def _standard_name(file: Any) -> Reduced | None:
    for name in reversed(NAMES):
        stream = standing(name)
        for layer in ("", "buffer", "buffer raw"):
            if stream is file:
                return (standard, (name, layer))
            stream = getattr(stream, "raw" if layer else "buffer", None)
    return None


@reduces(io.FileIO)
def _reduce_raw(file: io.FileIO, _: Freezing) -> Reduced:
    if (by_name := _standard_name(file)) is not None:
        return by_name
    if file.closed:
        return _reduce_closed(file)
    path = _path(file)
    state = (file.tell(), file.name) if file.name != path else (file.tell(),)
    status = os.fstat(file.fileno())
    if not file.writable():
        facts = (path, status.st_size, status.st_mtime_ns)
        return (open_to_read, facts, state, None, None, seek)
    os.fsync(file.fileno())
    written = (path, file.mode, status.st_size)
    return (open_to_write, written, state, None, None, seek)


def _path(file: io.FileIO) -> str:
    """The absolute path of a regular file that is still there."""
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        kind = "pipe or socket" if stat.S_ISFIFO(status.st_mode) else "device"
        if stat.S_ISSOCK(status.st_mode):
            kind = "socket"
        raise refuse(file, f"it is a {kind}, not a regular file; {_REOPEN}")
    name = file.name
    if isinstance(name, (str, bytes, os.PathLike)):
        for path in _paths(file, Path(os.fsdecode(name))):
            with contextlib.suppress(OSError):
                if os.path.samestat(status, path.stat()):
                    return str(path)
    raise refuse(file, f"the file {name!r} has no name any more; {_REOPEN}")


def _paths(file: io.FileIO, name: Path) -> Iterator[Path]:
    yield name.absolute()
    with contextlib.suppress(OSError):  # the program may have changed its directory since
        yield Path(f"/proc/self/fd/{file.fileno()}").readlink()


def open_to_read(path: str, size: int, mtime_ns: int) -> io.FileIO:
    """A file opened for reading, which must be as it was."""
    try:
        file = io.FileIO(path, "r")
    except OSError as error:
        raise ResumeError(f"the file {path} was open for reading: {error}") from error
    status = os.fstat(file.fileno())
    try:
        thawing.current().compare(f"{path}, open for reading,", status, size, mtime_ns)
    except ResumeError:
        file.close()
        raise
    return file


def open_to_write(path: str, mode: str, size: int) -> io.FileIO:
    """A file opened for writing as it was, without truncation; cut back when all is read."""
    mode = {"wb": "w", "xb": "x", "ab": "a", "rb+": "r+", "wb+": "w+", "xb+": "x+", "ab+": "a+"}[
        mode
    ]

    def keep(name: str, flags: int) -> int:
        return os.open(name, flags & ~(os.O_TRUNC | os.O_EXCL | os.O_CREAT), 0o666)

    try:
        file = io.FileIO(path, mode, opener=keep)
    except OSError as error:
        raise ResumeError(f"the file {path} was open for writing: {error}") from error
    try:
        thawing.refuse_shorter(path, os.fstat(file.fileno()).st_size, size)
    except ResumeError:
        file.close()
        raise
    thawing.current().actions.append(lambda: cut(file, size))
    return file


def cut(file: io.FileIO, size: int) -> None:
    """Take off what was written after the capture."""
    if not file.closed and os.fstat(file.fileno()).st_size != size:
        os.ftruncate(file.fileno(), size)


def seek(file: Any, state: tuple[Any, ...]) -> None:
    """Move a file to its position; where the state has one, give it the name it was opened by."""
    position, *name = state
    file.seek(position)
    if name:
        (file.name,) = name


@reduces(io.BufferedReader, io.BufferedWriter, io.BufferedRandom)
def _reduce_buffered(file: Any, _: Freezing) -> Reduced:
    if (by_name := _standard_name(file)) is not None:
        return by_name
    if file.closed:
        return _reduce_closed(file)
    if not isinstance(file.raw, io.FileIO):
        raise refuse(file, _REOPEN)
    if file.writable():
        file.flush()
    return (type(file), (file.raw,), (file.tell(),), None, None, seek)


@reduces(io.TextIOWrapper)
def _reduce_text(file: Any, _: Freezing) -> Reduced:
    if (by_name := _standard_name(file)) is not None:
        return by_name
    if file.closed:
        return _reduce_closed(file)
    if not isinstance(file.buffer, (io.BufferedReader, io.BufferedWriter, io.BufferedRandom)):
        raise refuse(file, _REOPEN)
    if file.writable():
        file.flush()
    position = _text_position(file)
    newline = _newline(file)
    settings = (file.encoding, file.errors, newline, file.line_buffering, file.write_through)
    state = (position, getattr(file, "mode", None))
    return (io.TextIOWrapper, (file.buffer, *settings), state, None, None, set_text)


def set_text(file: Any, state: tuple[int, str | None]) -> None:
    """Move a text file to its position."""
    position, mode = state
    if mode is not None:
        file.mode = mode
    if position or file.readable():
        file.seek(position)


def _text_position(file: Any) -> int:
    """Where the program is in a text file; also while it iterates over its lines."""
    if not file.seekable():
        raise refuse(file, _REOPEN)
    try:
        position: int = file.tell()
    except OSError:  # "telling position disabled by next() call"
        position = _position_by_rest(file)
    file.seek(position)  # forgets what was read ahead, so that `_newline` is sure
    return position


def _position_by_rest(file: Any) -> int:
    """Position by what is left to read: the same characters are left in a second reader."""
    if not isinstance(file.buffer.raw, io.FileIO):
        raise refuse(file, _REOPEN)
    path = Path(_path(file.buffer.raw))  # not its name: that may be a descriptor
    rest = len(file.read())
    with path.open(encoding=file.encoding, errors=file.errors, newline=_newline(file)) as second:
        whole = sum(len(part) for part in iter(lambda: second.read(1 << 20), ""))
        second.seek(0)
        left = whole - rest
        while left > 0:
            left -= len(second.read(min(left, 1 << 20)))
        return second.tell()


def _newline(file: Any) -> str | None:
    """The ``newline`` argument a text file was opened with, which no attribute tells."""
    held = gc.get_referents(file)
    coders = [i for i, each in enumerate(held) if hasattr(each, "setstate")]
    texts = [each for each in held[coders[-1] + 1 :] if isinstance(each, str)] if coders else []
    # Behind the coder: the newline (if one was given), text read ahead, then the error handler.
    if len(texts) > 1 and texts[0] in ("", "\n", "\r", "\r\n"):
        return texts[0]
    return None


def _reduce_closed(file: Any) -> Reduced:
    # One over a buffer in memory has neither.
    found = (getattr(file, "mode", "rb"), getattr(file, "name", None))
    if not isinstance(file, io.TextIOWrapper):
        return (closed, (type(file), *found))
    return (closed, (io.TextIOWrapper, *found, file.encoding, file.errors))


def closed(
    cls: Any, mode: str, name: Any = None, encoding: str = "utf-8", errors: str = "strict"
) -> Any:
    """A closed file: open until all is read, since what goes over it asks it for its iterator."""
    file: Any = cls() if cls in (io.BytesIO, io.StringIO) else None
    if file is None:
        file = _nowhere(cls, mode, name, encoding, errors)
    thawing.current().last.append(file.close)
    return file


def _nowhere(cls: Any, mode: str, name: Any, encoding: str, errors: str) -> Any:
    kind = next((each for each in "ra" if each in mode), "w")
    raw = io.FileIO(os.devnull, f"{kind}+" if "+" in mode else kind)
    if name is not None:
        raw.name = name
    file: Any = raw
    if cls is not io.FileIO:
        only: Any = io.BufferedReader if kind == "r" else io.BufferedWriter
        file = io.BufferedRandom(raw) if "+" in mode else only(raw)
    if cls is io.TextIOWrapper:
        file = io.TextIOWrapper(file, encoding, errors)
        if "b" not in mode:
            file.mode = mode
    return file


@reduces(io.BytesIO, io.StringIO)
def _reduce_in_memory(file: Any, _: Freezing) -> Any:
    """Bytes or text in memory pickle by themselves, but for closed ones."""
    return (closed, (type(file), "w+b")) if file.closed else NotImplemented
