"""Graphs of plain values, numbers of NumPy and arrays of them, written in a shorter way.

Imported only in programs that imported numpy.
"""

from __future__ import annotations

import copyreg
import io
import pickle
from typing import Any

import numpy as np

from sauerkraut.objects import passes
from sauerkraut.objects.arrays import NUMBERS, Memory, Restored, reduce_array, root_of
from sauerkraut.objects.freezing import Freezing, Shell
from sauerkraut.objects.passes import Names

PLAIN = (np.ndarray, np.bool_, np.int32, np.int64, np.float32, np.float64)
"""Types of what `pickled` writes."""


def are_plain(found: list[Any]) -> bool:
    """Whether `pickled` may write these: arrays of numbers, over memory that arrays own."""
    for each in found:
        if type(each) is np.ndarray:
            root, base = root_of(each)
            if (
                id(each.dtype) not in NUMBERS
                or type(root) is not np.ndarray
                or id(root.dtype) not in NUMBERS
                or not (base is None or type(base) is Restored)
            ):
                return False
    return True


def pickled(values: list[Any], names: Names, threshold: int) -> tuple[io.BytesIO, list[Memory]]:
    """The pickle of plain values and of `PLAIN` ones, and the memories it refers to."""
    paths: dict[int, str] = {}

    def path_of(address: int) -> str | None:
        paths.update(paths or passes.names_of(values, names))
        return paths.get(address)

    freezing = Freezing(threshold=threshold, name_of=path_of)
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream, 5)
    pickler.dispatch_table = {
        **copyreg.dispatch_table,
        np.ndarray: lambda value: reduce_array(value, freezing),
        Shell: lambda shell: (shell.make, shell.arguments),
    }
    pickler.dump(values)
    return stream, list(freezing.memories.values())
