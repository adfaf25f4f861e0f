"""Context variables, and the tokens that undo a change of one."""

from __future__ import annotations

import contextvars
import functools
import gc
import importlib
import sys
from typing import Any, cast

from sauerkraut._native import is_used, set_old_value
from sauerkraut.objects import thawing
from sauerkraut.objects.freezing import Freezing, Reduced, reduces, refuse
from sauerkraut.objects.reducers.singletons import find, name_of


@reduces(contextvars.ContextVar)
def _reduce_variable(variable: Any, freezing: Freezing) -> Reduced:
    name = name_of(variable, freezing)
    if name is not None:
        return (find, name)
    # No attribute shows the default; the garbage collector does, behind the name.
    held = [each for each in gc.get_referents(variable) if each is not type(variable)]
    default = tuple(held[1:2])
    context = contextvars.copy_context()
    value = (context[variable],) if variable in context else ()
    return (make_variable, (variable.name, default), (value,), None, None, set_variable)


def make_variable(name: str, default: tuple[Any, ...]) -> contextvars.ContextVar[Any]:
    """A context variable that no module holds."""
    if default:
        return contextvars.ContextVar(name, default=default[0])
    return contextvars.ContextVar(name)


def set_variable(variable: contextvars.ContextVar[Any], state: tuple[tuple[Any, ...]]) -> None:
    """Set it in this context, if it was set."""
    for value in state[0]:
        variable.set(value)


@reduces(contextvars.Context)
def _reduce_context(context: contextvars.Context, _: Freezing) -> Reduced:
    return (contextvars.Context, (), (list(context.items()),), None, None, set_context)


def set_context(context: contextvars.Context, state: tuple[list[tuple[Any, Any]]]) -> None:
    """Set the variables of a context."""
    for variable, value in state[0]:
        context.run(variable.set, value)


@reduces(contextvars.Token)
def _reduce_token(token: contextvars.Token[Any], _: Freezing) -> Reduced:
    used = is_used(token)
    old = () if token.old_value is contextvars.Token.MISSING else (token.old_value,)
    context = contextvars.copy_context()
    now = (context[token.var],) if not used and token.var in context else ()
    return (make_token, (token.var, used), (old, now), None, None, set_token)


def make_token(variable: contextvars.ContextVar[Any], used: bool) -> contextvars.Token[Any]:
    """A token of this context that leaves the variable as it is, or one that was used."""
    if used:
        return contextvars.Context().run(_used_token, variable)
    first = variable.set(None)
    token = variable.set(None)
    variable.reset(first)
    return token


def _used_token(variable: contextvars.ContextVar[Any]) -> contextvars.Token[Any]:
    token = variable.set(None)
    variable.reset(token)
    return token


def set_token(
    token: contextvars.Token[Any], state: tuple[tuple[Any, ...], tuple[Any, ...]]
) -> None:
    """Tell a token what it goes back to; its variable gets the value that the token undoes."""
    old, now = state
    set_old_value(token, old)
    for value in now:
        thawing.current().actions.append(functools.partial(token.var.set, value))


@reduces("builtins.PyCapsule")
def _reduce_capsule(capsule: Any, _: Freezing) -> Reduced:
    if repr(capsule).startswith('<capsule object "numpy.ufunc.extobj"'):
        return (make_error_handling, contextvars.copy_context().run(_error_handling, capsule))
    raise refuse(capsule, "it is a pointer of a C library; keep what it was made from")


def _error_handling(capsule: Any) -> tuple[dict[str, Any], Any, int]:
    """What NumPy does about floating-point errors where ``capsule`` is its setting."""
    numpy = sys.modules["numpy"]
    _numpy_variable().set(capsule)
    return numpy.geterr(), numpy.geterrcall(), numpy.getbufsize()


def make_error_handling(errors: dict[str, Any], call: Any, size: int) -> Any:
    """A setting of NumPy's, as its context variable holds it (NumPy 2)."""

    def make() -> Any:
        numpy.seterr(**errors)
        numpy.seterrcall(call)
        numpy.setbufsize(size)
        return _numpy_variable().get()

    numpy: Any = importlib.import_module("numpy")
    return contextvars.copy_context().run(make)


def _numpy_variable() -> contextvars.ContextVar[Any]:
    held = find("numpy._core._ufunc_config", "_extobj_contextvar")
    return cast("contextvars.ContextVar[Any]", held)
