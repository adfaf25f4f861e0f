"""The data of project modules, in globals and classes: part of what the frames work on."""

from __future__ import annotations

import functools
import importlib
import inspect
import logging
import sys
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from sauerkraut import _native
from sauerkraut.code import carried
from sauerkraut.errors import CaptureError, ResumeError
from sauerkraut.objects import definition_data, graph
from sauerkraut.objects.freezing import Handles
from sauerkraut.objects.project import is_project
from sauerkraut.objects.reducers.definitions import names_in

logger = logging.getLogger(__name__)

_NO_DATA = (type, types.FunctionType, types.ModuleType)
_BOUND = (types.BuiltinFunctionType, types.MethodType)
_CHOSEN = (*_NO_DATA, *_BOUND, type(functools.cache(len)))
# What a restarted program has its own of: handles, and what stands for something in the language.
_BY_NAME = ("mpi4py.MPI", "_cffi_backend", "__future__", "typing")
_HANDLES = ("ctypes.CDLL", "_ctypes.CFuncPtr")
_ATOMS = (bool, bytes, complex, float, int, str, type(None))

_OF_EVERY_MODULE = frozenset(
    ("__builtins__", "__cached__", "__file__", "__loader__", "__name__", "__package__", "__spec__")
)

_told: set[str] = set()


def collect(
    owners: Iterable[str],
    modules: Literal["auto", "none"] | Sequence[str] = "auto",
    *,
    anchors: Mapping[str, object] | None = None,
    handles: Handles | None = None,
) -> dict[str, dict[str, object]]:
    """Module -> variable -> value of the data to capture.

    What the functions and classes hold that globals of these modules are counts as well, with its
    path in their own module: ``Particle.count``, see `definition_data`. With "auto" also the data
    of the project's other modules, as far as these lead to them and it may have changed since they
    were imported: what can change in place, and numbers and texts that a function of the project
    assigns. So do functions, classes and modules under names that such a function assigns: the
    solver that a program has chosen, a module that it has imported there. Of a program that is
    carried whole (`code.carried`) everything counts.

    Args:
        owners: Names of the modules whose functions are on the captured stack.
        modules: "auto": ``__main__`` and those owners that are the user's own; "none"; or names
            of modules.
        anchors: As for `graph.freeze`.
        handles: As for `graph.freeze`; None leaves out handles of MPI.

    A value that cannot be captured stays when it is a global of these modules that a function
    there names, and `graph.freeze` will name it in its error; else it is left out with one warning.
    """
    if modules == "none":
        return {}
    names = dict.fromkeys(["__main__", *owners] if modules == "auto" else modules)

    def is_data(key: str, value: object) -> bool:
        return _is_data(key, value) or (handles is not None and handles.owns(value))

    chosen = [
        sys.modules[name]
        for name in names
        if name in sys.modules and (modules != "auto" or is_project(name))
    ]
    others = _others(chosen) if modules == "auto" else []
    definitions = definition_data.find([*chosen, *others])
    stored = definition_data.names_stored(definitions)
    if carried.carries("__main__"):
        stored |= definition_data.names_stored_by(carried.body())

    found: dict[str, dict[str, object]] = {}
    for module in chosen:
        used = frozenset(_names_used(module))
        if whole := carried.carries(module.__name__):
            used |= frozenset(names_in(carried.body()))
        for key, value in _all_of(module) if whole else _data_of(module, is_data, stored):
            if (key in used and not isinstance(value, _CHOSEN)) or _can_be_captured(
                module.__name__, key, value, anchors or {}, handles
            ):
                found.setdefault(module.__name__, {})[key] = value
    further = [
        (module.__name__, *entry)
        for module in others
        for entry in _data_of(module, is_data, stored)
    ]
    for name, path, value in (
        *further,
        *definition_data.collect(definitions, is_data, stored),
    ):
        if carried.carries(name):  # written by value, with what they hold
            continue
        changes = name in names or definition_data.may_change(value, is_data)
        changes = changes or (handles is not None and handles.owns(value))
        if (changes or path.rpartition(".")[2] in stored) and _can_be_captured(
            name, path, value, anchors or {}, handles
        ):
            found.setdefault(name, {})[path] = value
    return found


def _data_of(
    module: types.ModuleType, is_data: Callable[[str, object], bool], stored: Collection[str]
) -> list[tuple[str, object]]:
    return [
        (key, value)
        for key, value in vars(module).items()
        if is_data(key, value) or (key in stored and _is_chosen(module, key, value))
    ]


def _is_chosen(module: types.ModuleType, key: str, value: Any) -> bool:
    """Whether a global is a definition that it need not be in the restarted program."""
    own = (module.__name__, key)
    return isinstance(value, _CHOSEN) and own != (
        getattr(value, "__module__", None),
        getattr(value, "__qualname__", None),
    )


