"""Data that hangs on functions and classes: attributes, defaults, and variables of closures.

A definition that a name finds is captured by that name: what it holds is captured beside it, and
put into it again. A path leads to it from its module: ``Class.method``, ``function.__wrapped__``,
``function.<variable>`` for what a variable of its closure holds. To a `functools.singledispatch`
belong those that were registered while the program ran.
"""

from __future__ import annotations

import dis
import functools
import types
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain
from typing import Any

from sauerkraut import _native
from sauerkraut.objects.project import is_project
from sauerkraut.objects.reducers.definitions import attribute

Definition = type | types.FunctionType
Found = tuple[str, str, Definition]
"""Module and path that lead to a definition, and the definition."""
IsData = Callable[[str, object], bool]

_ATOMS = (bool, bytes, complex, float, int, str, type(None), frozenset, range, type(...))
_CLOSURE = "__closure__"
_STORES = ("STORE_ATTR", "STORE_GLOBAL")
_REGISTRY = "registry"
_dispatching: Any = functools.singledispatch(lambda _: None)


def collect(
    definitions: Sequence[Found], is_data: IsData, stored: Collection[str] = ()
) -> Iterator[tuple[str, str, object]]:
    """(module, path, value) of what `definitions` hold.

    Args:
        definitions: What `find` returned.
        is_data: Whether a name and value are state, not code.
        stored: What `names_stored` returned: functions under these names in a class are state.
    """
    for module, path, definition in definitions:
        if isinstance(definition, type):
            held = chain(_of_class(definition, is_data), _chosen(definition, stored))
        else:
            held = chain(_of_function(definition, is_data))
        for name, value in held:
            yield module, f"{path}.{name}", value


def names_stored(definitions: Sequence[Found]) -> frozenset[str]:
    """Names of globals and attributes that the functions among `definitions` assign.

    Attributes set by `setattr` are not among them.
    """
    return frozenset[str]().union(
        *(
            names_stored_by(definition.__code__)
            for _, _, definition in definitions
            if isinstance(definition, types.FunctionType)
        )
    )


def may_change(value: object, is_data: IsData) -> bool:
    """Whether a value is state that can change in place."""
    if isinstance(value, tuple):
        return any(may_change(each, is_data) for each in value)
    return not isinstance(value, _ATOMS) and is_data("", value)


@functools.cache
def names_stored_by(code: types.CodeType) -> frozenset[str]:
    """Names of globals and attributes that code, and the code in it, assigns."""
    inner = [each for each in code.co_consts if isinstance(each, types.CodeType)]
    stored = {each.argval for each in dis.get_instructions(code) if each.opname in _STORES}
    return frozenset(stored).union(*map(names_stored_by, inner))


@functools.cache
def names_imported_by(code: types.CodeType) -> frozenset[str]:
    """Names that import statements of code, and of the code in it, say: modules, and in them."""
    inner = [each for each in code.co_consts if isinstance(each, types.CodeType)]
    names, base = set(), ""
    for each in dis.get_instructions(code):
        if each.opname == "IMPORT_NAME":
            base = each.argval
            names.add(base)
        elif each.opname == "IMPORT_FROM":
            names.add(f"{base}.{each.argval}" if base else each.argval)
    return frozenset(names - {""}).union(*map(names_imported_by, inner))


def put(module: types.ModuleType, path: str, value: Any) -> None:
    """Put a value where `collect` found it; where the program has no such definition, nowhere."""
    path, _, name = path.rpartition(".")
    found: Any = _at(module, path)
    if name == _REGISTRY and _dispatches(found):
        for cls, function in value.items():
            if found.registry.get(cls) is not function:
                found.register(cls, function)
    elif isinstance(found, types.FunctionType) and name == _CLOSURE:
        variables = found.__code__.co_freevars
        own = zip(variables, found.__closure__ or (), strict=True)
        _native.set_closure(found, tuple(value.get(each, cell) for each, cell in own))
    elif isinstance(found, (type, types.FunctionType)):
        setattr(found, name, value)


