"""Iterators: the live container and the position in it, so that later changes are seen."""

from __future__ import annotations

import collections
import gc
import itertools
import operator
import types
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self

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


@reduces(type(iter(_ordered)))
def _reduce_ordered_iterator(iterator: Any, _: Freezing) -> Reduced:
    container = _container(iterator, collections.OrderedDict)
    rest = _remaining(iterator) if container is not None else []
    if not rest:
        return (used_up, ("ordered keys",))
    size = dict.__len__(container)
    done = size - len(rest)
    # The type is the same for all views: what is left tells which it goes over.
    for view in _DICT_ITERATORS.values():
        left = list(itertools.islice(_view(container, collections.OrderedDict, view), done, None))
        same = all(a is b for a, b in zip(left, rest, strict=True))
        if same or (view.endswith("items") and _same_pairs(left, rest)):
            return (iterate, (container, collections.OrderedDict, view, done, size))
    raise refuse(iterator, "iterate over a list of it")


def _same_pairs(left: list[Any], right: list[Any]) -> bool:
    return all(
        isinstance(b, tuple) and len(b) == 2 and a[0] is b[0] and a[1] is b[1]
        for a, b in zip(left, right, strict=True)
    )


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


_ITERTOOLS: tuple[type, ...] = (
    itertools.accumulate,
    itertools.chain,
    itertools.combinations,
    itertools.combinations_with_replacement,
    itertools.compress,
    itertools.count,
    itertools.cycle,
    itertools.dropwhile,
    itertools.filterfalse,
    itertools.groupby,
    itertools.islice,
    itertools.permutations,
    itertools.product,
    itertools.repeat,
    itertools.starmap,
    itertools.takewhile,
    itertools.zip_longest,
    type(itertools.tee(())[0]),
)


@reduces(*_ITERTOOLS, "itertools._grouper", "itertools._tee_dataobject")
def reduce_itertools(iterator: Any, _: Freezing) -> Reduced:
    """Their own pickling, without its warning on 3.12 and 3.13."""
    make, arguments, *more = _quietly(iterator.__reduce__)
    if len(more) == 0 or more[0] is None:
        return (rebuild, (make, arguments))
    return (rebuild, (make, arguments), (more[0],), None, None, set_state)


def rebuild(make: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """``make(*arguments)`` without the warning that pickling of itertools goes away."""
    return _quietly(make, *arguments)


def set_state(iterator: Any, state: tuple[Any]) -> None:
    """Set the position of an iterator of itertools."""
    _quietly(iterator.__setstate__, state[0])


def _quietly(call: Callable[..., Any], *arguments: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return call(*arguments)


@reduces(itertools.pairwise)
def _reduce_pairwise(iterator: Any, _: Freezing) -> Reduced:
    held = [each for each in gc.get_referents(iterator) if each is not itertools.pairwise]
    if not held or not isinstance(held[0], Iterator):  # used up: it has let its iterator go
        return (itertools.pairwise, ((),))
    # The iterator it reads from, then the last item it was given, then a tuple it reuses.
    if held and type(held[-1]) is tuple and len(held[-1]) == 2 and len(held) > 1:
        reused = held[-1]
        if len(held) > 2 or reused == (None, None):
            held.pop()
    if len(held) == 1:
        return (itertools.pairwise, (held[0],))
    return (pairwise_after, (held[1], held[0]))


def pairwise_after(last: object, rest: Iterable[Any]) -> Iterator[Any]:
    """``itertools.pairwise`` that was given ``last`` and reads on from ``rest``."""
    return itertools.pairwise(itertools.chain((last,), rest))
