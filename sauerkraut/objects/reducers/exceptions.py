"""Exceptions with traceback, cause, context, notes and the fields of the built-in classes."""

from __future__ import annotations

import builtins
import functools
import types
from collections.abc import Iterator
from typing import Any, cast

from sauerkraut.objects.freezing import Freezing, Reduced, reduces, refuse

_BUILT_IN = frozenset(
    each
    for each in vars(builtins).values()
    if isinstance(each, type) and issubclass(each, BaseException)
)

# Restored on their own, or no part of the state.
_APART = frozenset(
    (
        "__cause__",
        "__context__",
        "__dict__",
        "__suppress_context__",
        "__traceback__",
        "__weakref__",
        "args",
    )
)


def _base_of(cls: type[BaseException]) -> type[BaseException]:
    return next(each for each in cls.__mro__ if each in _BUILT_IN)


def _fields_of(base: Any) -> dict[str, Any]:
    """What a built-in class keeps beside ``args``: ``obj`` of AttributeError, ``filename``..."""
    if issubclass(base, BaseExceptionGroup):  # given when it is made, and fixed
        return {}
    kinds = (types.MemberDescriptorType, types.GetSetDescriptorType)
    return {
        name: value
        for cls in reversed(base.__mro__)
        if cls is not object
        for name, value in vars(cls).items()
        if isinstance(value, kinds) and name not in _APART
    }


_FIELDS = {base: _fields_of(base) for base in _BUILT_IN}


@reduces(BaseException, subclasses=True)
def _reduce_exception(error: BaseException, _: Freezing) -> Reduced:
    cls = type(error)
    base = _base_of(cls)
    origin = (
        error.__cause__,
        error.__context__,
        error.__suppress_context__,
        error.__traceback__,
    )
    if not leaves_pickling_to_built_in(cls):
        make, arguments, *state = cast("tuple[Any, ...]", error.__reduce_ex__(5))
        own = state[0] if state else None
        return (make, arguments, (origin, own, None, {}), None, None, set_exception)
    at_creation: tuple[Any, ...] = ()
    if isinstance(error, BaseExceptionGroup):
        at_creation = (error.message, error.exceptions)
    kept = (origin, _attributes(error), error.args, _held(error, base))
    return (make_exception, (cls, base, *at_creation), kept, None, None, set_exception)


def leaves_pickling_to_built_in(cls: type[BaseException]) -> bool:
    """Whether a class of exceptions has no way of its own to be pickled."""
    base = _base_of(cls)
    return cls.__reduce_ex__ is base.__reduce_ex__ and cls.__reduce__ is base.__reduce__


def _held(error: BaseException, base: type[BaseException]) -> dict[str, object]:
    found = {}
    for name, field in _FIELDS[base].items():
        try:
            found[name] = field.__get__(error)
        except AttributeError:  # not set
            continue
    # None is what an unset field reads as; an OSError whose filename is set to it says so.
    return {name: value for name, value in found.items() if value is not None}


def _attributes(error: BaseException) -> dict[str, object] | None:
    """Attributes and slots as ``BaseException.__setstate__`` takes them."""
    state: Any = object.__getstate__(error)
    own, slots = state if isinstance(state, tuple) else (state, None)
    return {**(own or {}), **(slots or {})} or None


def make_exception(
    cls: type[BaseException], base: type[BaseException], *arguments: Any
) -> BaseException:
    """An exception of a class whose own ``__init__`` may want other arguments than it kept."""
    return base.__new__(cls, *arguments)


def set_exception(error: BaseException, state: tuple[Any, ...]) -> None:
    """Give an exception its arguments, fields, attributes and what it came from."""
    origin, own, args, held = state
    if args is not None:
        error.args = args
    fields = _FIELDS[_base_of(type(error))]
    for name, value in held.items():
        fields[name].__set__(error, value)
    if own is not None:
        error.__setstate__(own)
    error.__cause__, error.__context__, error.__suppress_context__, error.__traceback__ = origin


@reduces(types.TracebackType)
def _reduce_traceback(traceback: types.TracebackType, _: Freezing) -> Reduced:
    entries = []
    at: types.TracebackType | None = traceback
    while at is not None:
        frame = at.tb_frame
        code = frame.f_code
        name = frame.f_globals.get("__name__")
        module = name if isinstance(name, str) else ""
        entries.append((code.co_filename, code.co_name, code.co_qualname, module, at.tb_lineno))
        at = at.tb_next
    return (make_traceback, (tuple(entries),))


def make_traceback(
    entries: tuple[tuple[str, str, str, str, int], ...],
) -> types.TracebackType | None:
    """A traceback that prints like the captured one; its frames have no variables."""
    made = None
    for filename, name, qualname, module, line in reversed(entries):
        frame = _frame(filename, name, qualname, module)
        # lasti -1: no position within the line is known.
        made = types.TracebackType(made, frame, -1, line)
    return made


def _never_begun() -> Iterator[None]:
    yield


@functools.lru_cache(maxsize=256)
def _frame(filename: str, name: str, qualname: str, module: str) -> types.FrameType:
    """A frame that nobody called: through ``f_back`` one that ran here would keep all of ours."""
    code = _never_begun.__code__.replace(co_filename=filename, co_name=name, co_qualname=qualname)
    namespace: dict[str, Any] = {"__name__": module, "__file__": filename}
    frame: types.FrameType = types.FunctionType(code, namespace)().gi_frame
    return frame


@reduces(types.FrameType)
def _reduce_frame(frame: types.FrameType, _: Freezing) -> Reduced:
    raise refuse(frame, "do not keep a frame in a variable (sys._getframe, inspect.currentframe)")
