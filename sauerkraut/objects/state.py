"""State of a root: taken from the caller's own object, and set on it in place after a restart.

The root itself is anchored, so frames refer to the caller's object by name; its state is a value
of its own in the same graph.
"""

from __future__ import annotations

import array
import collections
import contextlib
import datetime as dt
import decimal
import enum
import fractions
import pathlib
import random
import re
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from sauerkraut._native import describe_set, lay_out_set
from sauerkraut.errors import CaptureError, ResumeError
from sauerkraut.objects.freezing import describe

T = TypeVar("T")

_IMMUTABLE: tuple[type, ...] = (
    bool,
    bytes,
    complex,
    dt.date,
    dt.time,
    dt.timedelta,
    dt.tzinfo,
    decimal.Decimal,
    enum.Enum,
    float,
    fractions.Fraction,
    frozenset,
    int,
    pathlib.PurePath,
    range,
    re.Pattern,
    slice,
    str,
    tuple,
    type,
    type(None),
    type(Ellipsis),
    type(NotImplemented),
    types.BuiltinFunctionType,
    types.CodeType,
    types.FunctionType,
    types.MethodType,
    types.ModuleType,
)


_found_by_name: list[type] = []


def found_by_name(cls: type[T]) -> type[T]:
    """Decorate a class whose instances come back as this start's own: they are no roots."""
    _found_by_name.append(cls)
    return cls


def is_mutable(obj: object) -> bool:
    """Whether ``obj`` has state that a restart must set on the caller's own object.

    Numbers, strings, tuples, functions, classes, modules, handles of MPI and read-only arrays
    have none: they are captured like any other value.
    """
    if isinstance(obj, (*_IMMUTABLE, *_found_by_name)) or type(obj) is object:
        return False
    if any(cls.__module__ == "mpi4py.MPI" for cls in type(obj).__mro__):
        return False
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        if isinstance(obj, (numpy.generic, numpy.dtype, numpy.ufunc)):
            return False
        if isinstance(obj, numpy.ndarray):
            return bool(obj.flags.writeable)
    return True


def is_settable(obj: object) -> bool:
    """Whether the state of a mutable object can be set in place."""
    try:
        _kind_of(obj)
    except CaptureError:
        return False
    return True


class ArrayState:
    """The contents of an array: written as bytes of their own although the array is anchored."""

    __slots__ = ("array",)

    def __init__(self, value: Any) -> None:
        self.array = value


def state_of(obj: object) -> tuple[Any, ...]:
    """The state of a mutable object, to be frozen beside the graph that anchors the object.

    Args:
        obj: One that `is_mutable`. It is not changed.

    Returns:
        (kind, contents, attributes): shares the elements of ``obj``, not its containers.

    Raises:
        CaptureError: the state of such an object cannot be set in place.
    """
    kind, read, _ = _kind_of(obj)
    contents = read(obj)
    # __getstate__ speaks for the whole object.
    return (kind, contents, None if kind == "setstate" else _attributes(obj))


def set_state(obj: object, state: tuple[Any, ...]) -> None:
    """Set the state that `state_of` returned, thawed, on the caller's own object.

    Raises:
        ResumeError: ``obj`` is of another kind, or an array of another dtype or shape.
    """
    kind, contents, attributes = state
    try:
        here, _, write = _kind_of(obj)
    except CaptureError as error:
        raise ResumeError(str(error)) from error
    if here != kind:
        raise ResumeError(f"{describe(type(obj))} cannot take the state of a captured {kind}")
    write(obj, contents)
    if attributes is not None:
        _set_attributes(obj, attributes)


Read = Callable[[Any], Any]
Write = Callable[[Any, Any], None]


