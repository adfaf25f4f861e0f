"""Small built-in objects that lack pickling for no deep reason."""

from __future__ import annotations

import array
import struct
from typing import Any, TypeVar

from sauerkraut.objects.freezing import Freezing, Reduced, reduces, refuse
from sauerkraut.objects.reducers.functions import attribute


@reduces(struct.Struct)
def _reduce_struct(value: struct.Struct, _: Freezing) -> Reduced:
    return (struct.Struct, (value.format,))


@reduces(memoryview)
def _reduce_memoryview(value: memoryview, _: Freezing) -> Reduced:
    owner: Any = value.obj
    if isinstance(owner, (bytes, bytearray, array.array)):
        whole = memoryview(owner)
        alike = (value.format, value.shape, value.nbytes) == (
            whole.format,
            whole.shape,
            whole.nbytes,
        )
        if alike and value.c_contiguous:
            return (view_whole, (owner, value.readonly))
    raise refuse(value, "keep the object it looks at, or numpy.frombuffer of that")


def view_whole(owner: Any, readonly: bool) -> memoryview:
    """A view of all of an object's memory."""
    whole = memoryview(owner)
    return whole.toreadonly() if readonly else whole


@reduces(TypeVar)
def _reduce_type_variable(value: Any, _: Freezing) -> Reduced:
    name: str = value.__name__
    if attribute(value.__module__, name) is value:
        return name
    variance = (value.__covariant__, value.__contravariant__)
    return (make_type_variable, (name, value.__constraints__, value.__bound__, *variance))


def make_type_variable(
    name: str, constraints: tuple[Any, ...], bound: Any, covariant: bool, contravariant: bool
) -> TypeVar:
    """A type variable that no module has a name for."""
    return TypeVar(
        name, *constraints, bound=bound, covariant=covariant, contravariant=contravariant
    )
