"""How an object stream is laid out: values, further parts, a table, and the length of the table."""

from __future__ import annotations

from typing import Any

from sauerkraut.errors import ResumeError

NAMESPACE = "n"
"""A further part: a globals dict of no module, as pairs of a name and a value."""
GENERATOR = "g"
"""A further part: what the frame of a generator refers to, as `schema/snapshot.fbs` counts it."""

TRAILER = 8
"""Bytes at the end that hold the length of the table; 0: there is none."""


def table_in(stream: Any) -> memoryview:
    """The pickled table; what is in front of it are the values and further parts.

    Raises:
        ResumeError: it would be longer than the stream.
    """
    view = memoryview(stream).cast("B")
    end = view.nbytes - TRAILER
    length = int.from_bytes(view[max(end, 0) :], "little")
    if end < 0 or length > end:
        raise ResumeError(f"an object stream of {view.nbytes} bytes has no table at its end")
    return view[end - length : end]
