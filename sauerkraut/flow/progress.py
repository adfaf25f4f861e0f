"""What a person sees of a run while it goes: a line per step, and on a terminal a live one."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sauerkraut.checkpoint.reports import Reports
from sauerkraut.flow.record import StepRecord

_LIVE_PER_SECOND = 2


class Progress:
    """The progress of one run, told by rank 0 alone.

    Args:
        reports: Takes a line per step that ended.
        steps: How many there are.
        live: Whether there may be a live line; it needs a terminal and rich.
    """

    def __init__(self, reports: Reports, steps: int, *, live: bool) -> None:
        self._reports = reports
        self._steps = steps
        self._live = live and sys.stderr is not None and sys.stderr.isatty()

    @contextmanager
    def step(self, index: int, name: str, *, polls: bool) -> Iterator[None]:
        """Show that a step runs, while the block does.

        Not for one that polls: the standard streams that its frames see must be the program's.
        """
        text = f"step {index} of {self._steps} {name!r}"
        live = self._line(text) if self._live and not polls else None
        if live is None:
            yield
            return
        with live:
            yield

    def ended(self, index: int, record: StepRecord) -> None:
        """Tell how a step ended."""
        told = record.skipped and f"skipped: {record.skipped}"
        self._reports.tell(f"step {index} of {self._steps} {record.name!r}: {told or cost(record)}")

    def _line(self, text: str) -> Any:
        try:
            from rich.console import Console
            from rich.live import Live
            from rich.text import Text
        except ImportError:
            return None
        began = time.monotonic()

        class Running:
            def __rich__(self) -> Text:
                return Text(f"sauerkraut: {text}: {time.monotonic() - began:.0f} s")

        return Live(
            Running(),
            console=Console(stderr=True),
            transient=True,
            refresh_per_second=_LIVE_PER_SECOND,
            # so that what the step prints stands above; into a file it goes as it is
            redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
            redirect_stderr=True,
        )


def cost(record: StepRecord) -> str:
    """Time and memory of a step that ran: ``12.3 s, peak 1.2 GiB``."""
    tries = f", {record.tries} tries" if record.tries > 1 else ""
    return f"{record.seconds:.1f} s, peak {memory(record.peak_bytes)}{tries}"


def memory(nbytes: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KiB", "MiB"):
        if nbytes < 1024:
            return f"{nbytes:.0f} {unit}"
        nbytes /= 1024
    return f"{nbytes:.1f} GiB"
