"""Writing a `journal`: each commit is one frame at its end, and one fsync.

A new file is written beside the old one and renamed over it.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from errno import EEXIST
from pathlib import Path
from typing import Any

from sauerkraut.errors import CorruptCheckpoint, StorageError
from sauerkraut.flow import journal
from sauerkraut.flow.journal import Frame, Part, aligned
from sauerkraut.flow.lines import Given
from sauerkraut.storage import Trust, disk, hashes
from sauerkraut.storage.disk import File

LARGE = 64 << 10
"""Bytes from which a part is not written again when it is as in the state before."""
_COPY = 16 << 20


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
    try:
        with file:
            writer = Writer(file, 0, trust)
            if kept:
                with File.open(path) as old:
                    for together in _neighbours(kept):
                        writer.copy(old, together)
            writer.commit(record, lines, parts)
        disk.rename(private, path)
    except BaseException:
        with contextlib.suppress(StorageError):  # on a full disk nothing else could be stored
            disk.unlink(private)
        raise
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
    """The file, open for writing at its end.

    Args:
        file: The file.
        end: Where its frames end.
        trust: Its key.
        newest: Parts of the newest state in it.
    """

    def __init__(self, file: File, end: int, trust: Trust, newest: Sequence[Part] = ()) -> None:
        self._file = file
        self._end = end
        self._trust = trust
        self._newest = newest
        self._given = Given()
        self._moved: dict[int, int] = {}  # where a part was in the old file -> where it is
        self.frames: list[Frame] = []
        """Those written through this."""
        self.whole = True
        """Whether the file is whole frames; a write that failed may leave a rest."""

    @classmethod
    def append(cls, path: Path, end: int, trust: Trust, newest: Sequence[Part]) -> Writer:
        """Open a file whose frames end at ``end``, where the file ends as well."""
        return cls(File.open_to_write(path), end, trust, newest)

    def commit(self, record: dict[str, Any], lines: Sequence[bytes], parts: Sequence[Any]) -> None:
        """Add one frame; durable when this returns, and not there when it raises."""
        self.whole = False
        try:
            frame = self._write(record, tuple(lines), parts)
        except BaseException:
            self._given = Given()
            self.whole = self._file.cut(self._end)
            raise
        self._file.sync()
        self.whole = True
        self._add(frame)

    def copy(self, old: File, frames: Sequence[Frame]) -> None:
        """Add frames of another file that have parts, durable with the next commit.

        Args:
            old: The file.
            frames: One; or several that stand alone and side by side.
        """
        if not frames[0].alone:  # what it leaves out is not that of the one before it here
            self._copy_apart(old, frames[0])
            return
        begin, end = frames[0].start, frames[-1].start + frames[-1].nbytes
        shift = self._end - begin
        self._copy_bytes(old, begin, end - begin, self._end)
        for frame in frames:
            self._given.give_all(frame.lines)
            self._moved |= {each.offset: each.offset + shift for each in frame.parts}
            parts = [Part(each.offset + shift, each.nbytes, each.digests) for each in frame.parts]
            self._add(dataclasses.replace(frame, start=self._end, parts=tuple(parts)))

    def _copy_apart(self, old: File, frame: Frame) -> None:
        """Add one frame with what of it lies in frames that are not copied."""
        earlier = [each.offset in self._moved for each in frame.parts]
        told = [
            Part(self._moved.get(each.offset, 0), each.nbytes, each.digests, earlier=here)
            for each, here in zip(frame.parts, earlier, strict=True)
        ]
        like, given = self._given.choose(frame.lines)
        head = journal.head_of(frame.record, like, given, told, self._trust.key)
        parts = _placed(told, self._end + len(head))
        self._file.write(self._end, head)
        for was, part in zip(frame.parts, parts, strict=True):
            if not part.earlier:
                self._copy_bytes(old, was.offset, part.nbytes, part.offset)
                self._moved[was.offset] = part.offset
        nbytes = len(head) + journal.own_bytes(parts)
        alone = like == (0, 0) and not any(earlier)
        self._add(Frame(self._end, nbytes, frame.record, frame.lines, parts, alone=alone))

    def _copy_bytes(self, old: File, begin: int, nbytes: int, to: int) -> None:
        memory = bytearray(min(_COPY, nbytes))
        for done in range(0, nbytes, _COPY):
            view = memoryview(memory)[: min(_COPY, nbytes - done)]
            if old.read(begin + done, view) != len(view):
                raise CorruptCheckpoint(f"{old.path} became shorter while it was read")
            self._file.write(to + done, view)

    def close(self) -> None:
        """Close the file; never raises, as all that was committed is durable."""
        with contextlib.suppress(StorageError):
            self._file.close()

    def _add(self, frame: Frame) -> None:
        self.frames.append(frame)
        self._end += frame.nbytes
        self._newest = frame.parts or self._newest

    def _write(
        self, record: dict[str, Any], lines: tuple[bytes, ...], parts: Sequence[Any]
    ) -> Frame:
        key = self._trust.key
        views = [memoryview(part).cast("B") for part in parts]
        like, given = self._given.choose(lines)
        found = [self._as_before(view) for view in views]
        own = [view for view, part in zip(views, found, strict=True) if part is None]
        if sum(aligned(view.nbytes) for view in own) <= _COPY:
            told = [
                part or Part(0, view.nbytes, hashes.of(view, key))
                for view, part in zip(views, found, strict=True)
            ]
            head = journal.head_of(record, like, given, told, key)
            padded = (bytes(view).ljust(aligned(view.nbytes), b"\0") for view in own)
            self._file.write(self._end, b"".join((head, *padded)))
        else:
            # The parts first, hashed while they are written; then what makes them a frame.
            blank = [
                part or Part(0, view.nbytes, bytes(hashes.SIZE * hashes.count(view.nbytes)))
                for view, part in zip(views, found, strict=True)
            ]
            at = self._end + len(journal.head_of(record, like, given, blank, key))
            told = [
                part if part.earlier else self._write_part(view, part.offset)
                for view, part in zip(views, _placed(blank, at), strict=True)
            ]
            head = journal.head_of(record, like, given, told, key)
            self._file.write(self._end, head)
        placed = _placed(told, self._end + len(head))
        nbytes = len(head) + journal.own_bytes(placed)
        alone = like == (0, 0) and len(own) == len(parts)
        return Frame(self._end, nbytes, record, lines, placed, alone=alone)

    def _write_part(self, view: memoryview, offset: int) -> Part:
        digests = hashes.write(self._file, offset, view, self._trust.key) if view.nbytes else b""
        if rest := aligned(view.nbytes) - view.nbytes:
            self._file.write(offset + view.nbytes, bytes(rest))
        return Part(offset, view.nbytes, digests)

    def _as_before(self, view: memoryview) -> Part | None:
        """The part of the newest state with the same bytes, when it is large."""
        if view.nbytes < LARGE:
            return None
        for part in self._newest:
            if part.nbytes == view.nbytes and _is(part, view, self._trust.key):
                return dataclasses.replace(part, earlier=True)
        return None


def _is(part: Part, view: memoryview, key: bytes | None) -> bool:
    """Whether a part has these bytes, by its digests; mostly the first one tells that not."""
    return all(
        hashes.of(view[block * hashes.BLOCK :][: hashes.BLOCK], key)
        == part.digests[block * hashes.SIZE :][: hashes.SIZE]
        for block in range(hashes.count(part.nbytes))
    )


def _placed(parts: Sequence[Part], at: int) -> tuple[Part, ...]:
    """The parts, the frame's own ones side by side from ``at`` on."""
    placed = []
    for part in parts:
        placed.append(part if part.earlier else Part(at, part.nbytes, part.digests))
        at += 0 if part.earlier else aligned(part.nbytes)
    return tuple(placed)
