"""The program a frame of the seed's API belongs to: what of it travels, and where it lands.

Frames find their globals by reference. What a process that never saw the program needs beside the
frame travels in notes: the source of modules, when asked for, and the values of the globals that
code of ``__main__`` names, as they are when the frame is serialized.
"""

from __future__ import annotations

import builtins
import contextlib
import inspect
import json
import logging
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import CodeType, FunctionType, ModuleType
from typing import Any

from sauerkraut.code import fingerprint, reference
from sauerkraut.code.reference import CodeReference
from sauerkraut.errors import CaptureError, ResumeError
from sauerkraut.nonsense import NONSENSE, wrong
from sauerkraut.objects import graph

logger = logging.getLogger(__name__)

PROCESS = os.urandom(8).hex()
"""Tells this process, and those forked from it, from all others."""

_INLINE = 1 << 62  # no memory is larger: arrays stay inside the stream
_PRIVATE = "__main_of_"
_OF_MODULE = ("name", "file", "package", "source")  # what is told of each, as text or None
_resuming_main = threading.RLock()


class ImmutablesMissingError(ResumeError, RuntimeError):
    """The frame was serialized with ``exclude_immutables``, by another process."""


# --- in the process that serializes -----------------------------------------------------------


def is_main(module: str | None) -> bool:
    """Whether a module is a program's ``__main__``: this one's, or one rebuilt here."""
    return module is not None and (module == "__main__" or module.startswith(_PRIVATE))


def describe(modules: Iterable[str | None], *, source: bool) -> dict[str, Any]:
    """The notes on the modules of captured frames.

    Raises:
        CaptureError: ``source`` is asked for, and a module has none.
    """
    names = dict.fromkeys(name for name in modules if name is not None)
    rows = [_row(name, source=source) for name in names if source or is_main(name)]
    return {"process": PROCESS, "modules": rows}


def _row(name: str, *, source: bool) -> dict[str, Any]:
    module = sys.modules[name]
    row = {
        "name": name,
        "file": getattr(module, "__file__", None),
        "package": getattr(module, "__package__", None),
        "source": None,
    }
    if source:
        try:
            row["source"] = inspect.getsource(module)
        except (OSError, TypeError) as error:
            raise CaptureError(
                f"the source of module {name!r} cannot be read: {error}; "
                "serialize without capture_module_source"
            ) from error
    return row


def globals_of(codes: Sequence[CodeType], module: str) -> dict[str, object]:
    """The globals of a module that ``codes`` name, and those that the functions found name."""
    namespace = vars(sys.modules[module])
    found: dict[str, object] = {}
    pending = list(codes)
    seen: set[int] = set()
    while pending:
        code = pending.pop()
        if id(code) in seen:
            continue
        seen.add(id(code))
        pending += [each for each in code.co_consts if isinstance(each, CodeType)]
        for name in code.co_names:
            if name in namespace and name not in found and not name.startswith("__"):
                found[name] = namespace[name]
                pending += _codes_in(namespace[name], namespace)
    return found


def _codes_in(value: object, namespace: Mapping[str, object]) -> Iterator[CodeType]:
    held = [value, getattr(value, "__wrapped__", None)]
    if isinstance(value, type):
        held += [each for base in value.__mro__ for each in vars(base).values()]
    for each in held:
        for function in (each, getattr(each, "__func__", None), getattr(each, "fget", None)):
            if isinstance(function, FunctionType) and function.__globals__ is namespace:
                yield function.__code__


def freeze_globals(values: Mapping[str, object], shared: Sequence[object]) -> bytes:
    """The values as a stream; one that cannot be captured is left out with a warning.

    ``shared`` are objects of the frames: where a global is one, it will be the frame's.
    """
    anchors = {str(index): each for index, each in enumerate(shared)}

    def freeze(part: Mapping[str, object]) -> bytes:
        names = "the globals".format
        return graph.freeze(
            [dict(part)], names=names, anchors=anchors, threshold=_INLINE, carry_main=True
        ).stream

    try:
        return freeze(values)
    except CaptureError:
        kept = {}
        for name, value in values.items():
            try:
                freeze({name: value})
            except CaptureError as error:
                logger.warning("global %s does not travel with the frame: %s", name, error)
            else:
                kept[name] = value
        return freeze(kept)


# --- in the process that resumes --------------------------------------------------------------


