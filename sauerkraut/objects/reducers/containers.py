"""Classes derived from built-in containers and values: their contents, past what they make of them.

Pickle asks such a class for its contents and makes it anew from them: by `__init__` or `__new__`,
which may want something else, by methods that may need attributes which are not there yet. It would
come back as something else, or not at all. Here the built-in class is asked, and nobody else. So it
is for instances of others whose `__new__` wants arguments, or which say that they are of another
class. A class that comes back by value may have instances before it has its `__new__`.
"""

from __future__ import annotations

import collections
import copyreg
import types
from collections.abc import Callable
from typing import Any, NamedTuple

from sauerkraut.objects.freezing import Freezing, reduces
from sauerkraut.objects.reducers.definitions import attribute
from sauerkraut.objects.reducers.plain import (
    asks_getattr,
    leaves_pickling_to_object,
    own_state,
    reduce_with_getattr,
    set_attributes,
    stands_for_another,
)


class _Kind(NamedTuple):
    asked: tuple[str, ...]
    """What pickle asks of a class derived from it."""
    contents: Callable[[Any], Any]
    mutable: bool = True
    """Whether the contents are set in the empty object."""


_HEAP_TYPE = 1 << 9
_MADE = ("__init__", "__new__")
_KINDS: dict[type, _Kind] = {
    dict: _Kind(("__new__", "__setitem__", "items"), lambda value: dict(dict.items(value))),
    collections.OrderedDict: _Kind(
        (*_MADE, "__setitem__", "items"), lambda value: list(collections.OrderedDict.items(value))
    ),
    list: _Kind(("__new__", "append", "extend", "__iter__"), lambda value: list.copy(value)),
    set: _Kind((*_MADE, "__iter__"), lambda value: list(set.__iter__(value))),
    collections.deque: _Kind(
        (*_MADE, "append", "extend", "__iter__"),
        lambda value: (list(collections.deque.__iter__(value)), value.maxlen),
    ),
    frozenset: _Kind(
        (*_MADE, "__iter__"), lambda value: list(frozenset.__iter__(value)), mutable=False
    ),
    tuple: _Kind(("__new__",), lambda value: tuple.__getitem__(value, slice(None)), mutable=False),
    int: _Kind(("__new__",), lambda value: int.__int__(value), mutable=False),
    float: _Kind(("__new__",), lambda value: float.__float__(value), mutable=False),
    str: _Kind(("__new__",), lambda value: str.__str__(value), mutable=False),
    bytes: _Kind(("__new__",), lambda value: bytes.__getitem__(value, slice(None)), mutable=False),
    bytearray: _Kind(_MADE, lambda value: bytearray.__getitem__(value, slice(None))),
    # Their own way leaves out the attributes of a class derived from them.
    collections.defaultdict: _Kind(
        ("__reduce__",), lambda value: (value.default_factory, dict(dict.items(value)))
    ),
    collections.Counter: _Kind(("__reduce__",), lambda value: dict(dict.items(value))),
}
"""Nearest first where one is derived from another: a class is of the first in its `__mro__`."""


@reduces(*_KINDS, subclasses=True)
def _reduce_derived(value: Any, freezing: Freezing) -> Any:
    cls = type(value)
    base: Any = next(each for each in cls.__mro__ if each in _KINDS)
    if base is cls or not cls.__flags__ & _HEAP_TYPE:  # `bool`, and others written in C
        return NotImplemented
    if base is dict and _is_own_namespace(value):
        items = dict(dict.items(value))
        return (new_own_namespace, (cls,), items, None, None, fill_own_namespace)
    kind = _KINDS[base]
    if not _meddles(cls, base, kind):
        return reduce_with_getattr(value, freezing) if asks_getattr(cls) else NotImplemented
    contents, state = kind.contents(value), value.__getstate__()
    if not kind.mutable:
        return (make_value, (base, cls, contents), state, None, None, set_state)
    if cls.__new__ is base.__new__:
        made: tuple[Any, ...] = (vars(copyreg)["__newobj__"], (cls,))
    else:
        made = (make_empty, (base, cls))
    return (*made, (base, contents, state), None, None, set_contents)


def _meddles(cls: type, base: type, kind: _Kind) -> bool:
    """Whether a class leaves pickling to the built-in one, and changes what that relies on."""
    if any(
        getattr(cls, name) is not getattr(base, name) for name in ("__reduce__", "__reduce_ex__")
    ):
        return False
    told = [_place(cls, name) for name in ("__getnewargs__", "__getnewargs_ex__")]
    tells = min(told) < cls.__mro__.index(base) and min(told) <= _place(cls, "__new__")
    if tells and not is_by_value(cls.__mro__[min(told)]):
        return False  # it tells what its own `__new__` wants
    always = kind.asked == ("__reduce__",)
    return always or any(getattr(cls, name) is not getattr(base, name) for name in kind.asked)


