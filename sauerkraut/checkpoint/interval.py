"""When a checkpoint is due, how long to wait after one that failed, how long a run may take."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

FIRST_BACK_OFF = 60.0
KEPT = 3.0
"""Times what a checkpoint takes that is kept of the job's time for the last, beside the reserve."""
LONGEST_BACK_OFF = 600.0  # when there is no interval to double up to
UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}


def parse(interval: float | str | timedelta | None, name: str = "interval") -> float | None:
    """Return an interval in seconds; None stays None: checkpoint on request only.

    Args:
        interval: Seconds, a `timedelta`, or a text such as "90s", "10min" or "2h".
        name: Of the argument, for errors.

    Raises:
        TypeError: it is of another type.
        ValueError: it is not positive, or the text is not a number followed by s, min or h.
    """
    if interval is None:
        return None
    if isinstance(interval, timedelta):
        seconds = interval.total_seconds()
    elif isinstance(interval, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*(s|min|h)\s*", interval)
        if match is None:
            raise ValueError(f"{name}={interval!r}: write it like '90s', '10min' or '2h'")
        seconds = float(match[1]) * UNITS[match[2]]
    else:
        try:
            seconds = float(interval)
        except TypeError:
            kind = type(interval).__name__
            raise TypeError(f"{name} must be seconds, timedelta or text, not {kind}") from None
    if not (seconds > 0 and math.isfinite(seconds)):
        raise ValueError(f"{name}={interval!r} must be positive")
    return seconds


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """How long the function given to ``run`` may take."""

    seconds: float
    overdue: Callable[[], Exception | None]
    """What its next `poll` raises on all ranks, once the time is over on this one; else None."""


class Schedule:
    """The next time a checkpoint is due.

    Args:
        interval: Seconds from a commit to the next start; None: never due.
        now: Seconds on the monotonic clock at which the run began or resumed.
        adapt: Gives the interval for what a checkpoint costs in seconds; None: it stays.
        end: Seconds on the monotonic clock at which a last checkpoint must begin, but for three
            times what one costs; None: the job is not ended.
    """

    def __init__(
        self,
        interval: float | None,
        now: float,
        adapt: Callable[[float], float] | None = None,
        end: float | None = None,
    ) -> None:
        self.interval = interval
        self.failures = 0
        self._adapt = adapt
        self._costs: deque[float] = deque(maxlen=5)
        self._end = end if end is not None and end > now else None  # else it would only stop
        self._next = math.inf if interval is None else now + interval
        self._not_before = -math.inf

    def due(self, now: float) -> bool:
        """Whether the interval is over and no back-off is running."""
        return now >= self._next and not self.backing_off(now)

    def backing_off(self, now: float) -> bool:
        """Whether a failure is too recent to try again."""
        return now < self._not_before

    def ending(self, now: float) -> bool:
        """Whether what is left of the job's time is just enough for a last checkpoint."""
        reserve = KEPT * max(self._costs, default=0.0)
        return self._end is not None and now >= self._end - reserve

    def committed(self, now: float, cost: float = 0.0) -> None:
        """Start the next interval; forget failures.

        Args:
            now: Seconds on the monotonic clock.
            cost: Seconds for which the program stood still.
        """
        self.failures = 0
        self._not_before = -math.inf
        self._costs.append(cost)
        if self._adapt is not None:
            import statistics  # brings much along

            self.interval = self._adapt(statistics.median(self._costs))
        if self.interval is not None:
            self._next = now + self.interval

    def failed(self, now: float) -> float:
        """Start the back-off after a failure; return its seconds.

        They begin at 60 and double up to the interval.
        """
        longest = LONGEST_BACK_OFF if self.interval is None else self.interval
        pause = min(FIRST_BACK_OFF * 2.0 ** min(self.failures, 30), longest)
        self.failures += 1
        self._not_before = now + pause
        return pause
