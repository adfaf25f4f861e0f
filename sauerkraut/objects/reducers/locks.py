"""Locks: held by this thread, they come back held."""

from __future__ import annotations

import _thread
import gc
import threading
from typing import Any

from sauerkraut.objects.freezing import Freezing, Reduced, reduces, refuse
from sauerkraut.objects.reducers.plain import own_state

_ADVICE = "release it before the checkpoint, exclude it, or register a reducer"


@reduces(_thread.LockType)
def _reduce_lock(lock: Any, _: Freezing) -> Reduced:
    held = lock.locked()
    # A lock does not know its holder: with one thread there is no doubt.
    if held and threading.active_count() > 1:
        raise refuse(lock, f"it is held and another thread may hold it; {_ADVICE}")
    return (make_lock, (held,))


def make_lock(held: bool) -> Any:
    """A lock, taken by this thread if it was."""
    lock = _thread.allocate_lock()
    if held:
        lock.acquire()
    return lock


@reduces(_thread.RLock)
def _reduce_rlock(lock: Any, _: Freezing) -> Reduced:
    count = 0
    if lock._is_owned():
        state = lock._release_save()
        lock._acquire_restore(state)
        count = state[0]
    elif not repr(lock).startswith("<unlocked"):
        raise refuse(lock, f"another thread holds it; {_ADVICE}")
    return (make_rlock, (count,))


def make_rlock(count: int) -> Any:
    """A reentrant lock, taken by this thread as often as it was."""
    lock = threading.RLock()
    for _ in range(count):
        lock.acquire()
    return lock


@reduces(threading.local)
def _reduce_local(local: Any, _: Freezing) -> Reduced:
    return (threading.local, (), (dict(local.__dict__),), None, None, set_local)


@reduces(threading.local, subclasses=True)
def _reduce_derived_local(local: Any, _: Freezing) -> Reduced:
    cls = type(local)
    arguments: tuple[Any, ...] = ()
    named: dict[str, Any] = {}
    if cls.__init__ is not object.__init__:
        # What its `__init__` is given in each thread, which no attribute tells: behind the slots.
        held = gc.get_referents(local)
        at = max((i for i, each in enumerate(held) if type(each) is tuple), default=-1)
        arguments = held[at] if at >= 0 else ()
        named = next((each for each in held[at + 1 :] if _is_named(each)), {})
    state = (dict(local.__dict__), own_state(local)[1])
    return (make_local, (cls, arguments, named), state, None, None, set_local)


def _is_named(held: Any) -> bool:
    return type(held) is dict and bool(held) and all(type(key) is str for key in held)


def make_local(cls: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """One of a class derived from ``threading.local``, past its ``__init__``."""
    return cls.__new__(cls, *arguments, **named)


def set_local(local: Any, state: tuple[Any, ...]) -> None:
    """Give this thread's part of a ``threading.local`` its attributes, all threads its slots."""
    attributes, *slots = state
    local.__dict__.update(attributes)
    for name, value in slots[0].items() if slots else ():
        threading.local.__setattr__(local, name, value)
