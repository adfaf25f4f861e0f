"""What steps of a flow inside of `Checkpointer.run` saw and left, for that run to use again.

All that such a flow can store are its frames. So these are copies in memory, which the epochs of
the run hold with the frames; an array that is as in an earlier copy is kept once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sauerkraut.flow import states
from sauerkraut.flow.record import Record, StepRecord
from sauerkraut.flow.stores import Commit, History, State
from sauerkraut.settings import Settings


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of a state, as bytes: the values of the program are free to change."""

    control: bytes
    stream: bytes
    blocks: tuple[Any, ...]
    """Of arrays, as arrays of bytes, so that an epoch takes them as they are."""

    def load(self, touch_files: bool) -> State:
        """The state anew; see `Commit.load`."""
        blocks = [memoryview(each).toreadonly() for each in self.blocks]
        return states.restore(self.control, self.stream, blocks, touch_files=touch_files)


class Kept:
    """What one rank keeps of a flow, for as long as a `Checkpointer.run` runs."""

    def __init__(self) -> None:
        self._seen: list[tuple[Record, Copy]] = []
        self._left: dict[str, tuple[StepRecord, Copy]] = {}

    @property
    def history(self) -> History:
        """What each step saw last."""
        return History(tuple(Commit(record, copy.load) for record, copy in reversed(self._seen)))

    def saw(self, state: State, record: Record) -> None:
        """Keep what the step that is next in ``record`` sees, or the end; raises CaptureError."""
        copy = self._copy(state)
        place = record.index, record.finished
        self._seen = [(then, of) for then, of in self._seen if (then.index, then.finished) != place]
        self._seen.append((record, copy))

    def left(self, state: State, step: StepRecord, unsure: Iterable[str]) -> None:
        """Keep what a step has set in the state, or may have; raises CaptureError."""
        keys = dict.fromkeys((*(step.outputs or ()), *unsure))
        self._left[step.name] = step, self._copy({key: state[key] for key in keys if key in state})

    def result_of(self, name: str, wanted: str) -> tuple[StepRecord, Copy] | None:
        """What a step of that name left when its inputs were the ``wanted`` ones, if known."""
        found = self._left.get(name)
        return found if found is not None and found[0].inputs == wanted else None

    def _copy(self, state: State) -> Copy:
        captured = states.capture(state, Settings.from_environment().block_threshold)
        try:
            blocks = tuple(self._block(each.memory) for each in captured.blocks)
            return Copy(captured.control, captured.stream, blocks)
        finally:
            captured.release()

    def _block(self, memory: memoryview) -> Any:
        import numpy as np

        found = np.frombuffer(memory, np.uint8)
        return next((each for each in self._blocks() if np.array_equal(each, found)), found.copy())

    def _blocks(self) -> Sequence[Any]:
        copies = [copy for _, copy in (*self._seen, *self._left.values())]
        return [block for copy in copies for block in copy.blocks]