def _place(cls: type, name: str) -> int:
    """Which class of the ``__mro__`` defines a name; their number where none does."""
    known = enumerate(cls.__mro__)
    return next((i for i, each in known if name in vars(each)), len(cls.__mro__))


def _is_own_namespace(value: Any) -> bool:
    """Whether ``d.x`` is ``d["x"]``."""
    return getattr(value, "__dict__", None) is value


def value_of(value: Any, base: type) -> tuple[Any] | None:
    """What a value of a class derived from a built-in immutable one holds; None: of another."""
    kind = _KINDS.get(base)
    return None if kind is None or kind.mutable else (kind.contents(value),)


def make_value(base: Any, cls: type, contents: Any) -> Any:
    """A value of a class derived from an immutable one, past its own ``__new__``."""
    return base.__new__(cls, contents)


def make_empty(base: Any, cls: type) -> Any:
    """An empty container of a derived class, past its own ``__new__``."""
    return base.__new__(cls)


def set_contents(value: Any, state: tuple[Any, Any, Any]) -> None:
    """Give a container its contents, then its attributes."""
    base, contents, attributes = state
    if base is collections.OrderedDict:
        for key, item in contents:
            collections.OrderedDict.__setitem__(value, key, item)
    elif base is collections.defaultdict:
        factory, items = contents
        collections.defaultdict.__init__(value, factory)
        dict.update(value, items)
    elif base is collections.deque:
        collections.deque.__init__(value, *contents)
    elif base is list:
        list.extend(value, contents)
    elif base is set:
        set.update(value, contents)
    elif base is bytearray:
        bytearray.extend(value, contents)
    else:
        dict.update(value, contents)
    set_state(value, attributes)


def set_state(value: Any, state: Any) -> None:
    """Give an instance its attributes, by its own ``__setstate__`` where it has one."""
    if state is None:
        return
    of_its_own = getattr(type(value), "__setstate__", None)
    if of_its_own is None:
        set_attributes(value, state)
    else:
        of_its_own(value, state)


def is_made_past_new(cls: Any) -> bool:
    """Whether an instance of a class derived from no built-in one is made without its `__new__`.

    That wants arguments which nobody keeps, or may not be there yet; or the class hands on what
    pickle asks an instance for.
    """
    if not leaves_pickling_to_object(cls):
        return False
    if not is_made_by_object(cls):
        return False
    if stands_for_another(cls):
        return True
    new = cls.__new__
    if not isinstance(new, types.FunctionType):
        return False
    if comes_late(cls, "__new__"):
        return True
    if hasattr(cls, "__getnewargs__") or hasattr(cls, "__getnewargs_ex__"):
        return False
    code = new.__code__
    wanted = code.co_argcount - 1 - len(new.__defaults__ or ())
    return wanted > 0 or code.co_kwonlyargcount > len(new.__kwdefaults__ or ())


def comes_late(cls: type, method: str) -> bool:
    """Whether a class may have instances, when it comes back, before it has a method."""
    return is_by_value(next(each for each in cls.__mro__ if method in vars(each)))


def is_by_value(cls: type) -> bool:
    """Whether no name leads to a class."""
    return attribute(cls.__module__, cls.__qualname__) is not cls


def is_made_by_object(cls: type) -> bool:
    """Whether a class is derived from no built-in one."""
    return next(each for each in cls.__mro__ if is_made_in_c(each)) is object


def is_made_in_c(cls: type) -> bool:
    """Whether a class has a ``__new__`` of its own that is written in C."""
    return isinstance(vars(cls).get("__new__"), types.BuiltinFunctionType)


def reduce_past_new(value: Any, freezing: Freezing) -> Any:
    """An instance of a class that `is_made_past_new`."""
    cls = type(value)
    if stands_for_another(cls):
        return (make_empty, (object, cls), own_state(value), None, None, set_attributes)
    reduced = reduce_with_getattr(value, freezing) if asks_getattr(cls) else value.__reduce_ex__(5)
    return (make_empty, (object, cls), *reduced[2:])


def new_own_namespace(cls: type[dict[Any, Any]]) -> Any:
    """An empty dict of a class, its own ``__dict__``."""
    made: Any = dict.__new__(cls)
    made.__dict__ = made
    return made


def fill_own_namespace(value: dict[Any, Any], items: dict[Any, Any]) -> None:
    """Give it its items."""
    dict.update(value, items)
