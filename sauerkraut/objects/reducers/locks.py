"""Locks: held by this thread, they come back held."""

from __future__ import annotations

import _thread
import threading
from typing import Any

from sauerkraut.objects.freezing import Freezing, Reduced, reduces, refuse

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


def set_local(local: Any, state: tuple[dict[str, Any]]) -> None:
    """Give this thread's part of a ``threading.local`` its attributes."""
    local.__dict__.update(state[0])
