"""Type variables, aliases and new types: by name, or made anew where no name leads to them.

Annotations lead to them, so functions and classes that are written by value need them.
"""

from __future__ import annotations

import contextlib
import sys
import typing
from collections.abc import Callable
from typing import Any

from sauerkraut.objects.freezing import Freezing, Reduced, reduces
from sauerkraut.objects.reducers.definitions import attribute, carries


def _by_name_or(
    value: Any, freezing: Freezing, kind: Any, arguments: tuple[Any, ...], options: dict[str, Any]
) -> Reduced:
    name: str = value.__name__
    by_value = (make_variable, (kind, name, arguments, value.__module__, options))
    if attribute(value.__module__, name) is not value:
        return by_value
    if carries(value.__module__, freezing):
        return (find_or_make, (name, *by_value))
    return name


def find_or_make(name: str, make: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """What ``__main__`` has by that name if it is of the same type, else a new one."""
    made = make(*arguments)
    found = attribute("__main__", name)
    return found if type(found) is type(made) else made


@reduces(typing.TypeVar)
def _reduce_type_variable(value: Any, freezing: Freezing) -> Reduced:
    options = _options(value, "bound", "covariant", "contravariant", "infer_variance")
    return _by_name_or(value, freezing, typing.TypeVar, value.__constraints__, options)


@reduces(typing.ParamSpec)
def _reduce_parameters(value: Any, freezing: Freezing) -> Reduced:
    options = _options(value, "bound", "covariant", "contravariant")
    return _by_name_or(value, freezing, typing.ParamSpec, (), options)


@reduces(typing.TypeVarTuple)
def _reduce_variable_tuple(value: Any, freezing: Freezing) -> Reduced:
    return _by_name_or(value, freezing, typing.TypeVarTuple, (), _options(value))


@reduces(typing.NewType)
def _reduce_new_type(value: Any, freezing: Freezing) -> Reduced:
    return _by_name_or(value, freezing, typing.NewType, (value.__supertype__,), {})


if sys.version_info >= (3, 12):

    @reduces(typing.TypeAliasType)
    def _reduce_alias(value: Any, freezing: Freezing) -> Reduced:
        """What ``type X = ...`` makes; where no name leads to it, with the value it has by now."""
        name: str = value.__name__
        named = attribute(value.__module__, name) is value
        if named and not carries(value.__module__, freezing):
            return name
        parts = (name, value.__value__, value.__type_params__, value.__module__)
        return (find_or_make, (name, make_alias, parts)) if named else (make_alias, parts)


def make_alias(name: str, value: Any, parameters: tuple[Any, ...], module: str) -> Any:
    """An alias of a type, of a module: that of the code which calls for it."""
    namespace = {"__name__": module, "typing": typing, "parts": (name, value), "of": parameters}
    exec("made = typing.TypeAliasType(*parts, type_params=of)", namespace)
    return namespace["made"]


def _options(value: Any, *names: str) -> dict[str, Any]:
    found = {name: getattr(value, f"__{name}__", None) for name in names}
    if getattr(value, "has_default", bool)():  # from 3.13 on
        found["default"] = value.__default__
    return {name: option for name, option in found.items() if option is not None and option}


def make_variable(
    kind: Any, name: str, arguments: tuple[Any, ...], module: str, options: dict[str, Any]
) -> Any:
    """A type variable, or a new type, of a module."""
    made = kind(name, *arguments, **options)
    with contextlib.suppress(AttributeError, TypeError):
        made.__module__ = module
    return made
