"""The objects that the caller of ``run`` holds too, and the globals of the program's modules.

After a restart the caller's own objects are the restored ones: frames refer to them by name (an
anchor), and their state travels as a value of its own that is set in place.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import BuiltinFunctionType, CellType, FunctionType, MethodType, ModuleType
from typing import Any, TypeGuard

from sauerkraut.errors import CaptureError
from sauerkraut.objects import state

LONGEST = 100
"""Members of a list or mapping; those of longer ones are no roots."""


class Roots:
    """The mutable arguments of ``run``, the ``self`` of a bound method, and what these lead to.

    That is: variables that a nested function closes over, what a `functools.partial` binds, and
    members of tuples, lists and dicts. One of those that cannot be set in place is no root.

    Args:
        fn: The function given to ``run``.
        args: Its arguments.
        kwargs: Its keyword arguments.
        known: Objects that have a name already, and so are no roots.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        known: Sequence[object],
    ) -> None:
        self._objects: dict[str, object] = {}
        seen = {id(obj) for obj in known}
        for name, obj in _named(fn, args, kwargs):
            if id(obj) not in seen and state.is_mutable(obj):
                seen.add(id(obj))
                self._objects[name] = obj
        for name, obj in [*_named(fn, args, kwargs)]:
            for path, member in _members(name, obj, {id(each) for each in known}):
                if id(member) not in seen and _comes_back_in_place(member):
                    seen.add(id(member))
                    self._objects[path] = member

    @property
    def anchors(self) -> dict[str, object]:
        """The roots by name, and their classes made by functions: this start's own as well."""
        found = {f"root {name}": obj for name, obj in self._objects.items()}
        seen: set[int] = set()
        for name, obj in self._objects.items():
            for i, cls in enumerate(type(obj).__mro__):
                if "<locals>" in cls.__qualname__ and id(cls) not in seen:
                    seen.add(id(cls))
                    found[f"class {i} of root {name}"] = cls
        return found

    @property
    def names(self) -> list[str]:
        """Their names, as a person knows them."""
        return list(self._objects)

    def states(self) -> list[object]:
        """The state of each.

        Raises:
            CaptureError: one has a state that could not be set in place; names it.
        """
        return [self._state(name, obj) for name, obj in self._objects.items()]

    def restore(self, states: Sequence[Any]) -> None:
        """Set the state of each in place, as `states` returned it.

        Raises:
            ResumeError: an object of this start is of another kind.
        """
        for obj, each in zip(self._objects.values(), states, strict=True):
            state.set_state(obj, each)

    def _state(self, name: str, obj: object) -> object:
        try:
            return state.state_of(obj)
        except CaptureError as error:
            raise CaptureError(f"{name} of run: {error}") from error


def _named(
    fn: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Iterator[tuple[str, object]]:
    """Every candidate and how a person finds it; members of tuples too."""
    function = fn
    if isinstance(fn, MethodType):
        yield f"self of {fn.__qualname__}", fn.__self__
        function = fn.__func__
    names: list[str] = []
    if isinstance(function, FunctionType):
        skipped = int(isinstance(fn, MethodType))
        names = list(inspect.signature(function).parameters)[skipped:]
        yield "the function given", function
    elif not isinstance(function, BuiltinFunctionType):
        yield f"the {type(fn).__qualname__} given", fn
    for i, arg in enumerate(args):
        name = f"argument {names[i]!r}" if i < len(names) else f"argument {i}"
        yield from _in_tuples(name, arg)
    for key, arg in kwargs.items():
        yield from _in_tuples(f"argument {key!r}", arg)


def _in_tuples(name: str, obj: object) -> Iterator[tuple[str, object]]:
    if isinstance(obj, tuple):
        for i, member in enumerate(obj):
            yield from _in_tuples(f"{name}[{i}]", member)
    else:
        yield name, obj


def _members(name: str, obj: object, seen: set[int]) -> Iterator[tuple[str, object]]:
    """What ``obj`` leads to, each once, with the path to it."""
    pending = [iter([(name, obj)])]  # not by recursion: lists may be nested deeply
    while pending:
        for path, member in pending[-1]:
            if len(pending) > 1:
                yield path, member
            if id(member) not in seen:
                seen.add(id(member))
                pending.append(_parts(path, member))
                break
        else:
            pending.pop()


def _comes_back_in_place(obj: object) -> bool:
    """Whether a member is a root; a variable that holds a function or class is code, not data."""
    if isinstance(obj, CellType):
        contents = [each for _, each in _parts("", obj)]
        return not any(isinstance(each, (type, FunctionType, ModuleType)) for each in contents)
    return state.is_mutable(obj) and state.is_settable(obj)


def _parts(name: str, obj: object) -> Iterator[tuple[str, object]]:
    if isinstance(obj, FunctionType):
        variables = zip(obj.__code__.co_freevars, obj.__closure__ or (), strict=True)
        for variable, cell in variables:
            yield f"variable {variable!r} of {obj.__qualname__}", cell
    elif isinstance(obj, MethodType):
        yield f"self of {obj.__qualname__}", obj.__self__
        yield name, obj.__func__
    elif isinstance(obj, CellType):
        try:
            yield f"the value of {name}", obj.cell_contents
        except ValueError:  # not set yet
            return
    elif isinstance(obj, partial):
        yield f"the function of {name}", obj.func
        yield f"arguments of {name}", obj.args
        yield f"keywords of {name}", obj.keywords
    elif isinstance(obj, (tuple, list)) and len(obj) <= LONGEST:
        for i, each in enumerate(obj):
            yield f"{name}[{i}]", each
    elif type(obj) is dict and len(obj) <= LONGEST:
        for i, each in enumerate(obj.values()):
            yield f"{name}.values()[{i}]", each
    elif _is_view(obj):
        yield f"the array of which {name} is a view", obj.base


def _is_view(obj: object) -> TypeGuard[Any]:
    """Whether an array shares the bytes of another, which frames or globals may hold as well."""
    numpy = sys.modules.get("numpy")
    return (
        numpy is not None and isinstance(obj, numpy.ndarray) and isinstance(obj.base, numpy.ndarray)
    )
