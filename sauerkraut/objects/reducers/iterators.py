"""Iterators: the live container and the position in it, so that later changes are seen."""

from __future__ import annotations

import collections
import functools
import gc
import itertools
import operator
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

from sauerkraut._native import ordered_iterator_kind
from sauerkraut.objects import thawing
from sauerkraut.objects.freezing import Freezing, Reduced, reduces, refuse, same

_ordered: collections.OrderedDict[int, int] = collections.OrderedDict()
_DICT_ITERATORS: dict[type, str] = {
    type(iter({})): "keys",
    type(iter({}.values())): "values",
    type(iter({}.items())): "items",
    type(reversed({})): "reversed keys",
    type(reversed({}.values())): "reversed values",
    type(reversed({}.items())): "reversed items",
}
_VIEWS: dict[type, str] = {
    type({}.keys()): "keys",
    type({}.values()): "values",
    type({}.items()): "items",
    type(_ordered.keys()): "keys",
    type(_ordered.values()): "values",
    type(_ordered.items()): "items",
}
_DICT_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))


def _container(of: object, *kinds: type) -> Any:
    """What an iterator or a view looks at; None when it is used up."""
    # No attribute shows it; the garbage collector does.
    return next((each for each in gc.get_referents(of) if isinstance(each, kinds)), None)


def _remaining(iterator: Any) -> list[Any]:
    """What an iterator still has to give, without moving it."""
    try:
        rest: list[Any] = iterator.__reduce__()[1][0]
    except RuntimeError as error:  # its next step would raise the same
        raise refuse(iterator, f"{error}; iterate over a list of it") from error
    return rest


@reduces(*_DICT_ITERATORS)
def _reduce_dict_iterator(iterator: Any, _: Freezing) -> Reduced:
    container = _container(iterator, dict)
    view = _DICT_ITERATORS[type(iterator)]
    if container is None:
        return (used_up, (view,))
    size = dict.__len__(container)
    return (iterate, (container, dict, view, size - len(_remaining(iterator)), size))


@functools.cache
def _ordered_kinds() -> dict[int, str]:
    """What the number in an iterator of an OrderedDict means: one type serves all views."""
    filled = collections.OrderedDict({1: 1})
    made = {view: _view(filled, collections.OrderedDict, view) for view in _DICT_ITERATORS.values()}
    kinds = {ordered_iterator_kind(iterator): view for view, iterator in made.items()}
    return kinds if len(kinds) == len(made) and -1 not in kinds else {}


@reduces(type(iter(_ordered)))
def _reduce_ordered_iterator(iterator: Any, _: Freezing) -> Reduced:
    container = _container(iterator, collections.OrderedDict)
    rest = _remaining(iterator) if container is not None else []
    if not rest:
        return (used_up, ("ordered keys",))
    view = _ordered_kinds().get(ordered_iterator_kind(iterator))
    if view is None:
        raise refuse(iterator, "iterate over a list of it")
    size = dict.__len__(container)
    return (iterate, (container, collections.OrderedDict, view, size - len(rest), size))


def _view(container: Mapping[Any, Any], base: Any, view: str) -> Iterator[Any]:
    direction, _, name = view.rpartition(" ")
    # A subclass may have keys() and items() of its own, which this iterator is not from.
    over = getattr(base, name)(container)
    return reversed(over) if direction else iter(over)


def iterate(
    container: Mapping[Any, Any], base: Any, view: str, done: int, size: int
) -> Iterator[Any]:
    """An iterator over a view, as class ``base`` makes it, of a dict, after ``done`` steps."""

    def begin() -> Iterator[Any]:
        iterator = _view(container, base, view)
        collections.deque(itertools.islice(iterator, done), maxlen=0)
        return iterator

    return begin() if base.__len__(container) == size else Late(begin)


