"""What a person is told: warnings always, news unless ``quiet``."""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sauerkraut.storage import Epoch

logger = logging.getLogger("sauerkraut")


class Reports:
    """The reports of one rank.

    They go to the logger ``sauerkraut``. Where the program has set up no logging, they are printed
    to standard error, news too unless ``quiet``.

    Args:
        rank: Only rank 0 reports what all ranks know.
        quiet: Print no news.
    """

    def __init__(self, rank: int, *, quiet: bool) -> None:
        self._rank = rank
        self._quiet = quiet
        self._said: set[str] = set()

    def warn(self, text: str, *, once: str | None = None) -> None:
        """Warn on rank 0; with ``once``, only the first time for that key."""
        self._report(logging.WARNING, text, once)

    def tell(self, text: str, *, once: str | None = None) -> None:
        """Tell news on rank 0; with ``once``, only the first time for that key."""
        self._report(logging.INFO, text, once)

    def note(self, text: str) -> None:
        """Leave a line in the log for whoever looks for causes, on any rank."""
        logger.debug("rank %d: %s", self._rank, text)

    def _report(self, level: int, text: str, once: str | None) -> None:
        if self._rank != 0 or (once is not None and once in self._said):
            return
        if once is not None:
            self._said.add(once)
        if logger.hasHandlers():
            logger.log(level, text)
        elif level >= logging.WARNING or not self._quiet:
            write_line(text)


def last_valid(last: Epoch | None) -> str:
    """What a failed checkpoint leaves to restart from: the ``last`` epoch."""
    if last is None:
        return "no epoch of this run was committed yet"
    seconds = time.time() - last.when.timestamp()
    return f"the last valid epoch is {last.number}, {seconds:.0f} s old"


def write_line(text: str) -> None:
    """Write one line to standard error, in one piece: lines of other ranks do not mix with it."""
    sys.stderr.write(f"sauerkraut: {text}\n")
    sys.stderr.flush()
