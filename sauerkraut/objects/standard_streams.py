"""Standard streams go by name, whatever stands in for them: a logger's tee, a notebook's stream.

But not what belongs to the program's frames: a StringIO, which is there to be read, and a file
that was put in the place of a stream after the start (``contextlib.redirect_stdout``).
"""

from __future__ import annotations

import io
import operator
import sys
from typing import Any

NAMES = ("__stdin__", "__stdout__", "__stderr__", "stdin", "stdout", "stderr")

_at_start: list[object] = []
_ids_at_start: dict[int, str] = {}


def remember() -> None:
    """Take what stands at the names now for what every start of the program puts there."""
    global _ids_at_start
    _at_start[:] = [getattr(sys, name, None) for name in NAMES]
    _ids_at_start = _ids()


def belongs_to_frames(stream: object) -> bool:
    """Whether a stream is one that captured frames put there."""
    if isinstance(stream, (io.StringIO, io.BytesIO)):
        return True
    return type(stream) is io.TextIOWrapper and not any(stream is each for each in _at_start)


def standing(name: str) -> Any:
    """What stands at the name of a standard stream, unless that belongs to frames; or None."""
    stream = getattr(sys, name, None)
    return None if belongs_to_frames(stream) else stream


def standard_streams() -> dict[int, str]:
    """Persistent ids of what stands at the names of the standard streams, by address."""
    now = (getattr(sys, name, None) for name in NAMES)
    return _ids_at_start if all(map(operator.is_, now, _at_start)) else _ids()


def _ids() -> dict[int, str]:
    here = {name: standing(name) for name in NAMES}
    return {id(each): f"stream {name}" for name, each in here.items() if each is not None}


remember()
