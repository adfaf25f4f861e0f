"""The pass over a graph that names the variable which cannot be captured. Slow: on failure only."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Mapping, Sequence
from types import CellType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from sauerkraut.errors import CaptureError
from sauerkraut.objects.freezing import Freezing, Shell, describe
from sauerkraut.objects.stream import GENERATOR

if TYPE_CHECKING:
    from sauerkraut._native import Generators

SHOWN_LINKS = 8


class _Tracing(pickle._Pickler):
    """The pickler in Python, remembering the way from the list of values to where it failed."""

    def __init__(self, freezing: Freezing, anchors: dict[int, object]) -> None:
        super().__init__(io.BytesIO(), protocol=5)
        self.way: list[object] = []
        self._freezing = freezing
        self._anchors = anchors

    def reducer_override(self, obj: object) -> Any:
        return self._freezing.reduce(obj)

    def persistent_id(self, obj: object) -> object:
        if (name := self._anchors.get(id(obj))) is not None:
            return name
        if type(obj) is dict and "__builtins__" in obj:
            return self._freezing.name_of_globals(obj)
        return None

    def save(self, obj: object, save_persistent_id: bool = True) -> None:
        self.way.append(obj)
        super().save(obj, save_persistent_id)  # type: ignore[misc]
        self.way.pop()


def explain(
    values: Sequence[object],
    names: Callable[[int], str],
    anchors: dict[int, object],
    freezing: Freezing,
    error: BaseException,
) -> CaptureError:
    """The error to raise for ``error``, met while ``values`` were written: says where and why."""
    tracing = _Tracing(freezing, anchors)
    try:
        tracing.dump(list(values))
        for kind, number, contents in freezing.further_parts():
            if kind == GENERATOR and freezing.generators is not None:
                values, names = contents, _names_in_generator(freezing.generators, number)
            tracing.dump(contents)
    except RecursionError as met:
        error = met
    except Exception as met:  # noqa: BLE001 - told in the message
        error = met if isinstance(met, CaptureError) else error
    links = _links(tracing.way, values, names)
    if isinstance(error, RecursionError):
        reason = (
            "is nested too deeply; keep it in flat containers, exclude it or register a reducer"
        )
    elif isinstance(error, CaptureError):
        reason = str(error)
    else:
        culprit = next((o for o in reversed(tracing.way) if not _is_made_up(o)), None)
        told = describe(type(culprit)) if tracing.way else "an object"
        reason = f"{told} cannot be captured; exclude it or register a reducer ({error})"
    separator = " " if isinstance(error, RecursionError) else ": "
    refusal = type(error) if isinstance(error, CaptureError) else CaptureError
    del error  # its traceback leads here: a circle would keep what the program gives up
    return refusal(f"{links}{separator}{reason}" if links else reason)


def _names_in_generator(generators: Generators, place: int) -> Callable[[int], str]:
    """How a person finds what the frame of a generator refers to."""
    owner = f"{generators.code(place).co_qualname}(), a generator"
    objects = generators.objects(place)
    found = {id(value): name for _, name, value in generators.bound(place)}

    def name_of(index: int) -> str:
        name = found.get(id(objects[index]))
        return f"{owner} -> " + ("a value on its stack" if name is None else f"local {name!r}")

    return name_of


def _is_made_up(obj: object) -> bool:
    return isinstance(obj, (tuple, Shell)) or obj is None


def _links(way: list[object], values: Sequence[object], names: Callable[[int], str]) -> str:
    if len(way) < 2:
        return ""
    start = next((i for i, value in enumerate(values) if value is way[1]), None)
    if start is None:
        return ""
    links = [names(start)]
    holder = way[1]
    for obj in way[2:]:
        link = _link(holder, obj)
        if link is not None:
            links.append(link)
            holder = obj
    if len(links) > SHOWN_LINKS:
        links[SHOWN_LINKS:] = [f"... {len(links) - SHOWN_LINKS} more"]
    return " -> ".join(links)


def _link(holder: object, obj: object) -> str | None:
    """How ``obj`` is found in ``holder``; None when it is an in-between of the pickler."""
    if isinstance(holder, dict):
        for key, value in holder.items():
            if value is obj:
                return f"item {key!r}"
            if key is obj:
                return f"key {key!r}"
        return None
    if isinstance(holder, (list, tuple)):
        return next((f"item {i}" for i, value in enumerate(holder) if value is obj), None)
    if isinstance(holder, (set, frozenset)):
        return "an element" if any(value is obj for value in holder) else None
    if isinstance(holder, MethodType) and obj is holder.__self__:
        return "its instance"
    if type(holder) is obj:
        return f"its class {describe(type(holder))}"
    if isinstance(holder, FunctionType) and (link := _link_of_function(holder, obj)) is not None:
        return link
    if isinstance(holder, CellType):
        try:
            return "its contents" if holder.cell_contents is obj else None
        except ValueError:
            return None
    if isinstance(holder, BaseException):
        for name in ("obj", "value", "__cause__", "__context__"):
            if getattr(holder, name, None) is obj:
                return f"attribute {name!r}"
    try:
        attributes: Mapping[str, object] = vars(holder)
    except TypeError:
        attributes = {}
    for name, value in attributes.items():
        if value is obj:
            return f"attribute {name!r}"
    for cls in type(holder).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            try:
                if object.__getattribute__(holder, name) is obj:
                    return f"attribute {name!r}"
            except AttributeError:
                continue
    return None


def _link_of_function(function: FunctionType, obj: object) -> str | None:
    code, defaults = function.__code__, function.__defaults__ or ()
    arguments = code.co_varnames[: code.co_argcount]
    held: dict[str, Mapping[str, object]] = {
        "closure variable": dict(zip(code.co_freevars, function.__closure__ or (), strict=True)),
        "default of": {
            **dict(zip(reversed(arguments), reversed(defaults), strict=False)),
            **(function.__kwdefaults__ or {}),
        },
        "global": function.__globals__,
    }
    for kind, values in held.items():
        for name, value in values.items():
            if value is obj:
                return f"{kind} {name!r}"
    return None
