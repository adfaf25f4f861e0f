"""Wall time and peak memory of a step."""

from __future__ import annotations

import contextlib
import os
import re
import time

_CLEAR = "/proc/self/clear_refs"
_STATUS = "/proc/self/status"
_RESET_PEAK = b"5"  # see proc(5): resets the largest resident memory, and nothing else
_PEAK = re.compile(rb"^VmHWM:\s*(\d+)", re.MULTILINE)


class Measure:
    """Measures from when it is made; the peak of the process is forgotten then."""

    def __init__(self) -> None:
        with contextlib.suppress(OSError):  # else the peak is that since the process began
            descriptor = os.open(_CLEAR, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(descriptor, _RESET_PEAK)
            finally:
                os.close(descriptor)
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Wall time so far."""
        return time.monotonic() - self._began

    @property
    def peak_bytes(self) -> int:
        """Largest resident memory so far; 0 where the system does not tell."""
        with contextlib.suppress(OSError):
            descriptor = os.open(_STATUS, os.O_RDONLY | os.O_CLOEXEC)
            try:
                found = _PEAK.search(os.read(descriptor, 1 << 14))
            finally:
                os.close(descriptor)
            return 0 if found is None else int(found[1]) * 1024
        return 0
