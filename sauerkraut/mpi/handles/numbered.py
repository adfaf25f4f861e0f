"""Handles of one family that all members have to make together, numbered as they are met."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sauerkraut.mpi.handles.members import Members
from sauerkraut.objects.freezing import refuse

if TYPE_CHECKING:
    from sauerkraut.mpi.handles.table import Table


class Numbered:
    """The handles of a family that one capture met.

    Args:
        table: Knows which of them are refused.
        family: Their class.
        describe: What a handle says of itself.
    """

    def __init__(self, table: Table, family: type, describe: Callable[[Any, Members], Any]) -> None:
        self._table = table
        self._family = family
        self._describe = describe
        self.clear()

    def clear(self) -> None:
        """Forget them."""
        self.handles: list[Any] = []
        self.descriptions: dict[int, Any] = {}
        self._numbers: dict[int, int] = {}

    def number_of(self, handle: Any) -> int:
        """The number of a handle on this rank.

        Raises:
            CaptureError: it cannot come back; says why.
        """
        key = handle.handle
        if (reason := self._table.refused.get((self._family, key))) is not None:
            raise refuse(handle, reason)
        if key not in self._numbers:
            self._numbers[key] = len(self.handles)
            self.handles.append(handle)
        return self._numbers[key]

    def description_of(self, number: int) -> Any:
        """What handle ``number`` is, asked once."""
        if number not in self.descriptions:
            described = self._describe(self.handles[number], self._table.members)
            self.descriptions[number] = described
        return self.descriptions[number]

    def signatures(self) -> list[Any]:
        """What is equal on all members, by number."""
        return [self.descriptions[number].signature for number in range(len(self.handles))]
