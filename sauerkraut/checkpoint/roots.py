"""The objects that the caller of ``run`` holds too, and the globals of the program's modules.

After a restart the caller's own objects are the restored ones: frames refer to them by name (an
anchor), and their state travels as a value of its own that is set in place.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from sauerkraut.errors import CaptureError
from sauerkraut.objects import state


class Roots:
    """The mutable arguments of ``run``, and the ``self`` of a bound method.

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

    @property
    def anchors(self) -> dict[str, object]:
        """The roots by name."""
        return {f"root {name}": obj for name, obj in self._objects.items()}

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
    elif not isinstance(function, BuiltinFunctionType):
        yield f"the {type(fn).__qualname__} given", fn
    for i, arg in enumerate(args):
        name = f"argument {names[i]!r}" if i < len(names) else f"argument {i}"
        yield from _members(name, arg)
    for key, arg in kwargs.items():
        yield from _members(f"argument {key!r}", arg)


def _members(name: str, obj: object) -> Iterator[tuple[str, object]]:
    if isinstance(obj, tuple):
        for i, member in enumerate(obj):
            yield from _members(f"{name}[{i}]", member)
    else:
        yield name, obj
