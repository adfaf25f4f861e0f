"""What a suspended greenlet tells; greenlet itself is optional."""

from __future__ import annotations

from types import FrameType
from typing import Any


def suspended_frames(greenlet: Any) -> list[FrameType]:
    """Frames of a greenlet that switched away, innermost first.

    Raises:
        TypeError: it is no greenlet.
        ValueError: it is dead, not started, running, or of another thread.
    """
    if not isinstance(greenlet, greenlet_class()):
        raise TypeError(f"greenlet must be a greenlet, not {type(greenlet).__name__}")
    from greenlet import getcurrent

    current = getcurrent()
    if greenlet is current:
        raise ValueError("the greenlet is running: use copy_current_frame()")
    if greenlet.dead:
        raise ValueError("the greenlet is dead")
    frame = greenlet.gr_frame
    if frame is None:
        raise ValueError("the greenlet has not started")
    if _root(greenlet) is not _root(current):
        raise ValueError("the greenlet belongs to another thread")
    frames = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames


def _root(greenlet: Any) -> Any:
    while greenlet.parent is not None:
        greenlet = greenlet.parent
    return greenlet


def greenlet_class() -> Any:
    """``greenlet.greenlet``. Raises ImportError with advice where it is not installed."""
    try:
        from greenlet import greenlet
    except ImportError as error:
        raise ImportError("greenlet is not installed: pip install greenlet") from error
    return greenlet
