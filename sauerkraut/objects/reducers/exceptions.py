"""Exceptions with traceback, cause, context and notes."""

from __future__ import annotations

import builtins
import functools
import types
from typing import Any, cast

from sauerkraut.objects.freezing import Freezing, Reduced, reduces, refuse

_BUILT_IN = frozenset(
    each
    for each in vars(builtins).values()
    if isinstance(each, type) and issubclass(each, BaseException)
)


@reduces(BaseException, subclasses=True)
def _reduce_exception(error: BaseException, _: Freezing) -> Reduced:
    cls = type(error)
    base = next(each for each in cls.__mro__ if each in _BUILT_IN)
    plain = cls.__reduce_ex__ is base.__reduce_ex__ and cls.__reduce__ is base.__reduce__
    make, arguments, *state = cast("tuple[Any, ...]", error.__reduce_ex__(5))
    if plain:
        make, arguments = make_exception, (cls, base, arguments)
    more = (
        state[0] if state else None,
        error.__cause__,
        error.__context__,
        error.__suppress_context__,
        error.__traceback__,
        # The interpreter keeps it beside the arguments and pickles it from 3.12 on only.
        error.name if isinstance(error, (AttributeError, NameError)) else None,
    )
    return (make, arguments, more, None, None, set_exception)


def make_exception(
    cls: type[BaseException], base: type[BaseException], arguments: tuple[Any, ...]
) -> BaseException:
    """An exception of a class whose own ``__init__`` may want other arguments than it kept."""
    error = base.__new__(cls, *arguments)
    base.__init__(error, *arguments)
    return error


def set_exception(error: BaseException, state: tuple[Any, ...]) -> None:
    """Give an exception its attributes and what it came from."""
    own, cause, context, suppress, traceback, name = state
    if own is not None:
        error.__setstate__(own)
    error.__cause__ = cause
    error.__context__ = context
    error.__suppress_context__ = suppress
    error.__traceback__ = traceback
    if isinstance(error, (AttributeError, NameError)):
        error.name = name


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


_source = compile("import sys\nframe = sys._getframe()", "<sauerkraut>", "exec")


@functools.lru_cache(maxsize=256)
def _frame(filename: str, name: str, qualname: str, module: str) -> types.FrameType:
    code = _source.replace(co_filename=filename, co_name=name, co_qualname=qualname)
    namespace: dict[str, Any] = {"__name__": module, "__file__": filename}
    exec(code, namespace)
    frame: types.FrameType = namespace.pop("frame")
    return frame


@reduces(types.FrameType)
def _reduce_frame(frame: types.FrameType, _: Freezing) -> Reduced:
    raise refuse(frame, "do not keep a frame in a variable (sys._getframe, inspect.currentframe)")
