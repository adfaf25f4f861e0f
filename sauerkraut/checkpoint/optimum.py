"""How often to checkpoint: by what one costs, how often jobs fail, and what may be spent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

FIRST = 60.0
"""Seconds to the first checkpoint, from which on its cost is known."""
ASSUMED = 24 * 3600.0
"""Seconds between failures before any is known: that of a large job on a large machine."""


@dataclass(frozen=True, slots=True)
class Optimum:
    """The interval that follows from a cost: call it with seconds per checkpoint.

    Args:
        interval: Seconds that were asked for; None: the optimum.
        failures_every: Mean time between failures, in seconds.
        budget: Share of the run time that checkpoints may take, or None.
    """

    interval: float | None
    failures_every: float
    budget: float | None

    def __call__(self, cost: float) -> float:
        """Seconds from the end of a checkpoint to the start of the next."""
        seconds = self.interval or max(daly(cost, self.failures_every), cost)
        if self.budget is not None:
            seconds = max(seconds, cost / self.budget - cost)
        return seconds


def daly(cost: float, failures_every: float) -> float:
    """Seconds of work between two checkpoints for which a run is expected to end soonest.

    The higher-order estimate of J. T. Daly, "A higher order estimate of the optimum checkpoint
    interval for restart dumps", Future Generation Computer Systems 22 (2006), equation 37.

    Args:
        cost: Seconds that a checkpoint takes.
        failures_every: Mean time between failures, in seconds.
    """
    if cost >= 2 * failures_every:
        return failures_every
    ratio = cost / (2 * failures_every)
    return math.sqrt(2 * cost * failures_every) * (1 + math.sqrt(ratio) / 3 + ratio / 9) - cost


def time_between_failures(events: Iterable[Mapping[str, Any]]) -> float:
    """Mean time between failures of a job, from the log of its directory, in seconds.

    A start that neither stopped nor completed has failed, but for the last, which may be this one.
    `ASSUMED` counts as observed before the first line, with a failure at its end.
    """
    times: dict[str, list[float]] = {}
    ended = set()
    for line in events:
        try:
            when = datetime.fromisoformat(line["time"]).timestamp()
        except (KeyError, TypeError, ValueError):  # the log is for people, who may have edited it
            continue
        incarnation = str(line.get("incarnation"))
        times.setdefault(incarnation, []).append(when)
        if line.get("event") in ("stop", "complete", "superseded"):
            ended.add(incarnation)
    observed = sum(max(each[-1] - each[0], 0.0) for each in times.values())
    failures = sum(incarnation not in ended for incarnation in list(times)[:-1])
    return (ASSUMED + observed) / (failures + 1)


def parse_budget(budget: float | str | None) -> float | None:
    """Return a share of run time as a number; None stays None.

    Args:
        budget: A text like "2%", or a number between 0 and 1.

    Raises:
        ValueError: it is no share, or not between 0 and 1.
    """
    if budget is None:
        return None
    try:
        if isinstance(budget, str):
            number, percent, rest = budget.strip().partition("%")
            share = float(number) / 100 if percent and not rest else math.nan
        else:
            share = float(budget)
    except (TypeError, ValueError):
        share = math.nan
    if not 0 < share < 1:
        raise ValueError(f"budget={budget!r}: a share of the run time, such as '2%' or 0.02")
    return share
