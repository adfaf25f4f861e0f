"""Data that the program saves and loads itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sauerkraut.errors import CaptureError, ResumeError
from sauerkraut.objects import graph
from sauerkraut.storage import Array, Piece, Stream

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Provider:
    """One pair of functions of the program."""

    save: Callable[[], Mapping[str, Any]]
    load: Callable[[Mapping[str, Any]], object]


class Providers:
    """The providers of one rank, by name."""

    def __init__(self) -> None:
        self._of: dict[str, Provider] = {}

    @property
    def names(self) -> list[str]:
        """Their names, sorted."""
        return sorted(self._of)

    def add(
        self,
        name: str,
        save: Callable[[], Mapping[str, Any]],
        load: Callable[[Mapping[str, Any]], object],
    ) -> None:
        """Add one. Raises ValueError when the name is taken or no word."""
        if not NAME.fullmatch(name):
            raise ValueError(f"provide: {name!r} is no word of letters, digits, '_', '.' and '-'")
        if name in self._of:
            raise ValueError(f"provide: {name!r} is provided already")
        self._of[name] = Provider(save, load)

    def save(self, threshold: int) -> tuple[list[Stream], list[Array], list[graph.Frozen]]:
        """Call every ``save``; each provider is an object graph of its own.

        Raises:
            CaptureError: what one returned is no mapping or cannot be captured; names it.
        """
        streams: list[Stream] = []
        arrays: list[Array] = []
        frozen: list[graph.Frozen] = []
        for name in self.names:
            data = self._of[name].save()
            if not isinstance(data, Mapping):
                raise CaptureError(
                    f"provider {name!r} saved a {type(data).__name__}; return a dict of arrays "
                    "and values"
                )
            each = graph.freeze(
                [dict(data)],
                names=[f"provider {name!r}"].__getitem__,
                arrays="borrow",
                threshold=threshold,
            )
            frozen.append(each)
            streams.append(Stream(f"providers/{name}/objects", each.stream))
            arrays += [
                Array(f"providers/{name}/arrays/{i}", b.memory, b.dtype, b.shape, b.path)
                for i, b in enumerate(each.blocks)
            ]
        return streams, arrays, frozen

    def check(self, stored: list[str]) -> None:
        """Raise ResumeError unless the epoch has exactly these providers' data."""
        for name in sorted(set(stored) ^ set(self.names)):
            if name in stored:
                raise ResumeError(f"the epoch holds data of provider {name!r}: provide it again")
            raise ResumeError(f"the epoch holds no data of provider {name!r}: it was added since")

    def load(self, piece: Piece) -> None:
        """Call every ``load`` with what its ``save`` returned."""
        for name in self.names:
            stream, blocks = graph_parts(piece, f"providers/{name}/")
            data: Any = graph.thaw((stream, [block.memory for block in blocks]))[0]
            self._of[name].load(data)


def graph_parts(piece: Piece, prefix: str = "") -> tuple[Any, list[graph.Block]]:
    """The stream and the blocks of an object graph that lies below ``prefix``."""
    stream = next(each.data for each in piece.streams if each.name == f"{prefix}objects")
    start = f"{prefix}arrays/"
    numbered = {
        int(each.name[len(start) :]): graph.Block(
            memoryview(each.data), each.dtype, each.shape, each.path
        )
        for each in piece.arrays
        if each.name.startswith(start)
    }
    return stream, [numbered[i] for i in range(len(numbered))]
