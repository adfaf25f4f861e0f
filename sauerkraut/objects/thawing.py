"""What reconstructors share while one object graph is read."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sauerkraut._native import make_set
from sauerkraut.code import carried
from sauerkraut.errors import ResumeError
from sauerkraut.objects import own_attributes

if TYPE_CHECKING:
    from sauerkraut._native import Shells

logger = logging.getLogger(__name__)


class Thawing:
    """The state of reading one graph.

    Attributes:
        anchors: what each anchored name comes back as.
        memories: index of a memory -> array of its bytes, and the offset of its first byte.
        namespaces: globals dicts of no module, filled after the graph was read.
        classes: ids of those that were made.
        undefined: by id of a class that was made and has no attributes yet, instances and what
            their own ``__setstate__`` takes.
        taken: ids of definitions of this ``__main__`` that stand for the captured ones.
        last: what waits for every container to be filled; done when everything is read.
        on_changed: "raise" or "warn" when a file that was being read has changed.
        shells: generators that the control section describes; None where there is no such.
        handles: takes the handles of MPI that are to be made again; None: they are refused.
        actions: what touches the user's files; done by whoever asked, after everything is read.
    """

    def __init__(
        self,
        anchors: Mapping[str, object],
        memories: list[tuple[Any, int]],
        on_changed: str = "raise",
        shells: Shells | None = None,
        handles: object = None,
    ) -> None:
        self.anchors = anchors
        self.on_changed = on_changed
        self.memories = memories
        self.shells = shells
        self.handles = handles
        self.namespaces: dict[int, dict[str, object]] = {}
        self._sets: dict[int, tuple[object, object]] = {}
        self.classes: set[int] = set()
        self.undefined: dict[int, list[tuple[object, object]]] = {}
        self.taken: set[int] = set()
        self.last: list[Callable[[], object]] = []
        self.actions: list[Callable[[], object]] = []

    def find(self, name: Any) -> object:
        """`persistent_load` of the unpickler."""
        if isinstance(name, tuple):
            if name[0] == own_attributes.ATTRIBUTES:
                return own_attributes.of(name[1])
            return self._set(name)
        kind, _, rest = name.partition(" ")
        if kind == "module":
            try:
                return vars(importlib.import_module(rest))
            except ImportError as error:
                raise ResumeError(f"the globals of module {rest!r} are needed: {error}") from error
        if kind == "stream":
            return getattr(sys, rest)
        if kind == "program":
            return carried.namespace()
        if kind == "namespace":
            return self.namespaces.setdefault(int(rest), {})
        try:
            return self.anchors[rest]
        except KeyError:
            raise ResumeError(f"the object captured by the name {rest!r} is not given") from None

    def compare(self, file: str, status: os.stat_result, size: int, mtime_ns: int) -> None:
        """Refuse, or warn of, a file that is not as it was when the program was reading it.

        Raises:
            ResumeError: it has changed, and ``on_changed`` is "raise".
        """
        if (status.st_size, status.st_mtime_ns) == (size, mtime_ns):
            return
        then, now = f"{size} bytes", f"{status.st_size} bytes"
        if status.st_size == size:
            then, now = (f"written {_time(ns)}" for ns in (mtime_ns, status.st_mtime_ns))
        text = f"the file {file} has changed since the capture: {then} then, {now} now"
        if self.on_changed != "warn":
            raise ResumeError(f'{text}; on_changed="warn" of a Checkpointer allows it')
        logger.warning("%s", text)

    def _set(self, layout: tuple[Any, ...]) -> object:
        """The set that a layout describes: one for one layout, which the unpickler remembers."""
        entry = self._sets.get(id(layout))
        if entry is None:
            made = make_set(layout)
            if made is None:  # strings under another hash seed
                made = frozenset(layout[-1]) if layout[0] else set(layout[-1])
            entry = self._sets[id(layout)] = (layout, made)
        return entry[1]


def refuse_shorter(file: str, size: int, least: int) -> None:
    """Raise ResumeError when a file to be written has ``size`` bytes, and needs more."""
    if size < least:
        raise ResumeError(
            f"the file {file} is shorter than at the capture: {least} bytes are needed, "
            f"{size} are there"
        )


def _time(ns: int) -> str:
    return f"{datetime.fromtimestamp(ns / 1e9, UTC):%Y-%m-%d %H:%M:%S.%f} UTC"


class _Readings(threading.local):
    """The graphs that a thread is reading, one inside of the other."""

    def __init__(self) -> None:
        # By weak reference: one that an interrupt leaves behind here is gone with its reader.
        self.begun: list[weakref.ref[Thawing]] = []


_readings = _Readings()


def current() -> Thawing:
    """The graph that this thread is reading; reconstructors are called inside one only."""
    for reference in reversed(_readings.begun):
        if (thawing := reference()) is not None:
            return thawing
    raise ResumeError("an object graph of sauerkraut is read by graph.thaw only")


class Reading:
    """A context in which a graph is the `current` one of its thread."""

    __slots__ = ("_begun", "_depth", "_thawing")

    def __init__(self, thawing: Thawing) -> None:
        self._thawing = thawing
        self._begun = _readings.begun
        self._depth = len(self._begun)

    def __enter__(self) -> None:
        self._begun.append(weakref.ref(self._thawing))

    def __exit__(self, *_: object) -> None:
        del self._begun[self._depth :]
