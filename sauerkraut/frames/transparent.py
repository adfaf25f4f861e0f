"""C callables that users vouch for."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from types import FunctionType, MethodType
from typing import Any, TypeVar

from sauerkraut import _native

C = TypeVar("C", bound=Callable[..., Any])


def _bound_to(method: object) -> object:
    return getattr(method, "__self__", None)


def transparent(c_callable: C, /) -> C:
    """Declare that a C callable returns what the Python function it calls returns, as it is.

    A frame that waits inside of it can then be captured; what else the callable would do with
    the value, such as keeping it in a cache, is lost in the resumed stack. Works as a decorator::

        @skt.transparent
        @functools.lru_cache
        def table(n): ...

    Args:
        c_callable: A C function, a method of a C class, a callable object of a C class, or such
            a class, for calls of it and of its instances. A declaration is for the whole
            process and stays; make it where the callable is defined.

    Returns:
        The callable itself.

    Raises:
        TypeError: it is not callable, or is written in Python, which needs no declaration; or it
            is ``Context.run``, whose callee a resumed stack would not find in its context.
    """
    if not callable(c_callable):
        raise TypeError(f"{c_callable!r} cannot be called")
    if isinstance(c_callable, (FunctionType, MethodType)):
        raise TypeError(f"{c_callable.__qualname__} is a Python function: it needs no declaration")
    if Context in (getattr(c_callable, "__objclass__", None), type(_bound_to(c_callable))):
        raise TypeError(
            f"{c_callable.__qualname__} calls in a context that is not captured with it"
        )
    _native.declare_transparent(c_callable)
    return c_callable
