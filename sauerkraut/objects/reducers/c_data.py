"""Objects of ctypes: their bytes, or a part of the object that has them."""

from __future__ import annotations

import array
import sys
from typing import Any

from sauerkraut._native import address_of
from sauerkraut.objects.freezing import Freezing, Reduced, reduces, refuse
from sauerkraut.objects.reducers.plain import set_attributes

_ELSEWHERE = "its memory belongs to something that is not captured; keep a copy of it"


@reduces("_ctypes._CData")
def _reduce_c_data(value: Any, _: Freezing) -> Reduced:
    cls: Any = type(value)
    reduced: Reduced
    if value._b_needsfree_ or cls.__reduce_ex__ is not object.__reduce_ex__:
        reduced = value.__reduce_ex__(5)
        return reduced
    owner, start = _owner_of(value)
    offset = sys.modules["ctypes"].addressof(value) - start
    attributes = getattr(value, "__dict__", None) or None
    return (part_of, (cls, owner, offset), attributes, None, None, set_attributes)


def _owner_of(value: Any) -> tuple[Any, int]:
    """The object that has the memory of ``value``, and the address where its memory begins."""
    ctypes = sys.modules["ctypes"]
    if (base := value._b_base_) is not None:
        if not isinstance(base, ctypes._Pointer):
            return base, ctypes.addressof(base)
        raise refuse(value, _ELSEWHERE)
    held = value._objects  # what `from_buffer` keeps
    for kept in held.values() if isinstance(held, dict) else (held,):
        if isinstance(kept, memoryview):
            owner = kept.obj
            known = (bytearray, array.array, ctypes.Array.__base__)
            if isinstance(owner, known) or _is_array(owner):
                with memoryview(owner) as whole:
                    if whole.c_contiguous:
                        return owner, address_of(whole)
            raise refuse(value, f"its memory is that of {type(owner).__name__}; keep a copy of it")
    raise refuse(value, _ELSEWHERE)


def _is_array(owner: Any) -> bool:
    return any(
        cls.__module__ == "numpy" and cls.__name__ == "ndarray" for cls in type(owner).__mro__
    )


def part_of(cls: Any, owner: Any, offset: int) -> Any:
    """An object of a ctypes class over the memory of ``owner``."""
    return cls.from_buffer(owner, offset)
