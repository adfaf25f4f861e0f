"""Data that the program saves and loads itself."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sauerkraut.checkpoint.blocks import Block, Held
from sauerkraut.errors import CaptureError, ResumeError
from sauerkraut.nonsense import NONSENSE
from sauerkraut.objects import graph
from sauerkraut.storage import Array, Piece, Stream, dtypes

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

LARGEST = 1 << 63
"""Integers from this on are told to no other rank."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One pair of functions of the program."""

    save: Callable[[], Mapping[str, Any]]
    load: Callable[[Mapping[str, Any]], object] | None
    layout: Block | Mapping[str, Block] | None = None

    def layouts(self, data: Mapping[str, Any]) -> dict[str, Block]:
        """Which of the values that were saved are blocks, and of which layout."""
        if self.layout is None:
            return {}
        if isinstance(self.layout, Block):
            return {key: self.layout for key, value in data.items() if _has_axes(value)}
        return dict(self.layout)


@dataclass(frozen=True, slots=True)
class Saved:
    """What the providers of one rank put into an epoch."""

    streams: list[Stream]
    arrays: list[Array]
    frozen: list[graph.Frozen]
    """To be released."""
    held: dict[str, Held]
    """The blocks among the arrays, by the name of what all ranks hold together."""
    numbers: dict[str, float]
    """Those that are saved beside blocks, by name."""


class Providers:
    """The providers of one rank, by name."""

    def __init__(self) -> None:
        self._of: dict[str, Provider] = {}

    @property
    def names(self) -> list[str]:
        """Their names, sorted."""
        return sorted(self._of)

    @property
    def with_layout(self) -> list[str]:
        """The names of those that save blocks of arrays."""
        return [name for name in self.names if self._of[name].layout is not None]

    def add(
        self,
        name: str,
        save: Callable[[], Mapping[str, Any]],
        load: Callable[[Mapping[str, Any]], object] | None,
        layout: Block | Mapping[str, Block] | None = None,
    ) -> None:
        """Add one. Raises ValueError when the name is taken or no word."""
        if not NAME.fullmatch(name):
            raise ValueError(f"provide: {name!r} is no word of letters, digits, '_', '.' and '-'")
        if name in self._of:
            raise ValueError(f"provide: {name!r} is provided already")
        if load is None and layout is None:
            raise TypeError(f"provide: {name!r} without a layout needs load")
        blocks = layout.values() if isinstance(layout, Mapping) else [layout]
        if layout is not None and not all(isinstance(block, Block) for block in blocks):
            raise TypeError(f"provide: the layout of {name!r} is a Block, or a dict of Blocks")
        self._of[name] = Provider(
            save, load, dict(layout) if isinstance(layout, Mapping) else layout
        )

    def save(self, threshold: int) -> Saved:
        """Call every ``save``; each provider is an object graph of its own.

        Raises:
            CaptureError: what one returned is no mapping or cannot be captured; names it.
        """
        saved = Saved([], [], [], {}, {})
        for name in self.names:
            data = self._of[name].save()
            if not isinstance(data, Mapping):
                raise CaptureError(
                    f"provider {name!r} saved a {type(data).__name__}; return a dict of arrays "
                    "and values"
                )
            blocks = {
                key: _block(name, key, data, block)
                for key, block in self._of[name].layouts(data).items()
            }
            each = graph.freeze(
                [{key: None if key in blocks else value for key, value in data.items()}],
                names=[f"provider {name!r}"].__getitem__,
                arrays="borrow",
                threshold=threshold,
            )
            saved.frozen.append(each)
            saved.streams.append(Stream(f"providers/{name}/objects", each.stream))
            saved.arrays.extend(
                Array(f"providers/{name}/arrays/{i}", b.memory, b.dtype, b.shape, b.path)
                for i, b in enumerate(each.blocks)
            )
            for array, held in blocks.values():
                saved.arrays.append(array)
                saved.held[held.array] = held
            if self._of[name].layout is not None:
                saved.numbers.update(_numbers(name, data))
        return saved

    def check(self, stored: list[str]) -> None:
        """Raise ResumeError unless the epoch has exactly these providers' data."""
        for name in sorted(set(stored) ^ set(self.names)):
            if name in stored:
                raise ResumeError(f"the epoch holds data of provider {name!r}: provide it again")
            raise ResumeError(f"the epoch holds no data of provider {name!r}: it was added since")

    def load(self, piece: Piece) -> None:
        """Call every ``load`` with what its ``save`` returned."""
        for name in self.names:
            load = self._of[name].load
            if load is None:
                continue
            stream, blocks = graph_parts(piece, f"providers/{name}/")
            values: list[Any] = graph.thaw((stream, [block.memory for block in blocks]))
            if [type(value) for value in values] != [dict]:
                raise ResumeError(f"the epoch holds no data of provider {name!r}: it is no dict")
            (data,) = values
            start = f"providers/{name}/blocks/"
            for array in piece.arrays:
                if array.name.startswith(start):
                    data[array.name.removeprefix(start)] = _read(array)
            load(data)


