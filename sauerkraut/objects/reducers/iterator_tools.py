"""Iterators of itertools: made empty, then given the fields that the original has.

Not by their own pickling, which warns on 3.12 and 3.13 and is gone in 3.14.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from sauerkraut._native import is_current_group, iterator_state, set_iterator_state
from sauerkraut.objects import thawing
from sauerkraut.objects.freezing import Freezing, Reduced, reduces, refuse

_Tee: type = type(itertools.tee(())[0])

# What an iterator without items is made with.
_EMPTY: dict[type, tuple[Any, ...]] = {
    itertools.accumulate: ((),),
    itertools.chain: (),
    itertools.combinations: ((), 0),
    itertools.combinations_with_replacement: ((), 0),
    itertools.compress: ((), ()),
    itertools.count: (),
    itertools.cycle: ((),),
    itertools.dropwhile: (None, ()),
    itertools.filterfalse: (None, ()),
    itertools.groupby: ((),),
    itertools.islice: ((), 0),
    itertools.pairwise: ((),),
    itertools.permutations: ((),),
    itertools.product: (),
    itertools.repeat: (None, 0),
    itertools.starmap: (None, ()),
    itertools.takewhile: (None, ()),
    itertools.zip_longest: (),
    _Tee: ((),),
    vars(itertools)["_tee_dataobject"]: ((), [], None),
}
if hasattr(itertools, "batched"):  # from 3.12 on
    _EMPTY[itertools.batched] = ((), 1)


@reduces(*_EMPTY)
def _reduce_iterator(iterator: Any, _: Freezing) -> Reduced:
    cls = type(iterator)
    return (cls, _EMPTY[cls], _fields(iterator), None, None, set_fields)


def _fields(iterator: Any) -> tuple[Any, ...]:
    fields = iterator_state(iterator)
    if fields is None:
        raise refuse(iterator, "this Python lays it out in its own way; iterate over a list")
    return fields


def set_fields(iterator: Iterator[Any], fields: tuple[Any, ...]) -> None:
    """Give a new iterator the fields of the captured one."""
    try:
        set_iterator_state(iterator, fields)
    except ValueError:
        if type(iterator) is not _Tee:
            raise
        # What its twin has read already is on its way: they lead to each other.
        thawing.current().last.append(lambda: set_iterator_state(iterator, fields))


@reduces("itertools._grouper")
def _reduce_group(group: Any, _: Freezing) -> Reduced:
    (parent,), target = _fields(group)
    if is_current_group(group) == 1:
        return (type(group), (parent, *target))
    return (left_behind, ())


def left_behind() -> Iterator[Any]:
    """A group whose groupby has gone on to the next: it has no more items."""
    groups = itertools.groupby((1, 2))
    _, group = next(groups)
    next(groups)
    return group
