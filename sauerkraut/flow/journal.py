"""A file of records that only grows: each commit is one frame, written at the end, and one fsync.

A frame is a head, a text and the parts of the state, all at multiples of 64 bytes. The head's
digest covers head and text, the hashes in the text the parts. A frame that was being written when
the process or the machine died is no whole frame, and passed over. A new file is written beside
the old one and renamed over it.

The text is lines of JSON: what the frame tells, with size and hashes of each part, and then a line
per step. Where these are many, a frame leaves out those at the beginning and at the end that are as
in the frame right before it, until what it gives since a frame with all of them is as long as they:
so a step costs as much whether it is one of ten or of thousands. A frame that leaves some out is
whole only with the one before.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from errno import EEXIST, ENOENT
from pathlib import Path
from typing import Any

from sauerkraut.errors import CorruptCheckpoint, StorageError
from sauerkraut.storage import Trust, disk, hashes
from sauerkraut.storage.disk import File

MAGIC = b"SKTFLOW1"
ALIGN = 64
_HEAD = struct.Struct("<8s8xQQ")  # magic, bytes of the text, bytes of the frame
_KEYED = 8  # byte of the head that says whether a key is needed
_TEXT = _HEAD.size + hashes.TABLE_SIZE  # where the text begins: the digest is between
_COPY = 16 << 20
_LARGEST_TEXT = 64 << 20
_FEW = 4096  # bytes of lines that are given in each frame, so that it stands by itself


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a state within the file."""

    offset: int
    nbytes: int
    digests: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Frame:
    """One frame whose head and text are whole; its parts are not read yet."""

    start: int
    nbytes: int
    record: dict[str, Any]
    lines: tuple[bytes, ...]
    """One per step."""
    parts: tuple[Part, ...]
    """Empty: the frame tells something without a state."""