class Late:
    """An iterator over a container that leads to it, and so is not yet filled when it is read."""

    __slots__ = ("iterator",)
    iterator: Iterator[Any]

    def __init__(self, begin: Callable[[], Iterator[Any]]) -> None:
        def start() -> None:
            self.iterator = begin()

        thawing.current().last.append(start)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return next(self.iterator)

    def __length_hint__(self) -> int:
        return operator.length_hint(self.iterator)


@reduces(Late)
def _reduce_late(late: Late, _: Freezing) -> Reduced:
    return (same, (late.iterator,))


@reduces(type(iter([])), type(reversed([])))
def _reduce_list_iterator(iterator: Any, _: Freezing) -> Reduced:
    make, arguments, *position = iterator.__reduce__()
    if not position:
        return (make, arguments)
    return (make, arguments, (arguments[0], position[0]), None, None, set_position)


def set_position(iterator: Any, state: tuple[list[Any], int]) -> None:
    """Move an iterator over a list, which may not be filled yet."""
    items, position = state
    iterator.__setstate__(position)
    if len(items) <= position:
        thawing.current().last.append(lambda: iterator.__setstate__(position))


_deque: collections.deque[int] = collections.deque()


@reduces(type(iter(_deque)), type(reversed(_deque)))
def _reduce_deque_iterator(iterator: Any, _: Freezing) -> Reduced:
    _, (items, done) = iterator.__reduce__()
    # Not by their class: on 3.12 and 3.13 no name leads to it.
    return (iterate_deque, (items, type(iterator) is not type(iter(_deque)), done, len(items)))


def iterate_deque(
    items: collections.deque[Any], backwards: bool, done: int, size: int
) -> Iterator[Any]:
    """An iterator over a deque, after its first ``done`` steps."""

    def begin() -> Iterator[Any]:
        iterator = reversed(items) if backwards else iter(items)
        collections.deque(itertools.islice(iterator, done), maxlen=0)
        return iterator

    return begin() if len(items) == size else Late(begin)


def used_up(view: str) -> Iterator[Any]:
    """An iterator over a view of a dict that has nothing left."""
    ordered = view == "ordered keys"
    iterator = iter(collections.OrderedDict()) if ordered else _view({}, dict, view)
    next(iterator, None)
    return iterator


@reduces(*_VIEWS)
def _reduce_view(view: Any, _: Freezing) -> Reduced:
    container = _container(view, dict)
    base = dict if type(view) in _DICT_VIEWS else collections.OrderedDict
    return (view_of, (container, base, _VIEWS[type(view)]))


def view_of(container: Mapping[Any, Any], base: Any, view: str) -> Any:
    """``container.keys()`` and so on, as class ``base`` makes it."""
    return getattr(base, view)(container)


@reduces(types.MappingProxyType)
def _reduce_proxy(proxy: Any, _: Freezing) -> Reduced:
    (mapping,) = (each for each in gc.get_referents(proxy) if each is not type(proxy))
    if isinstance(mapping.get("__dict__"), types.GetSetDescriptorType):
        raise refuse(proxy, "keep the class instead of its __dict__")
    return (types.MappingProxyType, (mapping,))


@reduces(type(iter(set())))
def _reduce_set_iterator(iterator: Any, _: Freezing) -> Reduced:
    return (iterate_set, (_container(iterator, set, frozenset), _remaining(iterator)))


def iterate_set(container: Any, rest: list[Any]) -> Iterator[Any]:
    """An iterator over a set that still gives ``rest``, over the set itself where possible.

    A set of the same elements may have another order; then it goes over ``rest``.
    """
    base: Any = set if isinstance(container, set) else frozenset
    if container is not None and len(rest) <= base.__len__(container):
        iterator: Iterator[Any] = base.__iter__(container)
        collections.deque(itertools.islice(iterator, base.__len__(container) - len(rest)), maxlen=0)
        # A copy of the iterator, by the way it pickles, shows what it has left.
        left = _remaining(iterator)
        if len(left) == len(rest) and all(a is b for a, b in zip(left, rest, strict=True)):
            return iterator
    return iter(rest)
