"""Small built-in objects that lack pickling for no deep reason."""

from __future__ import annotations

import array
import contextlib
import copyreg
import gc
import io
import random
import re
import struct
import sys
import types
from typing import Any

from sauerkraut._native import address_of
from sauerkraut.objects.freezing import Freezing, Reduced, reduces, refuse

_BytesIOBuffer: type = type(io.BytesIO().getbuffer().obj)


@reduces(struct.Struct)
def _reduce_struct(value: struct.Struct, _: Freezing) -> Reduced:
    return (struct.Struct, (value.format,))


@reduces("_json.Scanner")
def _reduce_json_scanner(scanner: Any, _: Freezing) -> Reduced:
    """What a ``json.JSONDecoder`` reads with: made of the decoder's settings."""
    names = [name for name in dir(type(scanner)) if not name.startswith("_")]
    return (json_scanner, ({name: getattr(scanner, name) for name in names},))


def json_scanner(settings: dict[str, Any]) -> Any:
    """A reader of JSON for a decoder with these settings."""
    import json.scanner

    make: Any = json.scanner.make_scanner
    return make(types.SimpleNamespace(**settings))


@reduces(memoryview)
def _reduce_memoryview(value: memoryview, _: Freezing) -> Reduced:
    owner = _owner_of(value)
    numpy: Any = sys.modules.get("numpy")
    owners = (bytes, bytearray, array.array, io.BytesIO, *((numpy.ndarray,) if numpy else ()))
    if isinstance(owner, owners):
        whole = view_of(owner)
        if (value.format, value.shape, value.strides) == (whole.format, whole.shape, whole.strides):
            return (view_whole, (owner, value.readonly))
        if whole.c_contiguous and _is_native(whole) and _is_native(value):
            first = address_of(value) - address_of(whole)
            if (part := _part_of(value, first)) is not None:
                return (view_part, (owner, value.readonly, *part))
    raise refuse(value, "keep the object it looks at, or numpy.frombuffer of that")


def _owner_of(value: memoryview) -> Any:
    """What has the memory; a ``BytesIO`` hides behind what its ``getbuffer`` makes."""
    held = gc.get_referents(value.obj) if type(value.obj) is _BytesIOBuffer else ()
    return next((each for each in held if isinstance(each, io.BytesIO)), value.obj)


def _is_native(value: memoryview) -> bool:
    """Whether a view can be cast: its items are one number each."""
    return len(value.format.removeprefix("@")) == 1 and (value.ndim == 1 or value.nbytes > 0)