def reconstruct(notes: Mapping[str, Any]) -> None:
    """Make the modules whose source travelled and that are not imported here; run that source.

    Raises:
        ResumeError: the source of a module failed; the module is not there then.
    """
    for row in notes.get("modules", ()):
        if row["source"] is None or row["name"] in sys.modules:
            continue
        _run_source(row["name"], row)


def _run_source(name: str, row: Mapping[str, Any]) -> ModuleType:
    module = _new_module(name, row)
    try:
        code = compile(row["source"], row["file"] or f"<{name}>", "exec", dont_inherit=True)
        exec(code, vars(module))
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, Exception):
            raise
        raise ResumeError(f"the source of module {name!r} failed: {error!r}") from error
    return module


class _Source(Loader):
    """A module's ``__loader__``: from it tracebacks and ``inspect`` get the source."""

    def __init__(self, source: str) -> None:
        self._source = source

    def get_source(self, _: str) -> str:
        return self._source


def _new_module(name: str, row: Mapping[str, Any]) -> ModuleType:
    module = ModuleType(name)
    module.__file__ = row["file"]
    vars(module)["__builtins__"] = builtins  # importing in C looks for it
    module.__package__ = row.get("package")
    if row["source"] is not None:
        loader = _Source(row["source"])
        module.__spec__ = ModuleSpec(name, loader, origin=row["file"])
        vars(module)["__loader__"] = loader
    sys.modules[name] = module
    return module


def same_process(notes: Mapping[str, Any]) -> bool:
    """Whether this process serialized the frame."""
    return bool(notes.get("process") == PROCESS)


def foreign_main(notes: Mapping[str, Any], references: Iterable[CodeReference]) -> str | None:
    """Name of the ``__main__`` in the notes that is not the one here; None: there is none.

    A function of the same name and bytecode tells that the same program runs here.
    """
    rows = [row["name"] for row in notes.get("modules", ()) if is_main(row["name"])]
    if not rows or same_process(notes):
        return None
    if rows != ["__main__"]:
        return str(next(name for name in rows if name != "__main__"))
    of_main = [ref for ref in references if ref.module == "__main__"]
    for ref in of_main:
        code = reference.nearest(ref)
        if code is None or fingerprint.of(code) != ref.fingerprint:
            return "__main__"
    return None if of_main else "__main__"


def private_main(notes: Mapping[str, Any], name: str, *, run_source: bool) -> tuple[str, bool]:
    """The private module that stands for a ``__main__`` of another program, and if it is new."""
    private = name if name != "__main__" else f"{_PRIVATE}{notes['process']}"
    if private in sys.modules:
        return private, False
    row = next(row for row in notes["modules"] if row["name"] == name)
    if row["source"] is not None and run_source:
        _run_source(private, row)
        return private, False
    _new_module(private, row)
    return private, True


@contextlib.contextmanager
def as_main(private: str | None) -> Iterator[None]:
    """While code and objects are read, let ``__main__`` be the private module.

    Names in a snapshot say ``__main__``; unpickling, too, looks there. Other threads that look
    at ``sys.modules["__main__"]`` meanwhile see it as well, nothing else of it is shared.
    """
    if private is None:
        yield
        return
    with _resuming_main:
        ours = sys.modules["__main__"]
        sys.modules["__main__"] = sys.modules[private]
        try:
            yield
        finally:
            sys.modules["__main__"] = ours


def thaw_globals(stream: bytes, shared: Sequence[object], private: str) -> None:
    """Give the private module the globals that travelled, but those it has already."""
    anchors = {str(index): each for index, each in enumerate(shared)}
    (values,) = graph.thaw((stream, ()), anchors=anchors)
    assert isinstance(values, dict)
    for name, value in values.items():
        vars(sys.modules[private]).setdefault(name, value)


def read_notes(text: bytes) -> dict[str, Any]:
    """The notes of a container. Raises ResumeError when they are not ours."""
    try:
        notes = dict(json.loads(text or b"{}"))
        rows = [{key: row[key] for key in _OF_MODULE} for row in notes.get("modules", ())]
        process, *names = [notes.get("process"), *(row["name"] for row in rows)]
        texts = [each for row in rows for each in row.values() if each is not None]
    except NONSENSE as error:
        raise ResumeError(f"the notes of the frame are damaged: {wrong(error)}") from error
    if not all(isinstance(each, str) for each in (*names, *texts)):
        raise ResumeError("the notes of the frame are damaged: a module has no name")
    if names and not isinstance(process, str):
        raise ResumeError("the notes of the frame are damaged: they name no process")
    return {**notes, "modules": rows}
