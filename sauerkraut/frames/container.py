"""One snapshot as bytes: a header, a table of sections, sections aligned to 64 bytes.

Layout, little-endian (`docs/format.md`):

    header   64 bytes   magic "SAUERKRT", version u32, sections u32, total length u64,
                        BLAKE2b-128 of the header up to here and of the table, zeros
    table    64 bytes per section   kind u32, zero u32, offset u64, length u64,
                        XXH3-128 of the section, zeros
    sections: control, objects, one description of all blocks, the blocks; and where a frame
              takes its program along (`sauerkraut.seed_api`) notes and the values of globals

This is the first ring of verification: every accidental change of a byte ends here.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from sauerkraut import _native
from sauerkraut.errors import ResumeError
from sauerkraut.nonsense import NONSENSE, wrong
from sauerkraut.objects.graph import Block

MAGIC = b"SAUERKRT"
VERSION = 1
ALIGNMENT = 64

CONTROL, OBJECTS, BLOCK_TABLE, BLOCK, NOTES, GLOBALS = 1, 2, 3, 4, 5, 6

_HEADER = struct.Struct("<8sIIQ")
_KIND = struct.Struct(f"<I{ALIGNMENT - 4}x")
_SEAL_PADDING = bytes(ALIGNMENT - _HEADER.size - 16)
_NO_BLOCKS = b"[]"


class Parts(NamedTuple):
    """The sections of a container; the blocks are views of the buffers they were read from."""

    control: bytes
    objects: bytes
    blocks: tuple[Block, ...] = ()
    notes: bytes = b""
    """JSON; empty: no such section."""
    globals: bytes = b""
    """An object stream; empty: no such section."""


def write(parts: Parts) -> list[Any]:
    """Return buffers that, joined, are the container; blocks and streams are not copied."""
    description = _NO_BLOCKS
    if parts.blocks:
        description = json.dumps(
            [{"dtype": b.dtype, "shape": b.shape, "path": b.path} for b in parts.blocks]
        ).encode()
    sections: list[tuple[int, Any]] = [
        (CONTROL, parts.control),
        (OBJECTS, parts.objects),
        (BLOCK_TABLE, description),
        *((BLOCK, block.memory) for block in parts.blocks),
        *((kind, data) for kind, data in ((NOTES, parts.notes), (GLOBALS, parts.globals)) if data),
    ]
    table = _native.section_table(sections)
    total = ALIGNMENT + len(table)
    buffers: list[Any] = [b""]
    for _, data in sections:
        size = len(data) if type(data) is bytes else memoryview(data).nbytes
        buffers.append(data)
        if padding := -size % ALIGNMENT:
            buffers.append(bytes(padding))
        total += size + padding
    head = _HEADER.pack(MAGIC, VERSION, len(sections), total)
    buffers[0] = head + _seal(head + table) + table
    return buffers


def read(container: memoryview) -> Parts:
    """Take a container apart.

    Raises:
        ResumeError: it is not one, is cut off, was written by a later format, or a byte of it
            is not what was written; names the section.
    """
    view = container.cast("B") if container.contiguous else memoryview(bytes(container))
    sealed, seal, sections = _native.sections(view, BLOCK)
    _check(sealed, seal)
    return _parts(sections)


def _check(sealed: bytes, seal: bytes) -> None:
    if seal != _seal(sealed):
        raise ResumeError("snapshot is damaged: its section table does not match its seal")


def _seal(sealed: bytes) -> bytes:
    """The rest of a header; ``sealed`` is what goes before it and the table."""
    return blake2b(sealed, digest_size=16).digest() + _SEAL_PADDING


def read_buffers(buffers: Sequence[Any]) -> Parts:
    """Take apart what `write` returned, without joining it; see `read` for errors."""
    views = [memoryview(buffer).cast("B") for buffer in buffers]
    sections = views[1:]
    count = len(views[0]) // ALIGNMENT - 1 if views else 0
    kept: list[memoryview] = []
    for _ in range(max(count, 0)):
        if not sections:
            raise ResumeError("snapshot is cut off: buffers are missing")
        kept.append(sections.pop(0))
        padding = -kept[-1].nbytes % ALIGNMENT
        if padding and (not sections or bytes(sections.pop(0)) != bytes(padding)):
            raise ResumeError("snapshot is damaged between two sections")
    if sections or not views:
        raise ResumeError("these are not the buffers of one snapshot")
    total = views[0].nbytes + sum(section.nbytes + -section.nbytes % ALIGNMENT for section in kept)
    sealed, seal, _ = _native.snapshot_head(views[0], total)
    _check(sealed, seal)
    table = sealed[_HEADER.size :]
    kinds = [kind for (kind,) in _KIND.iter_unpack(table)]
    if len(kinds) != count or _native.section_table(list(zip(kinds, kept, strict=True))) != table:
        raise ResumeError("snapshot is damaged: its sections are not what was written")
    return _parts(list(zip(kinds, kept, strict=True)))


def _parts(sections: Sequence[tuple[int, Any]]) -> Parts:
    if [kind for kind, _ in sections[:3]] != [CONTROL, OBJECTS, BLOCK_TABLE]:
        raise ResumeError("snapshot has no control, objects or block table")
    (_, control), (_, objects), (_, table), *rest = sections
    control, objects, table = bytes(control), bytes(objects), bytes(table)
    if not rest and table == _NO_BLOCKS:
        return Parts(control, objects)
    memories = [section for kind, section in rest if kind == BLOCK]
    more = {kind: bytes(section) for kind, section in rest[len(memories) :]}
    if len(rest) != len(memories) + len(more) or BLOCK in more:
        raise ResumeError("snapshot has sections that do not belong together")
    blocks = _blocks(table, memories)
    return Parts(control, objects, blocks, more.get(NOTES, b""), more.get(GLOBALS, b""))


def _blocks(table: bytes, memories: Sequence[Any]) -> tuple[Block, ...]:
    """The blocks, as their table describes them."""
    try:
        described = [(str(d["dtype"]), d["shape"], str(d["path"])) for d in json.loads(table)]
        blocks = tuple(
            Block(memory, dtype, tuple(map(int, shape)), path)
            for memory, (dtype, shape, path) in zip(memories, described, strict=True)
        )
    except NONSENSE as error:
        raise ResumeError(
            f"snapshot's block table does not describe its blocks: {wrong(error)}"
        ) from error
    return blocks