def _all_of(program: types.ModuleType) -> list[tuple[str, object]]:
    """What a program that is carried whole has bound; not what every module has."""
    return [(key, value) for key, value in vars(program).items() if key not in _OF_EVERY_MODULE]


def _others(chosen: Sequence[types.ModuleType]) -> list[types.ModuleType]:
    """The project's other modules: that those lead to, or all, where nothing imports them again."""
    if not carried.carries("__main__"):
        return _imported_by(chosen)
    known = {each.__name__ for each in chosen}
    loaded: list[tuple[str, Any]] = list(sys.modules.items())
    return [
        each
        for name, each in loaded
        if name not in known and isinstance(each, types.ModuleType) and is_project(name)
    ]


def _imported_by(modules: Sequence[types.ModuleType]) -> list[types.ModuleType]:
    """The project's other modules that these import, also in their functions, and so on."""
    found = {each.__name__: each for each in modules}
    known, waiting = len(found), list(modules)
    while waiting:
        for name in _names_of_imported(waiting.pop()):
            if name not in found and is_project(name):
                found[name] = sys.modules[name]
                waiting.append(found[name])
    return list(found.values())[known:]


def _names_of_imported(module: types.ModuleType) -> Iterator[str]:
    """Names of modules that globals of one are, or come from, and that its functions import."""
    for value in list(vars(module).values()):
        if isinstance(value, types.ModuleType):
            yield value.__name__
        elif isinstance(value, (type, types.FunctionType)):
            yield value.__module__
    package = getattr(module, "__package__", None) or ""
    for function in _functions_of(module):
        for name in definition_data.names_imported_by(function.__code__):
            yield from _with_parents(name)
            for parent in _with_parents(package):  # of an import that is relative
                yield f"{parent}.{name}"


def _with_parents(name: str) -> Iterator[str]:
    """A dotted name, and those of the packages that it lies in."""
    while name:
        yield name
        name = name.rpartition(".")[0]


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
        for path, value in values.items():
            if "." in path:
                definition_data.put(loaded[name], path, value)
            else:
                vars(loaded[name])[path] = value


def _is_data(name: str, value: object) -> bool:
    if (name.startswith("__") and name.endswith("__")) or name == "_abc_impl":
        return False
    if isinstance(value, _NO_DATA) or (isinstance(value, _BOUND) and not _binds_data(value)):
        return False
    if callable(value) and getattr(value, "__wrapped__", None) is not None:
        return False  # a decorated function: functools.cache, numba.njit, ...
    return not any(
        f"{cls.__module__}.{cls.__qualname__}" in _HANDLES or cls.__module__ in _BY_NAME
        for cls in type(value).__mro__
    )


def _binds_data(method: Any) -> bool:
    """Whether a method is one of an object, not of a module, a class or an MPI handle."""
    bound = method.__self__
    return not (
        bound is None
        or isinstance(bound, (type, types.ModuleType))
        or type(bound).__module__ == "mpi4py.MPI"
    )


def _names_used(module: types.ModuleType) -> Iterator[str]:
    """Names that the code of a module's functions and methods looks up."""
    for function in _functions_of(module):
        yield from names_in(function.__code__)


def _functions_of(module: types.ModuleType) -> Iterator[types.FunctionType]:
    """The functions that a module defines, and those in its classes."""
    for value in list(vars(module).values()):
        held = list(vars(value).values()) if issubclass(type(value), type) else [value]
        for each in held:
            function = _function_in(each)
            if type(function) is types.FunctionType and function.__module__ == module.__name__:
                yield function


def _function_in(value: Any) -> object:
    """The function that a method has, or that a decorator has wrapped; else ``value``.

    By what lies in it: a proxy is not asked, whose object may not be there.
    """
    if issubclass(type(value), (staticmethod, classmethod, types.MethodType)):
        return value.__func__
    if type(value) is types.FunctionType:
        return value.__dict__.get("__wrapped__", value)
    return inspect.getattr_static(value, "__wrapped__", value) if callable(value) else value


def _can_be_captured(
    module: str,
    name: str,
    value: object,
    anchors: Mapping[str, object],
    handles: Handles | None,
) -> bool:
    if isinstance(value, _ATOMS) or _native.plain(value):
        return True
    try:
        graph.freeze(
            [value],
            anchors=anchors,
            arrays="borrow",
            threshold=0,
            generators=_native.Generators(),
            handles=handles,
        ).release()
    except CaptureError as error:
        if (key := f"{module}.{name}") not in _told:
            _told.add(key)
            logger.warning("global %s is not captured: %s", key, error)
        return False
    return True
