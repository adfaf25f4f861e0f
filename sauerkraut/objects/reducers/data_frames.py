"""Blocks and indexes of pandas that share memory: they know of each other.

pandas copies what another object looks at as well before it writes, and asks the object that all
of those refer to. Its own pickling leaves that out, since it does not keep what is shared.
"""

from __future__ import annotations

from typing import Any

from sauerkraut.objects.freezing import Freezing, Reduced, reduces


@reduces("pandas._libs.internals.BlockValuesRefs")
def _reduce_sharers(sharers: Any, _: Freezing) -> Reduced:
    return (type(sharers), ())


@reduces("pandas._libs.internals.Block")
def _reduce_block(block: Any, _: Freezing) -> Any:
    return _joining(block, getattr(block, "refs", None), join_block)


@reduces("pandas.core.internals.managers.SingleBlockManager")
def _reduce_only_block(manager: Any, _: Freezing) -> Any:
    """The block of a series, which its manager makes of its own state."""
    sharers = getattr(manager.blocks[0], "refs", None)
    if sharers is None or not sharers.has_reference():
        return NotImplemented
    make, arguments, state, *_more = manager.__reduce_ex__(5)
    return (make, arguments, (state, sharers), None, None, set_only_block)


@reduces("pandas.Index", "pandas.core.indexes.base.Index")
def _reduce_index(index: Any, _: Freezing) -> Any:
    # Those of ranges make theirs when it is asked for, with numbers of their own.
    return _joining(index, vars(index).get("_references"), join_index)


def _joining(value: Any, sharers: Any, join: Any) -> Any:
    if sharers is None or not sharers.has_reference():  # but for its own
        return NotImplemented
    make, arguments, *more = value.__reduce_ex__(5)
    if any(each is not None for each in more):
        return (make, arguments, *more)  # of a class of the user's
    return (make, arguments, (sharers,), None, None, join)


def join_block(block: Any, state: tuple[Any]) -> None:
    """Have a block share its memory with those that refer to the same object."""
    (block.refs,) = state
    state[0].add_reference(block)


def set_only_block(manager: Any, state: tuple[Any, Any]) -> None:
    """Set the state of the manager of a series, and have its block share its memory."""
    manager.__setstate__(state[0])
    join_block(manager.blocks[0], (state[1],))


def join_index(index: Any, state: tuple[Any]) -> None:
    """Have an index share its memory with those that refer to the same object."""
    (index._references,) = state
    state[0].add_index_reference(index)
