"""Digests of values, to tell whether they have changed."""

from __future__ import annotations

import hashlib

from sauerkraut.flow import states
from sauerkraut.flow.stores import State


def of(value: object) -> str:
    """A digest of what ``value`` is stored as.

    Equal digests mean equal values. Equal values may differ in theirs, where the objects in them
    are shared differently, or a set has another order.

    Raises:
        CaptureError: it cannot be stored.
    """
    captured = states.capture({"": value}, 1 << 62)
    try:
        return hashlib.blake2b(captured.control + captured.stream, digest_size=16).hexdigest()
    finally:
        captured.release()


def of_keys(state: State) -> dict[str, str]:
    """The digest of each value of a state."""
    return {key: of(value) for key, value in state.items()}