@dataclasses.dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds."""

    frames: tuple[Frame, ...]
    """In the order they were written."""
    end: int
    """Where the last of them ends."""
    passed_over: int
    """Bytes that belong to no whole frame."""
    head: bytes
    """The first bytes of the file, for whoever knows other formats."""


def read(path: Path, trust: Trust) -> Contents | None:
    """Read heads and texts; None when there is no such file.

    Raises:
        UntrustedCheckpoint: owner, permissions or key.
        StorageError: it cannot be read.
    """
    try:
        file = File.open(path)
    except StorageError as error:
        if error.errno == ENOENT:
            return None
        raise
    with file:
        status = file.status()
        trust.check(status, path)
        head = _bytes(file, 0, min(ALIGN, status.st_size))
        frames = list(_frames(file, status.st_size, trust))
    end = frames[-1].start + frames[-1].nbytes if frames else 0
    passed_over = status.st_size - sum(frame.nbytes for frame in frames)
    return Contents(tuple(frames), end, passed_over, head)


def _frames(file: File, size: int, trust: Trust) -> Iterator[Frame]:
    start, before = 0, None
    while start + _TEXT <= size:
        before = _frame(file, start, size, trust, before)
        if before is None:
            start = _next_magic(file, start + ALIGN, size)
        else:
            yield before
            start += before.nbytes


def _frame(file: File, start: int, size: int, trust: Trust, before: Frame | None) -> Frame | None:
    head = _bytes(file, start, _TEXT)
    if len(head) < _TEXT:
        return None
    magic, text_bytes, nbytes = _HEAD.unpack_from(head)
    if magic != MAGIC or start + nbytes > size or _TEXT + text_bytes > nbytes:
        return None
    if text_bytes > _LARGEST_TEXT:
        return None
    text = _bytes(file, start + _TEXT, text_bytes)
    keyed = trust.key is not None
    if head[_KEYED] != keyed:
        as_ours = head[:_KEYED] + bytes([keyed]) + head[_KEYED + 1 : _HEAD.size]
        if head[_KEYED] > 1 or hashes.of_table(as_ours + text, trust.key) == head[_HEAD.size :]:
            return None  # the byte that says so is damaged
        trust.check_keyed(not keyed, file.path)
    if hashes.of_table(head[: _HEAD.size] + text, trust.key) != head[_HEAD.size :]:
        return None
    try:
        told, *given = text.split(b"\n")
        values = json.loads(told)
        lines = _with_left_out(given, values["like"], () if before is None else before.lines)
        offset, parts = start + _aligned(_TEXT + text_bytes), []
        for part_bytes, digests in values["parts"]:
            parts.append(Part(offset, int(part_bytes), bytes.fromhex(digests)))
            offset += _aligned(int(part_bytes))
        return Frame(start, nbytes, dict(values["record"]), lines, tuple(parts))
    except (KeyError, TypeError, ValueError):
        return None


def _with_left_out(
    given: Sequence[bytes], like: Sequence[int], before: tuple[bytes, ...]
) -> tuple[bytes, ...]:
    """All lines of a frame; raises ValueError when those that it left out are not there."""
    first, last = map(int, like)
    if min(first, last) < 0 or first + last > len(before):
        raise ValueError(f"lines of the frame before: {like} of {len(before)}")
    return (*before[:first], *given, *before[len(before) - last :])


def _like(lines: Sequence[bytes], before: Sequence[bytes]) -> tuple[int, int]:
    """How many lines at the beginning, and how many others at the end, are as before."""
    first = _equal(lines, before)
    last = _equal(reversed(lines), reversed(before))
    return first, min(last, len(lines) - first, len(before) - first)


def _equal(lines: Iterable[bytes], others: Iterable[bytes]) -> int:
    count = 0
    for one, other in zip(lines, others, strict=False):
        if one is not other and one != other:
            break
        count += 1
    return count


def _next_magic(file: File, start: int, size: int) -> int:
    """Where a frame may begin after damage; ``size`` when nowhere."""
    while start < size:
        found = _bytes(file, start, min(_COPY, size - start))
        if not found:
            return size
        at = found.find(MAGIC)
        while at >= 0:
            if (start + at) % ALIGN == 0:
                return start + at
            at = found.find(MAGIC, at + 1)
        start += len(found)  # frames are aligned, and so are these
    return size


def read_parts(file: File, frame: Frame, trust: Trust) -> list[Any]:
    """Read and check the parts of a frame, each into memory of its own, aligned and writable.

    Raises:
        CorruptCheckpoint: the bytes are not those that were written.
        StorageError: they cannot be read.
    """
    found: list[Any] = []
    trust.check(file.status(), file.path)
    for number, part in enumerate(frame.parts):
        memory = disk.new_memory(file.path, part.nbytes)
        got, digests = hashes.read(file, part.offset, memory, trust.key)
        if got != part.nbytes or digests != part.digests:
            raise CorruptCheckpoint(
                f"{file.path}: part {number} of the frame at byte {frame.start} is damaged"
            )
        found.append(memory)
    return found


def replace(
    path: Path,
    kept: Sequence[Frame],
    record: dict[str, Any],
    lines: Sequence[bytes],
    parts: Sequence[Any],
    trust: Trust,
) -> list[Frame]:
    """Write a new file of the ``kept`` frames of the old one and a new one, over the old one.

    Returns:
        The frames of the new file. When this raises, the old file is as it was, unless only the
        durability of its replacement could not be had.
    """
    private = path.with_name(f"{path.name}.partial")
    try:
        file = File.create(private, 0o600)
    except StorageError as error:
        if error.errno != EEXIST:
            raise
        disk.unlink(private)  # of a run that ended while it wrote it
        file = File.create(private, 0o600)
    with file:
        writer = Writer(file, 0, trust)
        if kept:
            with File.open(path) as old:
                for frame in kept:
                    writer.copy(old, frame)
        writer.commit(record, lines, parts)
    disk.rename(private, path)
    disk.sync_directory(path.parent)
    return writer.frames


class Writer:
    """The file, open for writing at its end."""

    def __init__(self, file: File, end: int, trust: Trust) -> None:
        self._file = file
        self._end = end
        self._trust = trust
        self._before: tuple[bytes, ...] = ()
        self._owed = 0  # bytes of lines that may be given before all of them are again
        self.frames: list[Frame] = []
        """Those written through this."""
        self.whole = True
        """Whether all that lies before the end is whole frames; a failed write leaves a rest."""

    @classmethod
    def append(cls, path: Path, end: int, trust: Trust) -> Writer:
        """Open a file whose frames end at ``end``, where the file ends as well."""
        return cls(File.open_to_append(path, 0o600), end, trust)

    def commit(self, record: dict[str, Any], lines: Sequence[bytes], parts: Sequence[Any]) -> None:
        """Add one frame; durable when this returns, and not there when it raises."""
        self.whole = False
        frame = self._write(record, tuple(lines), parts)
        self._file.sync()
        self.whole = True
        self._add(frame)

    def copy(self, old: File, frame: Frame) -> None:
        """Add a frame of another file, which has parts, durable with the next commit."""
        begins = frame.parts[0].offset
        left = frame.start + frame.nbytes - begins
        told = [(part.nbytes, part.digests) for part in frame.parts]
        head = self._head(frame.record, frame.lines, told, left)
        self._file.write(self._end, head)
        shift = self._end + len(head) - begins
        memory = bytearray(min(_COPY, left))
        done = 0
        while done < left:
            view = memoryview(memory)[: min(_COPY, left - done)]
            if old.read(begins + done, view) != len(view):
                raise CorruptCheckpoint(f"{old.path} became shorter while it was read")
            self._file.write(self._end + len(head) + done, view)
            done += len(view)
        parts = tuple(dataclasses.replace(part, offset=part.offset + shift) for part in frame.parts)
        self._add(Frame(self._end, len(head) + left, frame.record, frame.lines, parts))

    def close(self) -> None:
        """Close the file; never raises, as all that was committed is durable."""
        with contextlib.suppress(StorageError):
            self._file.close()

    def _add(self, frame: Frame) -> None:
        self.frames.append(frame)
        self._end += frame.nbytes
        self._before = frame.lines

    def _head(
        self,
        record: dict[str, Any],
        lines: tuple[bytes, ...],
        told: Sequence[tuple[int, bytes]],
        left: int,
    ) -> bytearray:
        """Head and text of a frame, whose parts (size, digests) take what is ``left``, aligned."""
        first, last = _like(lines, self._before)
        given = lines[first : len(lines) - last]
        self._owed -= sum(map(len, given))
        if self._owed < 0:
            first, last, given = 0, 0, lines
            nbytes = sum(map(len, lines))
            self._owed = nbytes if nbytes > _FEW else -1
        parts = [(nbytes, digests.hex()) for nbytes, digests in told]
        values = {"record": record, "parts": parts, "like": (first, last)}
        text = b"\n".join((json.dumps(values).encode(), *given))
        begin = _aligned(_TEXT + len(text))
        head = bytearray(_HEAD.pack(MAGIC, len(text), begin + left))
        head[_KEYED] = self._trust.key is not None
        digest = hashes.of_table(bytes(head) + text, self._trust.key)
        return bytearray(b"".join((head, digest, text)).ljust(begin, b"\0"))

    def _write(
        self, record: dict[str, Any], lines: tuple[bytes, ...], parts: Sequence[Any]
    ) -> Frame:
        views = [memoryview(part) for part in parts]
        digests = [hashes.of(part, self._trust.key) for part in parts]
        told = [(view.nbytes, each) for view, each in zip(views, digests, strict=True)]
        left = sum(_aligned(view.nbytes) for view in views)
        small = self._head(record, lines, told, left)
        nbytes = len(small) + left
        at, offset = self._end, self._end + len(small)
        found: list[Part] = []
        for part, view, each in zip(parts, views, digests, strict=True):
            room = _aligned(view.nbytes)
            found.append(Part(offset, view.nbytes, each))
            offset += room
            if len(small) + room <= _COPY:
                small += part if isinstance(part, bytes) else view.tobytes()
                small.extend(bytes(room - view.nbytes))
            else:
                self._file.write(at, small)
                self._file.write(at + len(small), part)
                at += len(small) + view.nbytes
                small = bytearray(room - view.nbytes)
        if small:
            self._file.write(at, small)
        return Frame(self._end, nbytes, record, lines, tuple(found))


def _aligned(nbytes: int) -> int:
    return -(-nbytes // ALIGN) * ALIGN


def _bytes(file: File, offset: int, nbytes: int) -> bytes:
    memory = bytearray(nbytes)
    return bytes(memory[: file.read(offset, memory)])
