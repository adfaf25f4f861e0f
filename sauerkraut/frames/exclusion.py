"""Locals that are left out of a capture: replaced before anything touches them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import CellType

from sauerkraut import _native
from sauerkraut.frames.sentinels import EXCLUDED

Exclude = Iterable[str] | Mapping[str, Iterable[str]]
"""Names of locals in any frame, or qualified names of functions to such names."""

Frames = _native.Stack | _native.Generators

Cells = dict[int, tuple[CellType, CellType]]
"""By id of a cell: the cell, and the one that stands for it in all frames that share it."""


class Exclusion:
    """Which locals to leave out, of frames and of the generators that they lead to."""

    def __init__(self, exclude: Exclude) -> None:
        self._by_function: dict[str, set[str]] = {}
        self._everywhere: set[str] = set()
        if isinstance(exclude, Mapping):
            self._by_function = {name: set(names) for name, names in exclude.items()}
        else:
            self._everywhere = set(exclude)
        self._cells: Cells = {}
        self._met: set[str] = set()

    def apply(self, frames: Frames, index: int) -> list[str]:
        """Put `EXCLUDED` in place of the locals of one frame; returns their names."""
        code = frames.code(index)
        self._met.update(code.co_varnames, code.co_cellvars, code.co_freevars)
        names = self._by_function.get(code.co_qualname, self._everywhere)
        return hide(frames, index, names, EXCLUDED, self._cells) if names else []

    def check(self) -> None:
        """Raise KeyError for a name that is no local of the frames it was applied to."""
        wanted = self._everywhere.union(*self._by_function.values())
        if unknown := sorted(wanted - self._met):
            raise KeyError(
                f"no captured frame has a local {unknown}; they have {sorted(self._met)}"
            )


def hide(
    frames: Frames, index: int, names: Collection[str], stand_in: object, cells: Cells
) -> list[str]:
    """Put ``stand_in`` in place of those locals of a frame that have a value; their names."""
    code = frames.code(index)
    shared = {*code.co_cellvars, *code.co_freevars}
    hidden = []
    for slot, name, value in frames.bound(index):
        if name in names and not name.startswith("."):  # an argument of the compiler's own
            put = stand_in
            # A comprehension may hide a shared variable by a plain value.
            if name in shared and type(value) is CellType:
                _, put = cells.setdefault(id(value), (value, CellType(stand_in)))
            frames.set_slot(index, slot, put)
            hidden.append(name)
    return hidden


class Generators(_native.Generators):
    """Generators that the objects lead to, without the locals to leave out."""

    def __init__(self, stack: _native.Stack, exclusion: Exclusion) -> None:
        super().__init__(stack)
        self._exclusion = exclusion
        self.excluded: list[list[str]] = []
        """Names of the locals left out, by place."""

    def clear(self) -> None:
        """Forget those met so far."""
        super().clear()
        self.excluded.clear()

    def place_of(self, generator: object) -> int | None:
        """Its place, as of `_native.Generators`; what is left out of it is replaced at once."""
        place = super().place_of(generator)
        if place == len(self.excluded):
            self.excluded.append(self._exclusion.apply(self, place))
        return place
