"""The data of project modules, in globals and classes: part of what the frames work on."""

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

    An attribute of a class is a variable of the class's own module: ``Particle.count``. Those of
    the project's classes count, nested ones too, that a global of these modules is or names.

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
        _keep(found, name, data, frozenset(_names_used(module)), anchors or {})
    for cls in _classes([sys.modules[name] for name in names if name in sys.modules]):
        data = {
            f"{cls.__qualname__}.{key}": value
            for key, value in vars(cls).items()
            if _is_data(key, value) and not hasattr(type(value), "__get__")
        }
        _keep(found, cls.__module__, data, frozenset(_names_used(cls)), anchors or {})
    return found


def _keep(
    found: dict[str, dict[str, object]],
    module: str,
    data: Mapping[str, object],
    used: frozenset[str],
    anchors: Mapping[str, object],
) -> None:
    """Add data of a module to ``found``, but for what cannot be captured and has no use."""
    for key, value in data.items():
        if (
            isinstance(value, _ATOMS)
            or key.rpartition(".")[2] in used
            or _can_be_captured(module, key, value, anchors)
        ):
            found.setdefault(module, {})[key] = value


def _classes(modules: Sequence[types.ModuleType]) -> list[type]:
    """The project's classes that globals of the modules are, those defined inside of them too."""
    waiting = [value for module in modules for value in vars(module).values()]
    found: dict[type, None] = {}
    while waiting:
        cls = waiting.pop()
        if isinstance(cls, type) and cls not in found and _takes_data(cls):
            found[cls] = None
            waiting += [*vars(cls).values(), *cls.__bases__]
    return list(found)


def _takes_data(cls: type) -> bool:
    """Whether a class is found again by its name, and an attribute is set there plainly."""
    return (
        is_project(cls.__module__)
        and type(cls).__setattr__ is type.__setattr__  # not an enumeration, not of ctypes
        and _class_at(sys.modules[cls.__module__], cls.__qualname__) is cls
    )


def _class_at(module: types.ModuleType, qualname: str) -> object:
    found: object = module
    for name in qualname.split("."):
        found = getattr(found, "__dict__", {}).get(name)
    return found


def restore(data: Mapping[str, Mapping[str, object]]) -> None:
    """Bind captured values to the variables of their modules, importing these if need be.

    A class that this ``__main__`` does not define came by value, with its attributes.

    Raises:
        ResumeError: a module cannot be imported, or has a class no more; nothing was bound.
    """
    bound: list[tuple[type | types.ModuleType, str, object]] = []
    for name, values in data.items():
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            raise ResumeError(f"module {name!r}, whose data was captured: {error}") from error
        for key, value in values.items():
            qualname, _, attribute = key.rpartition(".")
            holder = _class_at(module, qualname) if qualname else module
            if isinstance(holder, (type, types.ModuleType)):
                bound.append((holder, attribute, value))
            elif name != "__main__":
                raise ResumeError(f"class {qualname} of module {name!r} is not there any more")
    for holder, attribute, value in bound:
        setattr(holder, attribute, value)


def _is_data(name: str, value: object) -> bool:
    if (name.startswith("__") and name.endswith("__")) or name == "_abc_impl":
        return False
    if isinstance(value, _NO_DATA):
        return False
    if callable(value) and getattr(value, "__wrapped__", None) is not None:
        return False  # a decorated function: functools.cache, numba.njit, ...
    return not any(
        cls.__module__ in ("mpi4py.MPI", "__future__", "typing") for cls in type(value).__mro__
    )


def _names_used(holder: types.ModuleType | type) -> Iterator[str]:
    """Names that the code of the functions and methods of a module or class looks up."""
    module = holder.__module__ if isinstance(holder, type) else holder.__name__
    for value in list(vars(holder).values()):
        held = list(vars(value).values()) if isinstance(value, type) else [value]
        for each in held:
            function = getattr(each, "__func__", getattr(each, "__wrapped__", each))
            if isinstance(function, types.FunctionType) and function.__module__ == module:
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
