"""Digests of file content in blocks of 4 MiB: XXH3-128, or keyed BLAKE2b where there is a key.

XXH3 finds damage at memory speed; it does not withstand an author of damage. That needs a key.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sauerkraut import _native
from sauerkraut.storage.disk import File

if TYPE_CHECKING:
    from typing_extensions import Buffer

BLOCK = 4 << 20
SIZE = 16
TABLE_SIZE = 32


def count(nbytes: int) -> int:
    """Digests of that many bytes."""
    return -(-nbytes // BLOCK)


def of(data: Buffer, key: bytes | None) -> bytes:
    """Digests of bytes in memory, joined."""
    if key is None:
        return _native.hash(data, BLOCK)
    view = _flat(data)
    return b"".join(
        hashlib.blake2b(view[start : start + BLOCK], digest_size=SIZE, key=key).digest()
        for start in range(0, len(view), BLOCK)
    )


def of_table(data: Buffer, key: bytes | None) -> bytes:
    """BLAKE2b-256 of a table, keyed where there is a key: then it is its authentication code."""
    return hashlib.blake2b(data, digest_size=TABLE_SIZE, key=key or b"").digest()


def write(file: File, offset: int, data: Buffer, key: bytes | None) -> bytes:
    """Write bytes and return their digests, joined."""
    if key is None:
        return file.write_hashed(offset, data, BLOCK)
    file.write(offset, data)
    return of(data, key)


def read(file: File, offset: int, memory: Buffer, key: bytes | None) -> tuple[int, bytes]:
    """Fill memory; returns how many bytes there were, and their digests."""
    if key is None:
        return file.read_hashed(offset, memory, BLOCK)
    got = file.read(offset, memory)
    return got, of(_flat(memory)[:got], key)


def scan(file: File, offset: int, nbytes: int, key: bytes | None) -> tuple[int, bytes]:
    """Read bytes of a file only to return how many there were, and their digests."""
    if key is None:
        return file.hash(offset, nbytes, BLOCK)
    memory = bytearray(min(nbytes, BLOCK))
    done, digests = 0, b""
    while done < nbytes:
        part = memoryview(memory)[: min(nbytes - done, BLOCK)]
        got = file.read(offset + done, part)
        done, digests = done + got, digests + of(part[:got], key)
        if got < len(part):
            break
    return done, digests


def _flat(data: Buffer) -> memoryview:
    view = memoryview(data)
    try:
        return view.cast("B")
    except TypeError:  # nothing in it, or elements Python has no letter for, such as complex
        return memoryview(view.tobytes())
