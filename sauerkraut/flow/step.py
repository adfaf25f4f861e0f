"""One step of a pipeline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sauerkraut.flow import identity
from sauerkraut.flow.record import Identity
from sauerkraut.flow.stores import State

Data = dict[str, Any]
Load = Callable[[State], Data]
Function = Callable[[State, Data], object]


@dataclass(frozen=True, slots=True)
class Step:
    """A function of state and data, and what loads and saves the data around it."""

    name: str
    function: Function
    load: Load | None = None
    save: Function | None = None

    def identity(self) -> Identity:
        """What the code of the step says now."""
        return identity.of(self.function, self.load, self.save)

    def load_into(self, data: Data, state: State) -> None:
        """Add what ``load`` returns, if there is one, to ``data``.

        Raises:
            TypeError: it returned no dict.
        """
        if self.load is None:
            return
        loaded: Any = self.load(state)
        if not isinstance(loaded, dict):
            raise TypeError(
                f"the load function of step {self.name!r} must return a dict, and returned a "
                f"{type(loaded).__name__}"
            )
        data.update(loaded)

    def run(self, state: State, data: Data) -> None:
        """Run the function, then ``save``; what they return does not count."""
        self.function(state, data)
        if self.save is not None:
            self.save(state, data)


def check_data(data: object) -> None:
    """Refuse data that is no dict; raises TypeError."""
    if type(data) is not dict:
        raise TypeError(f"data must be a dict, even an empty one, not a {type(data).__name__}")