def find(modules: Sequence[types.ModuleType]) -> list[Found]:
    """The project's definitions that globals of the modules are or name, each once."""
    definitions: list[Found] = []
    waiting = [(each.__name__, name, v) for each in modules for name, v in vars(each).items()]
    seen: set[int] = set()
    while waiting:
        module, path, found = waiting.pop()
        if isinstance(found, (classmethod, staticmethod)):
            found = found.__func__
        elif isinstance(found, functools.singledispatchmethod):
            path, found = f"{path}.dispatcher", found.dispatcher
        if id(found) in seen or not isinstance(found, (type, types.FunctionType)):
            continue
        seen.add(id(found))
        if not is_project(found.__module__):
            continue
        if attribute(found.__module__, found.__qualname__) is found:
            module, path = found.__module__, found.__qualname__
        if isinstance(found, types.FunctionType):
            definitions.append((module, path, found))
            waiting += [(module, f"{path}.<{n}>", c.cell_contents) for n, c in cells(found)]
            waiting += [(module, f"{path}.{n}", held) for n, held in found.__dict__.items()]
        elif path == found.__qualname__ and type(found).__setattr__ is type.__setattr__:
            # No enumeration, nothing of ctypes: there an attribute is more than its value.
            definitions.append((module, path, found))
            waiting += [(module, f"{path}.{n}", held) for n, held in vars(found).items()]
            waiting += [(module, path, base) for base in found.__bases__]
    return definitions


def _of_class(cls: Any, is_data: IsData) -> Iterator[tuple[str, object]]:
    for name, value in vars(cls).items():
        if is_data(name, value) and not hasattr(type(value), "__get__"):
            yield name, value


def _chosen(cls: Any, stored: Collection[str]) -> Iterator[tuple[str, object]]:
    """Functions of a class that it need not have in the restarted program."""
    for name, value in vars(cls).items():
        function = getattr(value, "__func__", value)  # of a class or static method
        if name in stored and isinstance(function, types.FunctionType):
            own = (cls.__module__, f"{cls.__qualname__}.{name}")
            if own != (function.__module__, function.__qualname__) and not name.startswith("__"):
                yield name, value


def _dispatches(found: Any) -> bool:
    """Whether it is a `functools.singledispatch`."""
    return isinstance(found, types.FunctionType) and found.__code__ is _dispatching.__code__


def _registered(dispatching: Any) -> dict[type, Any]:
    """The functions for classes that need not be there in the restarted program."""
    return {
        cls: function
        for cls, function in dispatching.registry.items()
        if "<locals>" in getattr(function, "__qualname__", "")
        or attribute(function.__module__, function.__qualname__) is function
        or attribute(cls.__module__, cls.__qualname__) is not cls
    }


def _of_function(function: Any, is_data: IsData) -> Iterator[tuple[str, object]]:
    own: Collection[str] = ()
    if _dispatches(function):
        own = vars(_dispatching)
        if registered := _registered(function):
            yield _REGISTRY, registered
    for name, held in function.__dict__.items():
        if name not in own and is_data(name, held):
            yield name, held
    if any(may_change(each, is_data) for each in function.__defaults__ or ()):
        yield "__defaults__", function.__defaults__
    if any(may_change(each, is_data) for each in (function.__kwdefaults__ or {}).values()):
        yield "__kwdefaults__", function.__kwdefaults__
    if held := {n: cell for n, cell in cells(function) if is_data(n, cell.cell_contents)}:
        yield _CLOSURE, held


def cells(function: types.FunctionType) -> Iterator[tuple[str, types.CellType]]:
    """The variables of a closure that have a value."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            _ = cell.cell_contents
        except ValueError:
            continue
        yield name, cell


def _at(module: types.ModuleType, path: str) -> object:
    found: Any = module
    for name in path.split("."):
        if name.startswith("<") and isinstance(found, types.FunctionType):
            cell = dict(cells(found)).get(name[1:-1])
            found = None if cell is None else cell.cell_contents
        else:
            found = getattr(found, "__dict__", {}).get(name)
        if isinstance(found, (classmethod, staticmethod)):
            found = found.__func__
    return found
