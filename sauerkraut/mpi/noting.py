"""Methods of mpi4py's classes that note how they were called: MPI tells no peer, tag or path.

Attributes of classes of C cannot be set; their dict, which the collector of garbage leads to, takes
other methods all the same. The former ones live on in those. Where that dict is not as we know it,
nothing is noted, and what nobody noted is refused by name.
"""

from __future__ import annotations

import ctypes
import gc
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

H = TypeVar("H")
N = TypeVar("N")


def replace(cls: type, factories: Mapping[str, Callable[[Any], Any]]) -> None:
    """Put other methods into a class of C, each made by a factory out of the one that is there."""
    found = [each for each in gc.get_referents(vars(cls)) if type(each) is dict]
    methods: dict[str, Any] = found[0] if len(found) == 1 else {}
    if not methods.keys() >= factories.keys():
        return
    methods |= {name: factory(methods[name]) for name, factory in factories.items()}
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(cls))


class Notes(Generic[H, N]):
    """What is known of handles that have no room for it, as long as their objects live."""

    def __init__(self) -> None:
        self._notes: dict[int, tuple[weakref.ref[H], N]] = {}

    def remember(self, handle: H, note: N) -> None:
        """Note this of ``handle``."""
        key = id(handle)

        def forget(_: object) -> None:
            self._notes.pop(key, None)

        self._notes[key] = (weakref.ref(handle, forget), note)

    def of(self, handle: H) -> N | None:
        """What was noted of ``handle``, or of another object that is the same handle."""
        found = self._notes.get(id(handle))
        if found is not None and found[0]() is handle:
            return found[1]
        same = (note for each, note in list(self._notes.values()) if each() == handle)
        return next(same, None)
