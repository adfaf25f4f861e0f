"""Weak references: alive again when their object is captured for another reason, else dead."""

from __future__ import annotations

import types
import weakref
from typing import Any

from sauerkraut.objects.freezing import Freezing, Reduced, describe, reduces, refuse
from sauerkraut.objects.reducers.plain import own_state, set_attributes


class _Gone:
    """What a dead weak reference looked at."""


@reduces(weakref.ref, *weakref.ProxyTypes)
def _reduce_reference(reference: Any, freezing: Freezing) -> Reduced:
    kind = weakref.ref if type(reference) is weakref.ref else weakref.proxy
    target = _target(reference)
    if target is None or not _is_kept(target, freezing):
        return (dead, (kind,))
    callback = getattr(reference, "__callback__", None)
    return (kind, (target,) if callback is None else (target, callback))


@reduces(weakref.KeyedRef)
def _reduce_keyed_reference(reference: Any, freezing: Freezing) -> Reduced:
    """One of a ``WeakValueDictionary``: a loop over its items has it in a variable."""
    target = reference()
    if target is None or not _is_kept(target, freezing):
        return (dead, (weakref.ref,))
    return (weakref.KeyedRef, (target, reference.__callback__, reference.key))


@reduces(weakref.ref, subclasses=True)
def _reduce_derived_reference(reference: Any, freezing: Freezing) -> Reduced:
    """One of a class of the program's own, with its attributes."""
    if isinstance(reference, (weakref.KeyedRef, weakref.WeakMethod)):
        raise refuse(reference, "keep one of the class of weakref that it is derived from")
    target = reference()
    kept = target is not None and _is_kept(target, freezing)
    looking = (target, reference.__callback__) if kept else ()
    state = own_state(reference)
    return (make_derived, (type(reference), *looking), state, None, None, set_attributes)


def make_derived(cls: Any, *looking: Any) -> Any:
    """A weak reference of a class derived from ``weakref.ref``, past what that makes of it."""
    return weakref.ref.__new__(cls, *(looking or (_Gone(),)))


@reduces("_weakrefset._IterationGuard")
def _reduce_guard(guard: Any, _: Freezing) -> Any:
    """What a loop over a weak container has entered."""
    container = guard.weakcontainer()
    if container is None or guard not in container._iterating:
        return NotImplemented
    return (guard_of, (type(guard), container))


def guard_of(cls: Any, container: Any) -> Any:
    """One that a loop over a weak container has entered and will leave."""
    return cls(container).__enter__()


def _target(reference: Any) -> Any:
    if isinstance(reference, weakref.ref):
        return reference()
    try:
        # A proxy's bound method hands out the object it stands for.
        return reference.__repr__.__self__
    except (ReferenceError, AttributeError):
        return None


def _is_kept(target: object, freezing: Freezing) -> bool:
    """Whether ``target`` is in the graph anyway; decided in the second pass."""
    freezing.weak_targets[id(target)] = target
    if freezing.strong is None:
        return False
    if _goes_by_name(target) or id(target) in freezing.strong:
        return True
    freezing.dead.append(describe(type(target)))
    return False


def _goes_by_name(target: object) -> bool:
    return isinstance(target, (type, types.FunctionType, types.ModuleType))


def dead(kind: Any) -> Any:
    """A weak reference whose object is gone."""
    return kind(_Gone())


@reduces(weakref.WeakValueDictionary)
def _reduce_values(mapping: Any, freezing: Freezing) -> Reduced:
    kept = [(key, value) for key, value in mapping.items() if _is_kept(value, freezing)]
    return (weakref.WeakValueDictionary, (), None, None, iter(kept))


@reduces(weakref.WeakKeyDictionary)
def _reduce_keys(mapping: Any, freezing: Freezing) -> Reduced:
    kept = [(key, value) for key, value in mapping.items() if _is_kept(key, freezing)]
    return (weakref.WeakKeyDictionary, (), None, None, iter(kept))


@reduces(weakref.WeakSet)
def _reduce_set(group: Any, freezing: Freezing) -> Reduced:
    kept = [each for each in group if _is_kept(each, freezing)]
    return (weakref.WeakSet, (), (kept,), None, None, fill_set)


def fill_set(group: Any, state: tuple[list[Any]]) -> None:
    """Add the elements of a weak set."""
    for each in state[0]:
        group.add(each)


@reduces(weakref.WeakMethod)
def _reduce_method(reference: Any, freezing: Freezing) -> Reduced:
    method = reference()
    if method is None or not _is_kept(method.__self__, freezing):
        return (dead_method, ())
    return (weakref.WeakMethod, (method,))


def dead_method() -> Any:
    """A weak reference to a method of an object that is gone."""

    class Gone:
        def method(self) -> None: ...

    return weakref.WeakMethod(Gone().method)


@reduces(weakref.finalize)
def _reduce_finalize(value: Any, _: Freezing) -> Reduced:
    raise refuse(value, "make it anew after a restart (on_restart)")
