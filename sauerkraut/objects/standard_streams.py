"""Standard streams go by name, whatever stands in for them: a logger's tee, a notebook's stream."""

from __future__ import annotations

import io
import sys

NAMES = ("__stdin__", "__stdout__", "__stderr__", "stdin", "stdout", "stderr")


def standard_streams() -> dict[int, str]:
    """Persistent ids of what stands at the names of the standard streams, by address.

    A StringIO is left out: it is there to be read, by frames that are captured with it.
    """
    found = {}
    for name in NAMES:
        stream = getattr(sys, name, None)
        if stream is not None and not isinstance(stream, (io.StringIO, io.BytesIO)):
            found[id(stream)] = f"stream {name}"
    return found
