"""Subclasses of arrays: their own pickling, or a view of the class over shared memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from sauerkraut.objects.arrays import Array
from sauerkraut.objects.freezing import Freezing, Reduced, reduces


@reduces(np.ndarray, subclasses=True)
def _reduce_subclass(value: Array, _: Freezing) -> Reduced:
    cls = type(value)
    if cls.__reduce_ex__ is not np.ndarray.__reduce_ex__:
        return value.__reduce_ex__(5)
    if cls.__reduce__ is not np.ndarray.__reduce__:
        return value.__reduce__()
    return (
        view_as,
        (cls, value.view(np.ndarray)),
        (getattr(value, "__dict__", None),),
        None,
        None,
        set_attributes,
    )


def view_as(cls: type[Array], value: Array) -> Array:
    """``value`` as an array of class ``cls``, over the same memory."""
    return value.view(cls)


def set_attributes(value: Array, state: tuple[dict[str, Any] | None]) -> None:
    """Set the attributes of an array of a subclass."""
    if state[0]:
        value.__dict__.update(state[0])


@reduces(np.ma.MaskedArray, subclasses=True)
def _reduce_masked(value: Any, _: Freezing) -> Reduced:
    """Data and mask as two arrays, each sharing memory with whatever it shared it."""
    attributes = {k: v for k, v in value.__dict__.items() if k not in ("_mask", "_fill_value")}
    mask = value._mask
    return (
        masked_over,
        (type(value), value._data, None if mask is np.ma.nomask else mask, value._fill_value),
        attributes,
        None,
        None,
        set_masked,
    )


@reduces(np.ma.core.mvoid)
def _reduce_masked_record(value: Any, _: Freezing) -> Reduced:
    """One record of a masked array: a copy, as other scalars of structured arrays."""
    return (masked_record, (value._data, value._mask, value._fill_value, value._hardmask))


def masked_record(data: Any, mask: Any, fill_value: Any, hard: bool) -> Any:
    """A record of a structured array with a mask for each field."""
    make: Any = np.ma.core.mvoid
    return make(data, mask, fill_value=fill_value, hardmask=hard)


def masked_over(cls: type[Any], data: Array, mask: Array | None, fill_value: Any) -> Any:
    """A masked array over the memory of ``data`` and of ``mask``."""
    made = data.view(cls)
    made._mask = np.ma.nomask if mask is None else mask
    made._fill_value = fill_value
    return made


def set_masked(value: Any, attributes: dict[str, Any]) -> None:
    """Set the attributes of a masked array that are neither mask nor fill value."""
    value.__dict__.update(attributes)


@reduces(type(np.ma.masked))
def _reduce_masked_constant(_value: Any, _: Freezing) -> Reduced:
    return (masked_constant, ())


def masked_constant() -> Any:
    """``numpy.ma.masked``."""
    return np.ma.masked
