"""Where a flow inside of `Checkpointer.run` stands: what comes back with its frames.

Steps, ranks and clocks do not: they are those of the program now, and looked up each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sauerkraut.checkpoint.checkpointer import current
from sauerkraut.checkpoint.reports import Reports
from sauerkraut.flow.kept import Kept
from sauerkraut.flow.policy import LoadPolicy
from sauerkraut.flow.record import Record, StepRecord
from sauerkraut.flow.step import Step
from sauerkraut.group import Group

if TYPE_CHECKING:
    from sauerkraut.flow.flow import CheckpointFlow


@dataclass(slots=True)
class Place:
    """A place in the steps of a flow, beside its state and data."""

    flow: CheckpointFlow
    run: int
    """Number of the run of the flow, among those in this run of the Checkpointer."""
    index: int
    records: tuple[StepRecord, ...]
    """The same on all ranks."""
    policy: LoadPolicy
    kept: Kept
    data_keys: tuple[str, ...] = ()
    """Keys that ``data`` had where this run begins, and lacks until they are loaded."""
    last: int | None = None
    """Step that was executed last, and not passed over."""
    found: int = 0
    """Restarts of the run when `index` was looked for last in the steps of the program."""
    compared: int = 0
    """Likewise, when all ranks compared what has finished with those."""

    @property
    def steps(self) -> list[Step]:
        """Those that the program defines now."""
        return self.flow._pipeline.steps

    @property
    def step(self) -> Step:
        """The step that is next, or runs."""
        return self.steps[self.index]

    @property
    def told(self) -> StepRecord:
        """What is known of it."""
        return self.records[self.index]

    @property
    def record(self) -> Record:
        """What is known of the run."""
        return Record(self.run, self.index, self.records)

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"step {self.index} {self.told.name!r}"

    @property
    def where(self) -> str:
        """What a person calls the flow."""
        return str(self.flow._pipeline.state_path)

    @property
    def reports(self) -> Reports:
        """Told what a person should know."""
        return Reports(group().rank, quiet=self.flow._pipeline.quiet)

    def note(self, record: StepRecord) -> None:
        """Put what is known of the step in place of what was."""
        self.records = (*self.records[: self.index], record, *self.records[self.index + 1 :])


def group() -> Group:
    """The ranks of the run."""
    return current().inside("a flow").group


def restarts() -> int:
    """How often the run was started again."""
    restarted = current().restarted
    return 0 if restarted is None else restarted.count
