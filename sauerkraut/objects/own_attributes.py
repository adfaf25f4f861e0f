"""Variables that are the ``__dict__`` of an instance: they come back as just that.

Pickle would make a second dict of it. `functools.cached_property` has such a variable while it
calls its function, and puts the result there.
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sauerkraut.objects.freezing import Freezing, Reducer

ATTRIBUTES = "attributes"
"""The first item of what such a dict is written as; the second is the instance."""


def instances(values: Iterable[object]) -> dict[int, tuple[str, object]]:
    """What those of ``values`` are written as that are the ``__dict__`` of others, by their id.

    Of instances only that pickle asks for their attributes, and gives them back one by one.
    """
    held = [_contents(value) for value in values]
    dicts = {id(value) for value in held if type(value) is dict}
    found: dict[int, tuple[str, object]] = {}
    if dicts:
        chosen = {cls: _leaves_attributes_to_pickle(cls) for cls in set(map(type, held))}
        for value in held:
            if chosen[type(value)]:
                own = object.__getattribute__(value, "__dict__")
                if id(own) in dicts:
                    found[id(own)] = (ATTRIBUTES, value)
    return found


def _contents(value: object) -> object:
    if type(value) is types.CellType:
        try:
            return value.cell_contents
        except ValueError:  # empty
            return None
    return value


def _leaves_attributes_to_pickle(cls: type) -> bool:
    if cls in (types.SimpleNamespace, types.FunctionType):
        return True
    from sauerkraut.objects.freezing import reducer_for
    from sauerkraut.objects.reducers import containers, exceptions, plain

    if issubclass(cls, BaseException):
        return exceptions.leaves_pickling_to_built_in(cls)

    own = next((vars(each)["__dict__"] for each in cls.__mro__ if "__dict__" in vars(each)), None)
    return (
        isinstance(own, types.GetSetDescriptorType)
        and plain.leaves_pickling_to_object(cls)
        and not hasattr(cls, "__setstate__")
        and reducer_for(cls) in (None, plain.reduce_with_getattr, containers.reduce_past_new)
    )


def reduce(instance: Any, reducer: Reducer | None, freezing: Freezing) -> Any:
    """As ``reducer`` or pickle reduce an instance, but for its attributes in another dict."""
    if reducer is not None and isinstance(instance, (types.FunctionType, BaseException)):
        return reducer(instance, freezing)  # which writes another dict
    reduced = instance.__reduce_ex__(5) if reducer is None else reducer(instance, freezing)
    make, arguments, state, *more = reduced
    attributes, *slots = state if isinstance(state, tuple) else (state,)
    apart = dict(attributes or {})
    return (make, arguments, (apart, *slots) if slots else apart, *more)


def of(instance: Any) -> Any:
    """The ``__dict__`` of an instance that was read."""
    return object.__getattribute__(instance, "__dict__")
