"""A file of records that only grows: each commit is one frame at its end (see `appending`).

A frame is a head, a text and the parts of the state, all at multiples of 64 bytes. The head's
digest covers head and text, the hashes in the text the parts. A frame that was being written when
the process or the machine died is no whole frame, and passed over.

The text is lines of JSON: what the frame tells, with size and hashes of each part, and then a line
per step, of which those are left out that are as in the frame right before (see `lines`): so a step
costs as much whether it is one of ten or of thousands. A frame that leaves some out is whole only
with the one before.

A large part that is as in the state before it is not there again: the text says where it lies.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from errno import ENOENT
from pathlib import Path
from typing import Any

from sauerkraut.errors import CorruptCheckpoint, StorageError
from sauerkraut.flow.lines import complete
from sauerkraut.nonsense import NONSENSE
from sauerkraut.storage import Trust, disk, hashes
from sauerkraut.storage.disk import File

MAGIC = b"SKTFLOW1"
ALIGN = 64
_HEAD = struct.Struct("<8s8xQQ")  # magic, bytes of the text, bytes of the frame
_KEYED = 8  # byte of the head that says whether a key is needed
_TEXT = _HEAD.size + hashes.TABLE_SIZE  # where the text begins: the digest is between
_SEARCH = 16 << 20
_WINDOW = 64 << 10
_LARGEST_TEXT = 64 << 20


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a state within the file."""

    offset: int
    nbytes: int
    digests: bytes
    earlier: bool = False
    """Whether it lies in a frame before the one that has it."""


@dataclass(frozen=True, slots=True)
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
    """Whether it gives all lines and parts itself."""


@dataclass(frozen=True, slots=True)
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
        parts = tuple(_parts(values["parts"], start, start + aligned(_TEXT + text_bytes)))
        alone = len(given) == len(lines) and not any(part.earlier for part in parts)
        return Frame(start, nbytes, dict(values["record"]), lines, parts, alone=alone)
    except NONSENSE:
        return None


def _parts(told: Sequence[Sequence[Any]], start: int, offset: int) -> Iterator[Part]:
    """Parts of the frame at ``start``, of which its own lie one after the other at ``offset``."""
    for size, digests, *at in told:
        nbytes, begin = int(size), int(at[0]) if at else offset
        if nbytes < 0 or (at and not 0 <= begin <= start - nbytes):
            raise ValueError(f"a part of {nbytes} bytes at byte {begin}")
        yield Part(begin, nbytes, bytes.fromhex(digests), earlier=bool(at))
        offset += 0 if at else aligned(nbytes)


def _next_magic(file: _Window, start: int, size: int) -> int:
    """Where a frame may begin after damage; ``size`` when nowhere."""
    while start < size:
        found = file.bytes(start, min(_SEARCH, size - start))
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


def head_of(
    record: dict[str, Any],
    like: tuple[int, int],
    given: Sequence[bytes],
    parts: Sequence[Part],
    key: bytes | None,
) -> bytes:
    """Head and text of a frame, padded; where its own parts begin does not matter.

    Args:
        record: What it tells.
        like: How many lines at the beginning and at the end are as in the frame before.
        given: Those between.
        parts: Of the state.
        key: Authenticates it; None: no key.
    """
    told = [
        (each.nbytes, each.digests.hex(), *([each.offset] if each.earlier else []))
        for each in parts
    ]
    values = {"record": record, "parts": told, "like": like}
    text = b"\n".join((json.dumps(values).encode(), *given))
    begin = aligned(_TEXT + len(text))
    nbytes = begin + own_bytes(parts)
    head = bytearray(_HEAD.pack(MAGIC, len(text), nbytes))
    head[_KEYED] = key is not None
    digest = hashes.of_table(bytes(head) + text, key)
    return b"".join((head, digest, text)).ljust(begin, b"\0")


def own_bytes(parts: Sequence[Part]) -> int:
    """Bytes that parts take in the frame that has them."""
    return sum(aligned(each.nbytes) for each in parts if not each.earlier)


def needed(frames: Sequence[Frame]) -> int:
    """Bytes that frames take in a file of their own, with what of them lies in others."""
    every = (part for each in frames for part in each.parts if part.nbytes)
    parts = {part.offset: aligned(part.nbytes) for part in every}
    return sum(each.nbytes - own_bytes(each.parts) for each in frames) + sum(parts.values())


def aligned(nbytes: int) -> int:
    """So many bytes, rounded up to `ALIGN`."""
    return -(-nbytes // ALIGN) * ALIGN
