"""Wall time and peak memory of a step."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_RESET_PEAK = "5"  # see proc(5): resets the largest resident memory, and nothing else


class Measure:
    """Measures from when it is made; the peak of the process is forgotten then."""

    def __init__(self) -> None:
        with contextlib.suppress(OSError):  # else the peak is that since the process began
            _CLEAR.write_text(_RESET_PEAK)
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Wall time so far."""
        return time.monotonic() - self._began

    @property
    def peak_bytes(self) -> int:
        """Largest resident memory so far; 0 where the system does not tell."""
        with contextlib.suppress(OSError):
            for line in _STATUS.read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        return 0
