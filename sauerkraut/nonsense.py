"""What reading stored values of the wrong kind raises, whoever wrote them and sealed them."""

from __future__ import annotations

NONSENSE = (
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    AttributeError,
    RecursionError,
)
"""For the one place that takes JSON of a file apart, to say in its own words what is wrong."""


def wrong(error: BaseException) -> str:
    """Class and message of one of them; its ``repr`` may hold all bytes that were read."""
    return f"{type(error).__name__}: {error}"
