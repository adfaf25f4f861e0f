"""The data that project modules hold in globals: part of what the frames on the stack work on."""

from __future__ import annotations

import importlib
import logging
import sys
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from sauerkraut._native import Generators
from sauerkraut.errors import CaptureError, ResumeError
from sauerkraut.objects import graph
from sauerkraut.objects.project import is_project
from sauerkraut.objects.reducers.definitions import names_in

logger = logging.getLogger(__name__)

_NO_DATA = (
    type,
    types.BuiltinFunctionType,
    types.FunctionType,
    types.MethodType,
    types.ModuleType,
)
_ATOMS = (bool, bytes, complex, float, int, str, type(None))

_told: set[str] = set()


def collect(
    owners: Iterable[str],
    modules: Literal["auto", "none"] | Sequence[str] = "auto",
    *,
    anchors: Mapping[str, object] | None = None,
) -> dict[str, dict[str, object]]:
    """Module -> variable -> value of the data to capture.

    Args:
        owners: Names of the modules whose functions are on the captured stack.
        modules: "auto": ``__main__`` and those owners that are the user's own; "none"; or names
            of modules.
        anchors: As for `graph.freeze`.

    A value that cannot be captured is left out with one warning when no function of its module
    names it; otherwise it stays, and `graph.freeze` will name it in its error.
    """
    if modules == "none":
        return {}
    names = dict.fromkeys(["__main__", *owners] if modules == "auto" else modules)
    found: dict[str, dict[str, object]] = {}
    for name in names:
        module = sys.modules.get(name)
        if module is None or (modules == "auto" and not is_project(name)):
            continue
        data = {key: value for key, value in vars(module).items() if _is_data(key, value)}
        used = frozenset(_names_used(module))
        dropped = [
            key
            for key, value in data.items()
            if key not in used
            and not isinstance(value, _ATOMS)
            and not _can_be_captured(name, key, value, anchors or {})
        ]
        for key in dropped:
            del data[key]
        if data:
            found[name] = data
    return found


def restore(data: Mapping[str, Mapping[str, object]]) -> None:
    """Bind captured values to the variables of their modules, importing these if need be.

    Raises:
        ResumeError: a module cannot be imported; nothing was bound.
    """
    loaded = {}
    for name in data:
        try:
            loaded[name] = importlib.import_module(name)
        except ImportError as error:
            raise ResumeError(f"module {name!r}, whose data was captured: {error}") from error
    for name, values in data.items():
        vars(loaded[name]).update(values)


def _is_data(name: str, value: object) -> bool:
    if name.startswith("__") and name.endswith("__"):
        return False
    if isinstance(value, _NO_DATA):
        return False
    if callable(value) and getattr(value, "__wrapped__", None) is not None:
        return False  # a decorated function: functools.cache, numba.njit, ...
    return not any(
        cls.__module__ in ("mpi4py.MPI", "__future__", "typing") for cls in type(value).__mro__
    )


def _names_used(module: types.ModuleType) -> Iterator[str]:
    """Names that the code of a module's functions and methods looks up."""
    for value in list(vars(module).values()):
        held = list(vars(value).values()) if isinstance(value, type) else [value]
        for each in held:
            function = getattr(each, "__func__", getattr(each, "__wrapped__", each))
            if isinstance(function, types.FunctionType) and function.__module__ == module.__name__:
                yield from names_in(function.__code__)


def _can_be_captured(module: str, name: str, value: object, anchors: Mapping[str, object]) -> bool:
    try:
        graph.freeze(
            [value], anchors=anchors, arrays="borrow", threshold=0, generators=Generators()
        ).release()
    except CaptureError as error:
        if (key := f"{module}.{name}") not in _told:
            _told.add(key)
            logger.warning("global %s is not captured, and no function names it: %s", key, error)
        return False
    return True
