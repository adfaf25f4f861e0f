"""Whether `run` is called with the same arguments as the checkpointed run."""

from __future__ import annotations

import datetime as dt
import enum
import functools
import hashlib
import inspect
import os
import pathlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

from sauerkraut.objects.freezing import describe

LONGEST = 200
"""Characters of an argument that are shown; more are told by a hash."""

_BY_REPR = (
    bool,
    bytes,
    complex,
    dt.date,
    dt.time,
    dt.timedelta,
    float,
    int,
    str,
    type(None),
    type(Ellipsis),
)


def describe_arguments(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, str]:
    """Name -> text of each argument of a call, equal in every process that calls alike.

    Scalars, strings, paths, enums, dates, and tuples and dicts of them by value; arrays by dtype
    and shape; everything else by type. What a `functools.partial` binds counts as given here. Plain
    strings: fit for JSON.
    """
    while isinstance(function, functools.partial):
        args, kwargs = (*function.args, *args), {**function.keywords, **kwargs}
        function = function.func
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
        named = dict(bound.arguments)
    except (TypeError, ValueError):  # no signature, or the call itself will raise
        named = {**{f"argument {i}": value for i, value in enumerate(args)}, **kwargs}
    owner = getattr(function, "__self__", None)
    texts = {} if owner is None or inspect.ismodule(owner) else {"self": _text(owner)}
    return texts | {name: _shortened(_text(value)) for name, value in named.items()}


def difference(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    """What differs between two descriptions, by argument; empty: nothing."""
    lines = [
        f"{name}: {then.get(name, 'not given')} then, {now.get(name, 'not given')} now"
        for name in dict.fromkeys([*then, *now])
        if then.get(name) != now.get(name)
    ]
    return "; ".join(lines)


def _shortened(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
    return f"{text[: LONGEST - 22]}... ({digest})"


def _text(value: object) -> str:
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray):
        return f"array of {value.dtype} {value.shape}"
    if numpy is not None and isinstance(value, numpy.generic) and value.dtype.kind in "biufcSU":
        return f"{value.dtype}({value.item()!r})"
    if isinstance(value, enum.Enum):
        return f"{describe(type(value))}.{value.name}"
    if isinstance(value, pathlib.PurePath):
        return f"path {os.fspath(value)!r}"
    if type(value) in _BY_REPR:
        return repr(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(_text, value))}{',' if len(value) == 1 else ''})"
    if type(value) is dict:
        return "{" + ", ".join(f"{_text(k)}: {_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (frozenset,)):
        return f"frozenset({', '.join(sorted(map(_text, value)))})"
    if inspect.isroutine(value) or isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    return f"a {describe(type(value))}"
