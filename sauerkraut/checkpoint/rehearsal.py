"""What a checkpoint would capture, tried at the first poll: a refusal is met then, not later."""

from __future__ import annotations

from collections.abc import Mapping
from types import FrameType

from sauerkraut.checkpoint.agreement import shared, together
from sauerkraut.checkpoint.blocks import Held, refuse_misfits
from sauerkraut.checkpoint.state import State
from sauerkraut.group import Group

PHASE = "rehearsing a checkpoint"


class Rehearsal:
    """The rehearsal of one rank.

    Args:
        group: The ranks.
        state: What of this rank goes into an epoch.
        wanted: Whether there is one.
    """

    def __init__(self, group: Group, state: State, *, wanted: bool) -> None:
        self.wanted = wanted
        """Whether it is still to come."""
        self.refusal: Exception | None = None
        """Why nothing could be captured, until somebody was told."""
        self._group = group
        self._state = state
        self._held: Mapping[str, Held] | None = None

    def capture(self, frame: FrameType) -> None:
        """Capture and throw away."""
        try:
            captured = self._state.capture(frame, self._group.handles())
            self._held = captured.held
            captured.release()
        except Exception as error:  # noqa: BLE001 - whatever it is, a checkpoint would meet it
            self.refusal = error

    def forget(self) -> Mapping[str, Held] | None:
        """What was captured, of which nothing is known from now on; there is no other rehearsal."""
        self.wanted = False
        held, self._held = self._held, None
        return held

    def refuse_misfits(self, held: Mapping[str, Held]) -> None:
        """Refuse blocks that make no array, as a checkpoint would. Collective.

        Raises:
            RankError: on every rank.
        """
        if self._state.providers.with_layout:
            told = together(self._group, PHASE, lambda: held)
            shared(self._group, PHASE, lambda: refuse_misfits(told))
