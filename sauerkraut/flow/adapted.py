"""States kept by a handler of the user's own: a class or an object with ``write`` and ``read``."""

from __future__ import annotations

import json
from typing import Any, Protocol, runtime_checkable

from sauerkraut.errors import CorruptCheckpoint, StorageError
from sauerkraut.flow.record import Record
from sauerkraut.flow.stores import Commit, History, State
from sauerkraut.nonsense import NONSENSE, wrong

KEY = "checkpoint_flow"
"""Key under which the record travels, as JSON, in the dict that ``write`` is given."""


@runtime_checkable
class StateHandler(Protocol):
    """What a handler of the user's own must have."""

    def write(self, state: State) -> object:
        """Store a state, a dict."""
        ...

    def read(self) -> State:
        """Read the newest one; an empty dict where nothing was stored."""
        ...


class Adapted:
    """The `StepStore` of a handler: it keeps one state, and knows nothing of two runs at once.

    Args:
        handler: Its ``write`` decides whether a state survives a crash.
        where: What a person calls it.
    """

    def __init__(self, handler: StateHandler, where: str) -> None:
        self.where = where
        self._handler = handler

    def read(self) -> History:
        """See `StepStore.read`; errors of the handler pass through."""
        state: Any = self._handler.read()
        if not isinstance(state, dict):
            raise CorruptCheckpoint(f"{self.where}: read() returned no dict: {state!r:.80}")
        if not state:
            return History()
        record = self._record_of(state)
        return History((Commit(record, lambda _: self._load()),), record.failure)

    def open(self) -> History:
        """See `StepStore.open`."""
        return self.read()

    def commit(self, state: State, record: Record) -> None:
        """See `StepStore.commit`; errors of the handler pass through."""
        self._handler.write(state | {KEY: json.dumps(record.to_json())})

    def failed(self, record: Record, *, alone: bool = False) -> None:  # noqa: ARG002 - one rank
        """See `StepStore.failed`: the failure goes beside the state as it was stored."""
        try:
            self.commit(self._load(), record)
        except Exception as error:  # the handler's, which must not hide that of the step
            raise StorageError(f"{self.where}: {type(error).__name__}: {error}") from error

    def close(self) -> None:
        """See `StepStore.close`."""

    def _load(self) -> State:
        state = dict(self._handler.read())
        state.pop(KEY, None)
        return state

    def _record_of(self, state: State) -> Record:
        try:
            if KEY in state:
                return Record.of_json(json.loads(state[KEY]))
            return Record.of_state(state)
        except NONSENSE as error:
            raise CorruptCheckpoint(
                f"{self.where}: what read() returned tells of no run: {wrong(error)}"
            ) from error
