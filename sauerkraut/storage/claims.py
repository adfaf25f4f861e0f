"""Whether arrays can be what an epoch says of them: type, shape, bytes, and where blocks lie."""

from __future__ import annotations

import math

from sauerkraut.nonsense import NONSENSE
from sauerkraut.storage import dtypes
from sauerkraut.storage.epoch import GlobalArray
from sauerkraut.storage.tiling import misfit


def problem(array: GlobalArray) -> str | None:
    """Why no array can be made of the blocks; None where one can."""
    import numpy as np

    for block in array.blocks.values():
        if (block.dtype, block.place.shape) != (array.dtype, array.shape):
            return "its blocks are those of several arrays"
    try:
        dtypes.text(dtypes.parse(array.dtype))
    except NONSENSE as error:
        return f"elements of no known type: {error}"
    try:
        np.broadcast_to(np.uint8(0), array.shape)  # takes no memory
    except NONSENSE as error:
        return f"no shape of NumPy's: {error}"
    if not array.shape:
        return "has no axes"
    return misfit(array.shape, {rank: (b.place.start, b.shape) for rank, b in array.blocks.items()})


def wrong_size(dtype: str, shape: tuple[int, ...], nbytes: int) -> str | None:
    """How the bytes of an array are others than it says; None: they are not, or nothing tells."""
    try:
        expected = math.prod(shape) * dtypes.parse(dtype).itemsize
    except NONSENSE:
        return None
    if nbytes == expected and min(shape, default=0) >= 0:
        return None
    return f"has {nbytes} bytes, and {dtype} of shape {shape} {expected}"
