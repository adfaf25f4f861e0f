"""One step of a pipeline, and what its author asked of it."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import AsyncGeneratorType, CoroutineType, FunctionType, GeneratorType
from typing import Any

from sauerkraut.checkpoint import interval as intervals
from sauerkraut.flow import digest, identity, reach
from sauerkraut.flow.record import Identity
from sauerkraut.flow.stores import State

Data = dict[str, Any]
Load = Callable[[State], Data]
Function = Callable[..., object]
Condition = Callable[[State], object]
Interval = float | str | timedelta | None
_LONGEST = 1e9  # seconds of a timeout; the clocks of threads end at some


@dataclass(frozen=True, slots=True)
class Step:
    """A function of state and data, what loads and saves the data around it, and its options.

    See `CheckpointFlow.add_step` for their meaning and what is raised for those that have none.
    """

    name: str
    function: Function
    load: Load | None = None
    save: Function | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    retries: int = 0
    timeout: float | None = None
    skip_if: Condition | None = None
    depends: Sequence[str] | None = None
    interval: Interval = None

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"a step is a function f(state, data), not {self.function!r}")
        for what in ("load", "save", "skip_if"):
            given = getattr(self, what)
            if given is None:
                continue
            if not callable(given):
                raise TypeError(f"{what}={given!r} is not a function")
            _refuse_lazy(what, given)
        _refuse_lazy("a step", self.function)
        if not isinstance(self.name, str):
            raise TypeError(f"name={self.name!r}: a text")
        if not _are_keywords(self.params):
            raise TypeError(f"params={self.params!r}: a dict of keyword parameters")
        if not _is_count(self.retries):
            raise ValueError(f"retries={self.retries!r}: how often to try again, from 0 on")
        if self.timeout is not None and not _is_time(self.timeout):
            raise ValueError(
                f"timeout={self.timeout!r}: seconds, more than 0 and at most {_LONGEST:g}; "
                "None: as long as it takes"
            )
        if self.depends is not None and not _are_names(self.depends):
            raise TypeError(f"depends={self.depends!r}: a list of names")
        intervals.parse(self.interval)

    def options(self) -> dict[str, str]:
        """Those that must be the same on every rank."""
        names = ("retries", "timeout", "depends", "interval")
        given = {name: repr(getattr(self, name)) for name in names}
        return given | {
            f"that there is {name}": str(getattr(self, name) is not None)
            for name in ("load", "save", "skip_if")
        }

    def identity(self) -> Identity:
        """What the code of the step says now, its parameters and those that partials bind."""
        functions = self.function, self.load, self.save
        said = identity.of(*functions)
        bound = [reach.bound_by(each) for each in functions]
        if not self.params and not any(bound):
            return said
        return dataclasses.replace(said, params=digest.of([dict(self.params), bound]))

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
        refuse_unrun(self.function(state, data, **self.params))
        if self.save is not None:
            self.save(state, data)


def check_data(data: object) -> None:
    """Refuse data that is no dict; raises TypeError."""
    if type(data) is not dict:
        raise TypeError(f"data must be a dict, even an empty one, not a {type(data).__name__}")


def refuse_unrun(returned: object) -> None:
    """Refuse what a step returned when it has not run yet; raises TypeError."""
    if isinstance(returned, (CoroutineType, GeneratorType, AsyncGeneratorType)):
        raise TypeError(
            f"a step runs when it is called, and returned a {type(returned).__name__}, whose code "
            "has not run: a step is a function without async and yield"
        )


def _refuse_lazy(what: str, function: object) -> None:
    """Refuse a function whose call runs nothing of it; raises TypeError."""
    if type(function) is FunctionType and not vars(function):  # nothing marks it as another kind
        kind = function.__code__.co_flags
        if not kind & (inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR):
            return
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    called = inspect.getattr_static(type(function), "__call__", None)
    if any(is_kind(each) for is_kind in kinds for each in (function, called)):
        raise TypeError(
            f"{what} runs when it is called, and {function!r} does not: a function without async "
            "and yield"
        )


def _is_time(given: object) -> bool:
    if not isinstance(given, (int, float)) or isinstance(given, bool):
        return False
    return 0 < given <= _LONGEST


def _are_names(given: object) -> bool:
    if not isinstance(given, Sequence) or isinstance(given, str):
        return False
    return all(isinstance(name, str) for name in given)


def _is_count(given: object) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and given >= 0


def _are_keywords(given: object) -> bool:
    return isinstance(given, Mapping) and all(isinstance(name, str) for name in given)
