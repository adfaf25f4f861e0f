"""What a program says of its pipeline: the steps, and what was asked of all of them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sauerkraut.errors import FlowError
from sauerkraut.flow import dependence, digest, policy
from sauerkraut.flow.adapted import StateHandler
from sauerkraut.flow.record import StepRecord
from sauerkraut.flow.start import OnChange
from sauerkraut.flow.step import Step


@dataclass(eq=False)
class Pipeline:
    """A pipeline as its program defines it; see `CheckpointFlow` for the meaning of all of this."""

    state_path: str | os.PathLike[str]
    path: str
    """The same, absolute when it was given."""
    handler: str | type | StateHandler
    comm: Any
    shared: tuple[str, ...]
    on_change: OnChange
    keep: int
    quiet: bool
    steps: list[Step] = field(default_factory=list)
    undecorated: list[Step] = field(default_factory=list)
    """Steps that were asked for, and have no function yet."""

    def check(self, state: object, load_policy: object, checkpoint: object) -> None:
        """Refuse arguments of ``run`` that mean nothing; raises as that does."""
        if state is not None and not isinstance(state, dict):
            raise TypeError(f"a state is a dict, not a {type(state).__name__}")
        if self.undecorated:
            given = self.undecorated[0]
            what = given.name or getattr(given.load, "__name__", "")
            raise FlowError(
                f"add_step({what}) has decorated no function: @flow.add_step() stands before a "
                "step, with parentheses"
            )
        if not self.steps:
            raise FlowError("there are no steps: add_step() decorates the functions to run")
        policy.check(load_policy, len(self.steps))
        dependence.check(self.steps)
        if checkpoint is None:
            return
        if type(checkpoint) is not int:
            raise TypeError(
                f"checkpoint={checkpoint!r}: the index of a step, not a {type(checkpoint).__name__}"
            )
        if not 0 <= checkpoint < len(self.steps):
            raise IndexError(
                f"checkpoint={checkpoint}: there are {len(self.steps)} steps, counted from 0"
            )

    def records(self) -> list[StepRecord]:
        """The steps as they are now, on this rank."""
        return [StepRecord(each.name, each.identity()) for each in self.steps]

    def names(self) -> dict[str, str]:
        """What must be the same on every rank before all else."""
        return {"the names of the steps": str(tuple(each.name for each in self.steps))}

    def said(
        self, records: Sequence[StepRecord], load_policy: object, checkpoint: object, *, given: bool
    ) -> dict[str, str]:
        """What must be the same on every rank, once the names of the steps are.

        Args:
            records: As of `records`.
            load_policy: As given to ``run``.
            checkpoint: Likewise.
            given: Whether a state was.
        """
        return {
            "what they say": repr([each.identity.code for each in records]),
            **{
                f"{option} of step {index} {step.name!r}": said
                for index, step in enumerate(self.steps)
                for option, said in step.options().items()
            },
            "load_policy": repr(load_policy),
            "checkpoint": repr(checkpoint),
            "that a state is given": str(given),
            "on_change": self.on_change,
            "shared": str(self.shared),
        }


def of_all_ranks(told: Sequence[Sequence[StepRecord]]) -> list[StepRecord]:
    """The steps as all ranks tell them: alike, but for parameters, which may be each rank's own."""
    return [
        dataclasses.replace(
            ranks[0],
            identity=dataclasses.replace(
                ranks[0].identity, params=digest.joined([each.identity.params for each in ranks])
            ),
        )
        for ranks in zip(*told, strict=True)
    ]
