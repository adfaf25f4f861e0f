"""What a run will do with each step, and why, for a person."""

from __future__ import annotations

from collections.abc import Sequence

from sauerkraut.checkpoint.reports import write_line
from sauerkraut.flow.progress import cost
from sauerkraut.flow.record import StepRecord
from sauerkraut.flow.start import Start


def tell(begin: Start, steps: Sequence[StepRecord]) -> None:
    """Write it to standard error, a line per step."""
    write_line(begin.why)
    for index, (step, then) in enumerate(zip(steps, begin.steps, strict=True)):
        write_line(f"  step {index} {step.name!r}: {_of(index, begin, step, then)}")


def _of(index: int, begin: Start, step: StepRecord, then: StepRecord) -> str:
    if index >= begin.index:
        return "runs"
    if then.when is None:
        return "passed over: it did not run in this run"
    if then.skipped:
        return f"passed over: it was skipped, {then.skipped}"
    changed = "" if then.identity.is_like(step.identity) else ", and has changed since"
    return f"passed over: it finished at {then.when} ({cost(then)}){changed}"
