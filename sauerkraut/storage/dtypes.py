"""Types of array elements as text: what `Array.dtype` holds."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def text(dtype: np.dtype[Any]) -> str:
    """Return the text that `parse` reads.

    Raises:
        ValueError: elements hold Python objects or nothing, or no text tells their type.
    """
    found = str(dtype) if dtype.names else dtype.str
    try:
        plain = not dtype.hasobject and dtype.kind != "T" and dtype.itemsize
        plain = plain and parse(found) == dtype
    except ValueError:  # as of numpy.record
        plain = False
    if not plain:
        raise ValueError(f"elements of type {dtype} are not plain bytes")
    return found


def parse(text: str) -> np.dtype[Any]:
    """Read the text of a type; runs no code that may be in it.

    Raises:
        ValueError, TypeError: it is none that NumPy knows.
    """
    import numpy as np

    try:
        return np.dtype(ast.literal_eval(text) if text[:1] in ("[", "{", "(") else text)
    except (SyntaxError, KeyError) as error:
        raise ValueError(f"{text!r} is no type of NumPy's") from error
