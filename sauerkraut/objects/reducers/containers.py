"""Classes derived from dict and list: their contents, past whatever the class makes of them.

Pickle asks the class for the items and hands them back to it one by one, before the instance has
its attributes. A class that shows other items than it has, or counts those it is given, would come
back as something else, or not at all.
"""

from __future__ import annotations

from typing import Any, cast

from sauerkraut.objects.freezing import Freezing, reduces
from sauerkraut.objects.reducers.plain import set_attributes


@reduces(dict, subclasses=True)
def _reduce_dict(value: dict[Any, Any], _: Freezing) -> Any:
    cls = type(value)
    if cls is dict:
        return NotImplemented
    if getattr(value, "__dict__", None) is value:  # so that ``d.x`` is ``d["x"]``
        items = dict(dict.items(value))
        return (new_own_namespace, (cls,), items, None, None, fill_own_namespace)
    if not _pickled_by_default(cls) or (
        cls.__setitem__ is dict.__setitem__ and cls.items is dict.items
    ):
        return NotImplemented
    make, arguments, state = cast("tuple[Any, ...]", value.__reduce_ex__(5))[:3]
    return (make, arguments, (dict(dict.items(value)), state), None, None, fill_dict)


@reduces(list, subclasses=True)
def _reduce_list(value: list[Any], _: Freezing) -> Any:
    cls = type(value)
    if cls is list or not _pickled_by_default(cls):
        return NotImplemented
    names = ("append", "extend", "__iter__")
    if all(getattr(cls, name) is getattr(list, name) for name in names):
        return NotImplemented
    make, arguments, state = cast("tuple[Any, ...]", value.__reduce_ex__(5))[:3]
    items = list.__getitem__(value, slice(None))
    return (make, arguments, (items, state), None, None, fill_list)


def _pickled_by_default(cls: type) -> bool:
    names = ("__reduce__", "__reduce_ex__")
    return all(getattr(cls, name) is getattr(object, name) for name in names)


def fill_dict(value: dict[Any, Any], held: tuple[dict[Any, Any], Any]) -> None:
    """Give a dict its items, then its attributes."""
    dict.update(value, held[0])
    _set_state(value, held[1])


def fill_list(value: list[Any], held: tuple[list[Any], Any]) -> None:
    """Give a list its items, then its attributes."""
    list.extend(value, held[0])
    _set_state(value, held[1])


def _set_state(value: Any, state: Any) -> None:
    if state is None:
        return
    of_its_own = getattr(type(value), "__setstate__", None)
    if of_its_own is None:
        set_attributes(value, state)
    else:
        of_its_own(value, state)


def new_own_namespace(cls: type[dict[Any, Any]]) -> Any:
    """An empty dict of a class, its own ``__dict__``."""
    made: Any = dict.__new__(cls)
    made.__dict__ = made
    return made


def fill_own_namespace(value: dict[Any, Any], items: dict[Any, Any]) -> None:
    """Give it its items."""
    dict.update(value, items)
