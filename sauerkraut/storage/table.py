"""The user block of an HDF5 file: its table, its hash, and by being there its seal.

HDF5 leaves the first bytes of a file to others when asked to. Ours hold what every other byte is
and which hash it has, so that a restart reads with `pread` and libhdf5 never parses a byte that
was not checked. The exact form is in ``docs/format.md``.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import NoneType
from typing import Any

from sauerkraut.errors import CorruptCheckpoint, StorageError, UntrustedCheckpoint
from sauerkraut.nonsense import NONSENSE
from sauerkraut.storage import hashes
from sauerkraut.storage.piece import Place

MAGIC = b"\x93sauerkraut\r\n\x1a\n\0"
VERSION = 1
SMALLEST, LARGEST = 4096, 256 << 20
"""Bytes of a user block; the digests of 64 TiB fit into the largest."""
_PLAIN, _KEYED = 1, 2
_HEAD = struct.Struct("<16sIIQQQQQ16s16x")  # see Head
_KEY_ID_AT = struct.calcsize("<16sIIQQQQQ")
KEY_ID_SIZE = 16


@dataclass(frozen=True, slots=True)
class Head:
    """The fixed start of a user block; says how much of it there is to read."""

    version: int
    keyed: bool
    size: int
    """Of the user block: a power of two, as HDF5 asks for."""
    file_size: int
    text: int
    """Bytes of JSON after the head."""
    digests: int
    """Digests after the JSON."""
    key_id: bytes

    @classmethod
    def decode(cls, start: bytes, file_size: int) -> Head:
        """Read the first `HEAD_SIZE` bytes of a file; anything odd raises CorruptCheckpoint."""
        if not any(start):
            raise CorruptCheckpoint("has no seal: it was never finished")
        if len(start) < HEAD_SIZE:
            raise CorruptCheckpoint(f"has {len(start)} bytes, too few for its table")
        magic, version, kind, size, recorded, _, text, digests, key_id = _HEAD.unpack(start)
        if magic != MAGIC:
            raise CorruptCheckpoint("does not start as a sauerkraut file")
        if recorded != file_size:
            raise CorruptCheckpoint(f"has {file_size} bytes, not {recorded}")
        if not SMALLEST <= size <= min(LARGEST, file_size) or size & (size - 1):
            raise CorruptCheckpoint("has a table that cannot be")
        if version == VERSION and kind not in (_PLAIN, _KEYED):
            raise CorruptCheckpoint("has a table of no known kind")
        return cls(version, kind == _KEYED, size, file_size, text, digests, key_id)


HEAD_SIZE = _HEAD.size


@dataclass(frozen=True, slots=True)
class Extent:
    """A run of bytes in a file. All that are not empty tile it from the user block to its end."""

    offset: int
    nbytes: int
    digests: bytes
    name: str | None = None
    """Path of the dataset; None: HDF5's own bytes, and the gaps between datasets."""
    dtype: str | None = None
    """None: a byte stream."""
    shape: tuple[int, ...] | None = None
    path: str = ""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Content of a user block."""

    header: dict[str, Any]
    """What the file is: kind, epoch, attempt, ...: JSON values."""
    extents: tuple[Extent, ...]

    def encode(self, size: int, file_size: int, key: bytes | None) -> bytes | None:
        """Return the user block of ``size`` bytes; None when the table does not fit."""
        text = json.dumps(
            {**self.header, "extents": [_described(extent) for extent in self.extents]},
            separators=(",", ":"),
        ).encode()
        digests = b"".join(extent.digests for extent in self.extents)
        head = _HEAD.pack(
            MAGIC,
            VERSION,
            _PLAIN if key is None else _KEYED,
            size,
            file_size,
            hashes.BLOCK,
            len(text),
            len(digests) // hashes.SIZE,
            key_id(key),
        )
        body = head + text + digests
        if len(body) + hashes.TABLE_SIZE > size:
            return None
        body = body.ljust(size - hashes.TABLE_SIZE, b"\0")
        return body + hashes.of_table(body, key)

    @classmethod
    def decode(cls, block: bytes, head: Head, key: bytes | None) -> Table:
        """Check and read a whole user block.

        Args:
            block: ``head.size`` bytes, or fewer when the file has no more.
            head: Decoded from its start.
            key: For a keyed block; None reads it unchecked.

        Raises:
            UntrustedCheckpoint: it was written with another key.
            CorruptCheckpoint: its hash is wrong, or what is in it cannot be.
            StorageError: its hash is right, and a later sauerkraut wrote it: no damage, and no
                reason to fall back.
        """
        if len(block) != head.size:
            raise CorruptCheckpoint("ends inside its table")
        body, digest = block[: -hashes.TABLE_SIZE], block[-hashes.TABLE_SIZE :]
        if head.keyed and key is not None and head.key_id != key_id(key):
            # The hash is right but for the id: our key wrote it, and the id was damaged since.
            ours = body[:_KEY_ID_AT] + key_id(key) + body[_KEY_ID_AT + KEY_ID_SIZE :]
            if hashes.of_table(ours, key) == digest:
                raise CorruptCheckpoint("has a table whose key id is wrong")
            raise UntrustedCheckpoint("was written with another key")
        unchecked = head.keyed and key is None
        if not unchecked and hashes.of_table(body, key if head.keyed else None) != digest:
            raise CorruptCheckpoint("has a table whose hash is wrong")
        if head.version != VERSION:
            raise StorageError(
                f"has format {head.version}, this sauerkraut reads up to {VERSION}: "
                "read it with the one that wrote it"
            )
        return cls._parse(body, head)

    @classmethod
    def _parse(cls, body: bytes, head: Head) -> Table:
        if HEAD_SIZE + head.text + head.digests * hashes.SIZE > len(body):
            raise CorruptCheckpoint("has a table that cannot be")
        try:
            header = json.loads(body[HEAD_SIZE : HEAD_SIZE + head.text])
            digests = body[HEAD_SIZE + head.text :][: head.digests * hashes.SIZE]
            extents = []
            for described in header.pop("extents"):
                extent, digests = _extent(described, digests)
                extents.append(extent)
            _must_tile(extents, head.size, head.file_size)
        except NONSENSE as error:
            raise CorruptCheckpoint(f"has a table that cannot be read: {error}") from error
        return cls(header, tuple(extents))


def key_id(key: bytes | None) -> bytes:
    """Tell keys apart without giving them away; zeros for none."""
    return bytes(KEY_ID_SIZE) if key is None else hashes.of(b"sauerkraut key id", key)


def _must_tile(extents: list[Extent], start: int, end: int) -> None:
    for extent in sorted(extents, key=lambda extent: extent.offset):
        if extent.nbytes == 0:
            continue
        if extent.offset != start:
            raise ValueError("extents overlap or leave a gap")
        start += extent.nbytes
    if start != end:
        raise ValueError("extents do not reach the end of the file")


def _described(extent: Extent) -> dict[str, Any]:
    described: dict[str, Any] = {"offset": extent.offset, "nbytes": extent.nbytes}
    if extent.name is not None:
        described["name"] = extent.name
    if extent.dtype is not None:
        described |= {"dtype": extent.dtype, "shape": extent.shape, "path": extent.path}
    if extent.place is not None:
        described["place"] = asdict(extent.place)
    return described


def _extent(described: dict[str, Any], digests: bytes) -> tuple[Extent, bytes]:
    nbytes = int(described["nbytes"])
    mine = hashes.count(nbytes) * hashes.SIZE
    if nbytes < 0 or mine > len(digests):
        raise ValueError("digests are missing")
    name, dtype = described.get("name"), described.get("dtype")
    if not all(isinstance(each, (str, NoneType)) for each in (name, dtype)):
        raise TypeError("a name that is no text")
    shape = None if dtype is None else tuple(map(int, described["shape"]))
    return (
        Extent(
            offset=int(described["offset"]),
            nbytes=nbytes,
            digests=digests[:mine],
            name=name,
            dtype=dtype,
            shape=shape,
            path=str(described.get("path", "")),
            place=place_of(described.get("place"), shape or ()),
        ),
        digests[mine:],
    )


def place_of(described: Mapping[str, Any] | None, extent: tuple[int, ...]) -> Place | None:
    """Read the JSON of the place of a block; what raises `NONSENSE` is none.

    Args:
        described: As `dataclasses.asdict` gives it.
        extent: Shape of the block.
    """
    if described is None:
        return None
    place = Place(
        str(described["array"]),
        tuple(map(int, described["start"])),
        tuple(map(int, described["shape"])),
    )
    for start, length, whole in zip(place.start, extent, place.shape, strict=True):
        if not 0 <= start <= start + length <= whole:
            raise ValueError(f"a block of {place.array} lies outside of it")
    return place