def _part_of(value: memoryview, first: int) -> tuple[Any, ...] | None:
    """What `view_part` makes ``value`` of; None: nothing."""
    size, strides = value.itemsize, value.strides or ()
    if value.c_contiguous:
        shape = None if value.ndim == 1 else list(value.shape or ())
        return (first, first + value.nbytes, value.format, shape, 1)
    if value.ndim != 1 or strides[0] % size:
        return None
    last = first + (len(value) - 1) * strides[0]
    low, high = min(first, last), max(first, last) + size
    return (low, high, value.format, None, strides[0] // size)


def view_whole(owner: Any, readonly: bool) -> memoryview:
    """A view of all of an object's memory."""
    whole = view_of(owner)
    return whole.toreadonly() if readonly else whole


def view_of(owner: Any) -> memoryview:
    """A view of an object's memory, as the object gives it."""
    return owner.getbuffer() if isinstance(owner, io.BytesIO) else memoryview(owner)


def view_part(
    owner: Any,
    readonly: bool,
    low: int,
    high: int,
    layout: Any,
    shape: list[int] | None,
    step: int,
) -> memoryview:
    """A view of the bytes from ``low`` to ``high`` of an object's memory, every ``step`` items."""
    part = view_whole(owner, readonly).cast("B")[low:high]
    cast = part.cast(layout, shape) if shape is not None else part.cast(layout)
    return cast[::step] if step != 1 else cast


@reduces(re.Match)
def _reduce_match(match: re.Match[Any], _: Freezing) -> Reduced:
    # Found again by what may have found it: `finditer` looks from where the last one ended.
    for how, start in (
        *(("search", match.pos), ("match", match.pos), ("fullmatch", match.pos)),
        *(("match", match.start()), ("fullmatch", match.start())),
    ):
        again = find_match(match.re, how, match.string, start, match.endpos)
        if again is not None and (again.regs, again.lastindex) == (match.regs, match.lastindex):
            return (find_match, (match.re, how, match.string, start, match.endpos))
    raise refuse(match, "its string has changed since; keep its groups")


def find_match(pattern: re.Pattern[Any], how: str, text: Any, start: int, end: int) -> Any:
    """The match that ``pattern.search``, ``match`` or ``fullmatch`` finds."""
    return getattr(pattern, how)(text, start, end)


@reduces(random.SystemRandom)
def _reduce_system_random(_value: random.SystemRandom, _: Freezing) -> Reduced:
    return (random.SystemRandom, ())


@reduces("numpy.finfo", "numpy.iinfo")
def _reduce_limits(value: Any, _: Freezing) -> Reduced:
    return (type(value), (value.dtype,))


@reduces("numpy.dtypes.LongLongDType", "numpy.dtypes.ULongLongDType")
def _reduce_long_long(dtype: Any, _: Freezing) -> Any:
    # NumPy writes the number of bytes, by which it finds `long`.
    return (type(dtype), ()) if dtype is type(dtype)() else NotImplemented


@reduces("numpy.busdaycalendar")
def _reduce_calendar(value: Any, _: Freezing) -> Reduced:
    return (type(value), (value.weekmask, value.holidays))


@reduces("re.Scanner")
def _reduce_scanner(value: Any, _: Freezing) -> Reduced:
    # Its pattern is made of parts, and has no text of its own.
    return (type(value), (value.lexicon, value.scanner.flags))


@reduces("logging.Logger")
def _reduce_logger(logger: Any, _: Freezing) -> Any:
    """By its name; one that no name leads to with all that it holds."""
    root: Any = logger.root
    if logger is root or logger.manager.loggerDict.get(logger.name) is logger:
        return logger.__reduce__()
    state: tuple[Any, ...] = (vars(logger), {})
    return (object.__new__, (type(logger),), state, None, None, set_attributes)


def reduce_with_getattr(obj: Any, _: Freezing) -> Any:
    """An instance whose class has a ``__getattr__``: pickle would call it on an empty instance.

    So it would a ``__setattr__`` with each slot.
    """
    reduced = obj.__reduce_ex__(5)
    if isinstance(reduced, tuple) and len(reduced) > 2 and reduced[2] is not None:
        padded = (*reduced, None, None)[:5]
        return (*padded, set_attributes)
    return reduced


def set_attributes(obj: Any, state: Any) -> None:
    """Give an instance its attributes, past whatever its class makes of them."""
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    if attributes:
        object.__getattribute__(obj, "__dict__").update(attributes)
    for name, value in (slots or {}).items():
        object.__setattr__(obj, name, value)


def asks_getattr(cls: type) -> bool:
    """Whether `reduce_with_getattr` serves a class: one that leaves pickling to ``object``."""
    if hasattr(cls, "__setstate__") or not leaves_pickling_to_object(cls):
        return False
    sets = isinstance(cls.__setattr__, types.FunctionType) and vars(copyreg)["_slotnames"](cls)
    return hasattr(cls, "__getattr__") or bool(sets)


def leaves_pickling_to_object(cls: type) -> bool:
    """Whether a class has no way of its own to be pickled."""
    own = ("__reduce__", "__reduce_ex__", "__getstate__")
    return all(getattr(cls, name, None) is getattr(object, name, None) for name in own)


def stands_for_another(cls: type) -> bool:
    """Whether an instance answers for another object, also when pickle asks what to write."""
    asks = isinstance(cls.__getattribute__, types.FunctionType)
    return asks or any(isinstance(vars(each).get("__class__"), property) for each in cls.__mro__)


def own_state(value: Any) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Attributes and slots of an instance as `set_attributes` takes them, past its class."""
    attributes: dict[str, Any] | None = None
    slots: dict[str, Any] = {}
    with contextlib.suppress(AttributeError):
        attributes = object.__getattribute__(value, "__dict__")
    for name in vars(copyreg)["_slotnames"](type(value)):
        with contextlib.suppress(AttributeError):
            slots[name] = object.__getattribute__(value, name)
    return attributes, slots
