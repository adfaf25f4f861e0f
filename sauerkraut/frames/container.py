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
from sauerkraut.objects.graph import Block

MAGIC = b"SAUERKRT"
VERSION = 1
ALIGNMENT = 64

CONTROL, OBJECTS, BLOCK_TABLE, BLOCK, NOTES, GLOBALS = 1, 2, 3, 4, 5, 6

_HEADER = struct.Struct("<8sIIQ")
_ENTRY = struct.Struct("<IIQQ16s")
_WHOLE = 1 << 62
_NO_BLOCKS = b"[]"


class Parts(NamedTuple):
    """The sections of a container; the blocks are views of the buffers they were read from."""

    control: bytes
    objects: bytes
    blocks: tuple[Block, ...]
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
    offset = _aligned(ALIGNMENT * (1 + len(sections)))
    table = bytearray()
    buffers: list[Any] = []
    for kind, data in sections:
        size = memoryview(data).nbytes
        entry = _ENTRY.pack(kind, 0, offset, size, _native.hash(data, _WHOLE))
        table += entry.ljust(ALIGNMENT, b"\0")
        padding = _aligned(size) - size
        buffers.append(data)
        if padding:
            buffers.append(bytes(padding))
        offset += size + padding
    head = _HEADER.pack(MAGIC, VERSION, len(sections), offset)
    seal = blake2b(head + bytes(table), digest_size=16).digest()
    return [(head + seal).ljust(ALIGNMENT, b"\0") + bytes(table), *buffers]


def read(container: memoryview) -> Parts:
    """Take a container apart.

    Raises:
        ResumeError: it is not one, is cut off, was written by a later format, or a byte of it
            is not what was written; names the section.
    """
    view = container.cast("B") if container.contiguous else memoryview(bytes(container))
    table = _sealed_table(view, view.nbytes)
    position = ALIGNMENT + table.nbytes
    sections: list[tuple[int, memoryview]] = []
    for index in range(table.nbytes // ALIGNMENT):
        kind, section = _section(view, table, index)
        end = position + section.nbytes
        position = _aligned(end)
        if end != position and bytes(view[end:position]).strip(b"\0"):
            raise ResumeError("snapshot is damaged between two sections")
        sections.append((kind, section))
    return _parts(sections)


def _sealed_table(head: memoryview, actual: int) -> memoryview:
    """The section table of a container of ``actual`` bytes, its seal verified."""
    if head.nbytes < ALIGNMENT:
        raise ResumeError(f"a snapshot has at least {ALIGNMENT} bytes, this has {head.nbytes}")
    magic, version, count, total = _HEADER.unpack_from(head)
    if magic != MAGIC:
        raise ResumeError("not a snapshot: the first bytes are not SAUERKRT")
    if version != VERSION:
        raise ResumeError(f"snapshot of format {version}; this version reads format {VERSION}")
    end = ALIGNMENT * (1 + count)
    if total != actual or end > head.nbytes:
        raise ResumeError(f"snapshot of {total} bytes is cut off or mixed up: {actual} bytes")
    fields, seal = bytes(head[: _HEADER.size]), bytes(head[_HEADER.size : ALIGNMENT])
    table = head[ALIGNMENT:end]
    expected = blake2b(fields + bytes(table), digest_size=16).digest()
    if seal != expected.ljust(ALIGNMENT - _HEADER.size, b"\0"):
        raise ResumeError("snapshot is damaged: its section table does not match its seal")
    return table


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
        padding = _aligned(kept[-1].nbytes) - kept[-1].nbytes
        if padding and (not sections or bytes(sections.pop(0)) != bytes(padding)):
            raise ResumeError("snapshot is damaged between two sections")
    if sections or not views:
        raise ResumeError("these are not the buffers of one snapshot")
    total = views[0].nbytes + sum(_aligned(section.nbytes) for section in kept)
    table = _sealed_table(views[0], total)
    offset = views[0].nbytes
    found: list[tuple[int, memoryview]] = []
    for index, section in enumerate(kept):
        kind, _, start, size, digest = _ENTRY.unpack_from(table, index * ALIGNMENT)
        if (start, size) != (offset, section.nbytes) or _native.hash(section, _WHOLE) != digest:
            raise ResumeError(f"snapshot is damaged: section {index} is not what was written")
        found.append((kind, section))
        offset += _aligned(size)
    return _parts(found)


def _section(view: memoryview, table: memoryview, index: int) -> tuple[int, memoryview]:
    kind, _, offset, size, digest = _ENTRY.unpack_from(table, index * ALIGNMENT)
    if offset + size > view.nbytes or offset < table.nbytes:
        raise ResumeError(f"snapshot is damaged: section {index} lies outside of it")
    section = view[offset : offset + size]
    if _native.hash(section, _WHOLE) != digest:
        raise ResumeError(f"snapshot is damaged: section {index} is not what was written")
    return kind, section


def _parts(sections: Sequence[tuple[int, memoryview]]) -> Parts:
    if [kind for kind, _ in sections[:3]] != [CONTROL, OBJECTS, BLOCK_TABLE]:
        raise ResumeError("snapshot has no control, objects or block table")
    description = bytes(sections[2][1])
    if len(sections) == 3 and description == _NO_BLOCKS:
        return Parts(bytes(sections[0][1]), bytes(sections[1][1]), ())
    described = json.loads(description)
    blocks = [section for kind, section in sections[3:] if kind == BLOCK]
    more = {kind: bytes(section) for kind, section in sections[3 + len(blocks) :]}
    if len(blocks) != len(described) or len(sections) != 3 + len(blocks) + len(more):
        raise ResumeError("snapshot's block table does not match its blocks")
    return Parts(
        bytes(sections[0][1]),
        bytes(sections[1][1]),
        tuple(
            Block(memory, d["dtype"], tuple(d["shape"]), d["path"])
            for memory, d in zip(blocks, described, strict=True)
        ),
        more.get(NOTES, b""),
        more.get(GLOBALS, b""),
    )


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
