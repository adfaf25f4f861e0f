"""A file of records that only grows: each commit is one frame, written at the end, and one fsync.

A frame is a head, a text and the parts of the state, all at multiples of 64 bytes. The head's
digest covers head and text, the hashes in the text the parts. A frame that was being written when
the process or the machine died is no whole frame, and passed over. A new file is written beside
the old one and renamed over it.

The text is lines of JSON: what the frame tells, with size and hashes of each part, and then a line
per step, of which those are left out that are as in the frame right before (see `lines`): so a step
costs as much whether it is one of ten or of thousands. A frame that leaves some out is whole only
with the one before.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import struct
from collections.abc import Iterator, Sequence
from errno import EEXIST, ENOENT
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

from sauerkraut.errors import CorruptCheckpoint, StorageError
from sauerkraut.flow.lines import Given, complete
from sauerkraut.nonsense import NONSENSE
from sauerkraut.storage import Trust, disk, hashes
from sauerkraut.storage.disk import File

MAGIC = b"SKTFLOW1"
ALIGN = 64
_HEAD = struct.Struct("<8s8xQQ")  # magic, bytes of the text, bytes of the frame
_KEYED = 8  # byte of the head that says whether a key is needed
_TEXT = _HEAD.size + hashes.TABLE_SIZE  # where the text begins: the digest is between
_COPY = 16 << 20
_WINDOW = 64 << 10
_LARGEST_TEXT = 64 << 20


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
    alone: bool = False
    """Whether it gives all lines itself."""


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
        window = _Window(file)
        head = window.bytes(0, min(ALIGN, status.st_size))
        frames = list(_frames(window, status.st_size, trust))
    end = frames[-1].start + frames[-1].nbytes if frames else 0
    passed_over = status.st_size - sum(frame.nbytes for frame in frames)
    return Contents(tuple(frames), end, passed_over, head)


class _Window:
    """A file that is read from its beginning to its end, in few calls."""

    def __init__(self, file: File) -> None:
        self.path = file.path
        self._file = file
        self._offset = 0
        self._held = b""

    def bytes(self, offset: int, nbytes: int) -> bytes:
        """As many bytes, or those up to the end of the file."""
        begin = offset - self._offset
        if begin < 0 or begin + nbytes > len(self._held):
            memory = bytearray(max(nbytes, _WINDOW))
            got = self._file.read(offset, memory)
            self._offset, self._held, begin = offset, bytes(memory[:got]), 0
        return self._held[begin : begin + nbytes]


def _frames(file: _Window, size: int, trust: Trust) -> Iterator[Frame]:
    start, before = 0, None
    while start + _TEXT <= size:
        before = _frame(file, start, size, trust, before)
        if before is None:
            start = _next_magic(file, start + ALIGN, size)
        else:
            yield before
            start += before.nbytes


def _frame(
    file: _Window, start: int, size: int, trust: Trust, before: Frame | None
) -> Frame | None:
    head = file.bytes(start, _TEXT)
    if len(head) < _TEXT:
        return None
    magic, text_bytes, nbytes = _HEAD.unpack_from(head)
    if magic != MAGIC or start + nbytes > size or _TEXT + text_bytes > nbytes:
        return None
    if text_bytes > _LARGEST_TEXT:
        return None
    text = file.bytes(start + _TEXT, text_bytes)
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
        lines = complete(values["like"], given, () if before is None else before.lines)
        offset, parts = start + _aligned(_TEXT + text_bytes), []
        for part_bytes, digests in values["parts"]:
            parts.append(Part(offset, int(part_bytes), bytes.fromhex(digests)))
            offset += _aligned(int(part_bytes))
        alone = len(given) == len(lines)
        return Frame(start, nbytes, dict(values["record"]), lines, tuple(parts), alone=alone)
    except NONSENSE:
        return None


def _next_magic(file: _Window, start: int, size: int) -> int:
    """Where a frame may begin after damage; ``size`` when nowhere."""
    while start < size:
        found = file.bytes(start, min(_COPY, size - start))
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
                for together in _neighbours(kept):
                    writer.copy(old, together)
        writer.commit(record, lines, parts)
    disk.rename(private, path)
    disk.sync_directory(path.parent)
    return writer.frames


def _neighbours(frames: Sequence[Frame]) -> Iterator[list[Frame]]:
    """Frames that stand alone and side by side, and each other one by itself."""
    together: list[Frame] = []
    for frame in frames:
        if together and not (
            frame.alone
            and together[-1].alone
            and frame.start == together[-1].start + together[-1].nbytes
        ):
            yield together
            together = []
        together.append(frame)
    if together:
        yield together


class Writer:
    """The file, open for writing at its end."""

    def __init__(self, file: File, end: int, trust: Trust) -> None:
        self._file = file
        self._end = end
        self._trust = trust
        self._given = Given()
        self.frames: list[Frame] = []
        """Those written through this."""
        self.whole = True
        """Whether all that lies before the end is whole frames; a failed write leaves a rest."""

    @classmethod
    def append(cls, path: Path, end: int, trust: Trust) -> Writer:
        """Open a file whose frames end at ``end``, where the file ends as well."""
        return cls(File.open_to_write(path), end, trust)

    def commit(self, record: dict[str, Any], lines: Sequence[bytes], parts: Sequence[Any]) -> None:
        """Add one frame; durable when this returns, and not there when it raises."""
        self.whole = False
        frame = self._write(record, tuple(lines), parts)
        self._file.sync()
        self.whole = True
        self._add(frame)

    def copy(self, old: File, frames: Sequence[Frame]) -> None:
        """Add frames of another file that have parts, durable with the next commit.

        Args:
            old: The file.
            frames: One; or several that stand alone and side by side.
        """
        first, last = frames[0], frames[-1]
        begin, at, alone = first.start, self._end, first.alone
        if not alone:  # what it leaves out is not that of the one before it here
            begin = first.parts[0].offset
            told = [(part.nbytes, part.digests) for part in first.parts]
            like, given = self._given.choose(first.lines)
            head = self._head(first.record, like, given, told)
            self._file.write(at, head)
            at, alone = at + len(head), like == (0, 0)
        left, shift = last.start + last.nbytes - begin, at - begin
        memory = bytearray(min(_COPY, left))
        for done in range(0, left, _COPY):
            view = memoryview(memory)[: min(_COPY, left - done)]
            if old.read(begin + done, view) != len(view):
                raise CorruptCheckpoint(f"{old.path} became shorter while it was read")
            self._file.write(at + done, view)
        for frame in frames:
            if frame.alone:
                self._given.give_all(frame.lines)
            nbytes = frame.start + frame.nbytes + shift - self._end
            parts = tuple(
                dataclasses.replace(each, offset=each.offset + shift) for each in frame.parts
            )
            self._add(Frame(self._end, nbytes, frame.record, frame.lines, parts, alone=alone))

    def close(self) -> None:
        """Close the file; never raises, as all that was committed is durable."""
        with contextlib.suppress(StorageError):
            self._file.close()

    def _add(self, frame: Frame) -> None:
        self.frames.append(frame)
        self._end += frame.nbytes

    def _head(
        self,
        record: dict[str, Any],
        like: tuple[int, int],
        given: Sequence[bytes],
        told: Sequence[tuple[int, bytes]],
    ) -> bytes:
        """Head and text of a frame, padded; of each part are ``told`` size and digests."""
        key = self._trust.key
        parts = [(nbytes, digests.hex()) for nbytes, digests in told]
        values = {"record": record, "parts": parts, "like": like}
        text = b"\n".join((json.dumps(values).encode(), *given))
        begin = _aligned(_TEXT + len(text))
        nbytes = begin + sum(_aligned(nbytes) for nbytes, _ in told)
        head = bytearray(_HEAD.pack(MAGIC, len(text), nbytes))
        head[_KEYED] = key is not None
        digest = hashes.of_table(bytes(head) + text, key)
        return b"".join((head, digest, text)).ljust(begin, b"\0")

    def _write(
        self, record: dict[str, Any], lines: tuple[bytes, ...], parts: Sequence[Any]
    ) -> Frame:
        key = self._trust.key
        sizes = [memoryview(part).nbytes for part in parts]
        rooms = [*map(_aligned, sizes)]
        like, given = self._given.choose(lines)
        if sum(rooms) <= _COPY:
            digests = [hashes.of(part, key) for part in parts]
            head = self._head(record, like, given, list(zip(sizes, digests, strict=True)))
            paddings = [bytes(room - size) for room, size in zip(rooms, sizes, strict=True)]
            rest = chain.from_iterable(zip(parts, paddings, strict=True))
            self._file.write(self._end, b"".join((head, *rest)))
        else:
            # The parts first, hashed while they are written; then what makes them a frame.
            blank = [(size, bytes(hashes.SIZE * hashes.count(size))) for size in sizes]
            at = self._end + len(self._head(record, like, given, blank))
            digests = []
            for part, size, room in zip(parts, sizes, rooms, strict=True):
                digests.append(hashes.write(self._file, at, part, key) if size else b"")
                if room > size:
                    self._file.write(at + size, bytes(room - size))
                at += room
            head = self._head(record, like, given, list(zip(sizes, digests, strict=True)))
            self._file.write(self._end, head)
        begins = accumulate(rooms, initial=self._end + len(head))
        found = tuple(map(Part, begins, sizes, digests))
        nbytes = len(head) + sum(rooms)
        return Frame(self._end, nbytes, record, lines, found, alone=like == (0, 0))


def _aligned(nbytes: int) -> int:
    return -(-nbytes // ALIGN) * ALIGN
