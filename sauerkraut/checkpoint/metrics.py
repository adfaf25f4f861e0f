"""The numbers that a program gives to `poll` and `checkpoint` for people to see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def check(metrics: Mapping[str, Any]) -> None:
    """Refuse what is no number; converts nothing, as that may wait for a device.

    Raises:
        TypeError: names the metric.
    """
    for name, value in metrics.items():
        kind = value.__class__
        if kind is not float and kind is not int and not _is_number(kind):
            raise TypeError(f"{name} must be a number, not {kind.__qualname__}")


def number(name: str, value: Any) -> float:
    """Return ``value`` as an int or a float, which every reader of the manifest understands.

    Raises:
        TypeError, ValueError: it is no number, or too large for one; names it.
    """
    check({name: value})
    if isinstance(value, int):
        return int(value)
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        kind = ValueError if isinstance(error, OverflowError) else type(error)
        raise kind(f"{name} must be a number: {error}") from error


def numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return all of them by `number`."""
    return {name: number(name, value) for name, value in metrics.items()}


def optional(name: str, value: Any) -> float | None:
    """Return ``value`` by `number`; None stays None."""
    return None if value is None else number(name, value)


def _is_number(kind: type) -> bool:
    return hasattr(kind, "__float__") or hasattr(kind, "__index__")