def _has_axes(value: object) -> bool:
    """Whether it is an array; one without axes is a number."""
    numpy = sys.modules.get("numpy")  # who has an array imported it
    return numpy is not None and isinstance(value, numpy.ndarray) and value.ndim > 0


def _numbers(provider: str, data: Mapping[Any, Any]) -> dict[str, float]:
    """What every reader of a manifest understands of what was saved, NumPy's as Python's."""
    numpy = sys.modules.get("numpy")
    found: dict[str, float] = {}
    for key, value in data.items():
        if not isinstance(key, str) or not NAME.fullmatch(key):
            continue
        known: Any = value
        if numpy is not None and isinstance(value, (numpy.generic, numpy.ndarray)):
            known = value.item() if value.ndim == 0 else None
        if type(known) is float or (type(known) in (int, bool) and abs(known) < LARGEST):
            found[f"{provider}/{key}"] = known
    return found


def _block(provider: str, key: Any, data: Mapping[str, Any], layout: Block) -> tuple[Array, Held]:
    """What is stored of a block, and told to the other ranks."""
    import numpy as np

    what = f"provider {provider!r}: {key!r}"
    value = data.get(key)
    if not isinstance(key, str) or not NAME.fullmatch(key):
        raise CaptureError(f"{what} has a layout: its key must be a word of letters and digits")
    if type(value) not in (np.ndarray, np.memmap):
        kind = type(value).__name__ if key in data else "nothing"
        raise CaptureError(f"{what} has a layout: save a NumPy array of it, not {kind}")
    block: np.ndarray[Any, Any] = np.asarray(value, order="C")
    try:
        dtype, axis = dtypes.text(block.dtype), layout.along(block.shape)
    except ValueError as error:
        raise CaptureError(f"{what} cannot be stored by its layout: {error}") from error
    array = f"{provider}/{key}"
    memory = block.reshape(-1).view(np.uint8).data
    stored = Array(f"providers/{provider}/blocks/{key}", memory, dtype, block.shape, array)
    whole = layout.shape or ()
    return stored, Held(array, dtype, block.shape, axis, layout.start or (), whole)


def _read(array: Array) -> Any:
    """The block that was stored, over the memory it was read into."""
    import numpy as np

    try:
        elements = np.frombuffer(memoryview(array.data), dtypes.parse(array.dtype))
        return elements.reshape(array.shape)
    except NONSENSE as error:
        raise ResumeError(f"{array.path} of the epoch is no array: {error}") from error


def graph_parts(piece: Piece, prefix: str = "") -> tuple[Any, list[graph.Block]]:
    """The stream and the blocks of an object graph that lies below ``prefix``.

    Raises:
        ResumeError: it is not there, or one of its blocks is not.
    """
    streams = [each.data for each in piece.streams if each.name == f"{prefix}objects"]
    start = f"{prefix}arrays/"
    named = {
        each.name.removeprefix(start): graph.Block(
            memoryview(each.data), each.dtype, each.shape, each.path
        )
        for each in piece.arrays
        if each.name.startswith(start)
    }
    try:
        return streams[0], [named[str(i)] for i in range(len(named))]
    except LookupError as error:
        raise ResumeError(f"the epoch lacks {prefix}objects, or an array of them") from error
