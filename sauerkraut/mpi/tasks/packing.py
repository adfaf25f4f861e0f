"""Many byte strings in few streams of a shard: small ones together, each large one by itself."""

from __future__ import annotations

from typing import Any

from sauerkraut.errors import CorruptCheckpoint
from sauerkraut.storage import Shard, Stream

SMALL = 64 << 10
"""Bytes up to which it is put together with others."""
PACK = 4 << 20
"""Bytes from which the next one begins."""

Place = tuple[str, int, int]
"""Name of the stream, the first byte in it, and how many."""


def place_of(values: Any) -> Place:
    """Read a place that went through JSON. Raises ValueError or TypeError when it is none."""
    name, first, length = values
    place = str(name), int(first), int(length)
    if min(place[1:]) < 0:
        raise ValueError(f"{values!r} is no place in a stream")
    return place


class Packing:
    """Takes what is to be stored.

    Args:
        prefix: Of the names of the streams.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._packs: list[bytearray] = []
        self._large: list[Stream] = []

    def put(self, name: str, data: bytes) -> Place:
        """Store ``data``, by itself as ``name`` if it is large; where it can be found."""
        if len(data) > SMALL:
            self._large.append(Stream(f"{self._prefix}/{name}", data))
            return self._large[-1].name, 0, len(data)
        if not self._packs or len(self._packs[-1]) >= PACK:
            self._packs.append(bytearray())
        pack = self._packs[-1]
        place = self._name(len(self._packs) - 1), len(pack), len(data)
        pack += data
        return place

    def streams(self) -> list[Stream]:
        """All that was put."""
        packs = (Stream(self._name(i), bytes(pack)) for i, pack in enumerate(self._packs))
        return [*packs, *self._large]

    def _name(self, number: int) -> str:
        return f"{self._prefix}/packs/{number}"


class Unpacking:
    """Finds again what was put into a shard; it reads each pack once."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self._packs: dict[str, memoryview] = {}

    def get(self, place: Place) -> bytes:
        """The bytes at a place. Raises as `Shard.stream`."""
        name, first, length = place
        pack = self._packs.get(name)
        if pack is None:
            pack = self.whole(name)
            if length < pack.nbytes:
                self._packs[name] = pack
        data = bytes(pack[first : first + length])
        if len(data) != length:
            raise CorruptCheckpoint(f"{self._shard.path}: {name} is shorter than its index says")
        return data

    def whole(self, name: str) -> memoryview:
        """A stream or array in memory of its own. Raises as `Shard.stream`."""
        try:
            return self._shard.stream(name)
        except KeyError:
            raise CorruptCheckpoint(f"{self._shard.path} holds no {name}") from None