def _kind_of(obj: Any) -> tuple[str, Read, Write]:
    """(kind, how to read the contents, how to write them) of an object."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None and isinstance(obj, numpy.ndarray):
        return "array", ArrayState, _write_array
    if isinstance(obj, types.CellType):
        return "cell", _cell_contents, _write_cell
    for cls, kind, read, write in _CONTAINERS:
        if isinstance(obj, cls):
            return kind, read, write
    if "numpy.random" in sys.modules:
        if isinstance(obj, numpy.random.Generator):
            return "numpy.random.Generator", _bit_state, _write_bit_state
        if isinstance(obj, numpy.random.BitGenerator):
            return "numpy.random.BitGenerator", _own_state, _write_own_state
        if isinstance(obj, numpy.random.RandomState):
            return "numpy.random.RandomState", _legacy_state, _write_legacy_state
    cls = type(obj)
    plain = all(getattr(cls, n) is getattr(object, n) for n in ("__reduce__", "__reduce_ex__"))
    if plain and hasattr(cls, "__setstate__"):
        return "setstate", lambda o: o.__getstate__(), lambda o, s: o.__setstate__(s)
    if _is_all_attributes(obj):
        return "instance", lambda _: None, lambda _o, _s: None
    raise CaptureError(
        f"{describe(cls)} cannot be an argument of run: its state cannot be set in place; "
        "make it inside the function, or give its class __getstate__ and __setstate__"
    )


def _is_all_attributes(obj: object) -> bool:
    """Whether the state of an object is in its attributes, as for classes written in Python."""
    if not hasattr(obj, "__dict__") and not any(True for _ in _slots(type(obj))):
        return False
    try:
        # The interpreter's own rule: it refuses objects with more memory than their attributes.
        object.__reduce_ex__(obj, 2)
    except TypeError:
        return False
    return True


def _write_array(obj: Any, contents: Any) -> None:
    if (obj.dtype, obj.shape) != (contents.dtype, contents.shape):
        raise ResumeError(
            f"an array of {contents.dtype} {contents.shape} was captured, "
            f"{obj.dtype} {obj.shape} is given"
        )
    obj[...] = contents


# Containers are read and written past what a class derived from one makes of its methods.


def _read_sequence(cls: Any) -> Read:
    return lambda obj: cls.__getitem__(obj, slice(None))


def _write_sequence(cls: Any) -> Write:
    return lambda obj, contents: cls.__setitem__(obj, slice(None), contents)


def _kind_of_mapping(obj: Any) -> Any:
    return collections.OrderedDict if isinstance(obj, collections.OrderedDict) else dict


def _items(obj: Any) -> dict[Any, Any]:
    return dict(obj) if type(obj) is dict else dict(_kind_of_mapping(obj).items(obj))


def _write_items(obj: Any, contents: Any) -> None:
    kind = _kind_of_mapping(obj)
    kind.clear(obj)
    for key, value in contents.items():
        kind.__setitem__(obj, key, value)


def _set_contents(obj: Any) -> Any:
    """Elements, and where they stand when they would come back in another order."""
    layout = describe_set(obj) if type(obj) is set else None
    return (set(obj), layout)  # which asks no method of a set


def _write_set(obj: Any, contents: Any) -> None:
    elements, layout = contents
    set.clear(obj)
    if layout is None or not lay_out_set(obj, layout):
        set.update(obj, elements)


def _read_deque(obj: Any) -> Any:
    return list(collections.deque.__iter__(obj))


def _write_deque(obj: Any, contents: Any) -> None:
    collections.deque.clear(obj)
    collections.deque.extend(obj, contents)


def _cell_contents(obj: Any) -> tuple[Any, ...]:
    try:
        return (obj.cell_contents,)
    except ValueError:  # empty
        return ()


def _write_cell(obj: Any, contents: Any) -> None:
    if contents:
        (obj.cell_contents,) = contents
    elif _cell_contents(obj):
        del obj.cell_contents


def _bit_state(obj: Any) -> Any:
    return obj.bit_generator.state


def _write_bit_state(obj: Any, contents: Any) -> None:
    obj.bit_generator.state = contents


def _own_state(obj: Any) -> Any:
    return obj.state


def _write_own_state(obj: Any, contents: Any) -> None:
    obj.state = contents


def _legacy_state(obj: Any) -> Any:
    return obj.get_state(legacy=False)


def _write_legacy_state(obj: Any, contents: Any) -> None:
    obj.set_state(contents)


_CONTAINERS: tuple[tuple[type, str, Read, Write], ...] = (
    (list, "list", _read_sequence(list), _write_sequence(list)),
    (dict, "dict", _items, _write_items),
    (set, "set", _set_contents, _write_set),
    (bytearray, "bytearray", lambda o: bytes(memoryview(o)), _write_sequence(bytearray)),
    (collections.deque, "deque", _read_deque, _write_deque),
    (array.array, "array.array", _read_sequence(array.array), _write_sequence(array.array)),
    (random.Random, "random.Random", lambda o: o.getstate(), lambda o, s: o.setstate(s)),
)


def _slots(cls: type) -> Iterator[str]:
    for base in cls.__mro__:
        for name, value in vars(base).items():
            # Not those of C classes, which may be read-only.
            if isinstance(value, types.MemberDescriptorType) and "__slots__" in vars(base):
                yield name


def _attributes(obj: Any) -> dict[str, Any] | None:
    """Attributes in ``__dict__`` and slots; None when the class has neither."""
    found: dict[str, Any] = {}
    names = list(_slots(type(obj)))
    for name in names:
        with contextlib.suppress(AttributeError):
            found[name] = object.__getattribute__(obj, name)
    own = getattr(obj, "__dict__", None)
    if not names and not isinstance(own, dict):
        return None
    return {**found, **(own or {})}


def _set_attributes(obj: Any, attributes: dict[str, Any]) -> None:
    names = set(_slots(type(obj)))
    for name in names - attributes.keys():
        with contextlib.suppress(AttributeError):
            object.__delattr__(obj, name)
    own = getattr(obj, "__dict__", None)
    if isinstance(own, dict):
        own.clear()
        own.update((key, value) for key, value in attributes.items() if key not in names)
    for name in names & attributes.keys():
        object.__setattr__(obj, name, attributes[name])
