"""CheckpointFlow: a pipeline of steps that starts again at the step that did not finish."""

from __future__ import annotations

import functools
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from sauerkraut.checkpoint.reports import Reports
from sauerkraut.errors import CaptureError, FlowError, StorageError
from sauerkraut.flow import policy, start, states
from sauerkraut.flow.adapted import Adapted, StateHandler
from sauerkraut.flow.local import LocalFile, LocalStateHandler
from sauerkraut.flow.measure import Measure
from sauerkraut.flow.policy import LoadPolicy
from sauerkraut.flow.record import Failure, Record, StepRecord, now
from sauerkraut.flow.start import OnChange, Start
from sauerkraut.flow.step import Data, Function, Load, Step, check_data
from sauerkraut.flow.stores import State, StepStore

F = TypeVar("F", bound=Function)
HANDLERS = ("local",)
INDEX = "checkpoint_index"
ON_CHANGE = ("error", "keep", "rerun")


class CheckpointFlow:
    """A sequence of functions, the steps, with a checkpoint before the first and after each.

    When a step fails, or the process is killed, the next `run` starts at the step that did not
    finish, with the state that it saw. Steps share two dicts: ``state``, small values, which are
    stored, and ``data``, large values, which are not: load and save functions move those.

    Args:
        state_path: Where states are stored; the handler says what the path means.
        handler: "local": one file, see `LocalStateHandler`. Or a class, called with ``state_path``,
            or an object, with ``write(state)`` and ``read()``.
        on_change: What `run` does when finished steps are not what they were: "error": refuse,
            with what to type; "rerun": start at the first that changed; "keep": go on all the same.
            A step is known by its name and what its code says, the project's functions that it
            reaches included; comments, layout and docstrings do not count.
        keep: How many runs that finished stay stored beside the one at work.
        quiet: Print no news, only warnings.

    Raises:
        NotImplementedError: there is no handler of that name.
        TypeError: ``handler`` is neither a name, nor a class, nor has it ``write`` and ``read``.
        ValueError: ``on_change`` or ``keep`` means nothing.
    """

    def __init__(
        self,
        state_path: str | os.PathLike[str],
        handler: str | type | StateHandler = "local",
        *,
        on_change: OnChange = "error",
        keep: int = 1,
        quiet: bool = False,
    ) -> None:
        if on_change not in ON_CHANGE:
            raise ValueError(f"on_change={on_change!r}: one of {', '.join(map(repr, ON_CHANGE))}")
        if keep < 1:
            raise ValueError(f"keep={keep}: at least 1 run is kept")
        self._store = _store_of(state_path, handler, keep)
        self._on_change: OnChange = on_change
        self._steps: list[Step] = []
        self._reports = Reports(0, quiet=quiet)

    def add_step(
        self, load: Load | None = None, save: Function | None = None
    ) -> Callable[[F], Callable[..., Data]]:
        """Decorate a function ``f(state, data)``, which becomes the next step.

        It changes both dicts in place; what it returns does not count.

        Args:
            load: ``load(state)`` returns a dict that is added to ``data`` before the step, when the
                load policy says so.
            save: ``save(state, data)`` runs after the step, and belongs to it.

        Returns:
            A decorator. The decorated function can be called by itself:
            ``f(state, should_load=False, data=None)`` loads if told to, runs, saves, and returns
            the data.

        Raises:
            ValueError: by the decorator: there is a step of that name already.
            TypeError: by the decorator: it is not given a function, but, as in ``@flow.add_step``
                without parentheses, something else.
        """
        for what, given in (("load", load), ("save", save)):
            if given is not None and not callable(given):
                raise TypeError(f"{what}={given!r} is not a function")

        def decorate(function: F) -> Callable[..., Data]:
            if not callable(function):
                raise TypeError(f"a step is a function f(state, data), not {function!r}")
            step = Step(_name_of(function), function, load, save)
            if any(step.name == each.name for each in self._steps):
                raise ValueError(
                    f"there is a step {step.name!r} already: steps are told apart by their names, "
                    "so rename the function; a pipeline defined anew needs a new CheckpointFlow"
                )
            self._steps.append(step)

            @functools.wraps(function)
            def wrapper(state: State, should_load: bool = False, data: Data | None = None) -> Data:
                data = {} if data is None else data
                check_data(data)
                if should_load:
                    step.load_into(data, state)
                step.run(state, data)
                return data

            return wrapper

        return decorate

    def check_point(self) -> State:
        """Read the newest state, as the next run would; an empty dict where nothing is stored.

        Raises:
            StorageError: what is stored cannot be read, or is damaged.
            ResumeError: the state needs something that is not here.
        """
        history = self._store.read()
        return history.commits[0].load(False) if history.commits else {}

    def run(
        self,
        state: State | None = None,
        load_policy: LoadPolicy = "first only",
        checkpoint: int | None = None,
    ) -> State:
        """Run the steps, from the first that did not finish.

        Args:
            state: What the first step sees, changed in place. A run that goes on behind the first
                step has its own, and this one is ignored. None: an empty one.
            load_policy: "first only": the load function of the first step that is executed;
                "always": those of all steps; "needed": those of all steps before the first that is
                executed as well; or one boolean per step.
            checkpoint: 0-based index of the step to start at, whatever finished: with the given
                state, or else with what that step saw last. A run that starts at 0 is a new one.

        Returns:
            The state after the last step. Its ``checkpoint_index`` is 0.

        Raises:
            TypeError, ValueError, IndexError: an argument means nothing; nothing was run.
            FlowError: there are no steps, finished ones have changed (see ``on_change``), or
                nothing is stored that ``checkpoint`` could start from.
            DirectoryOwned: another run is using the same path.
            CorruptCheckpoint, ResumeError, StorageError: what is stored cannot be used; the message
                says what to do. Nothing was run, nothing changed.
            CaptureError: a step left something in the state that cannot be stored.

            Whatever a step raises leaves as it is; the next run starts at that step.
        """
        self._check(state, load_policy, checkpoint)
        records = [StepRecord(each.name, each.identity()) for each in self._steps]
        history = self._store.open()
        try:
            for note in history.notes:
                self._reports.warn(note)
            begin = start.choose(
                self._store.where, records, history, state, checkpoint, self._on_change
            )
            for warning in begin.warnings:
                self._reports.warn(warning)
            self._reports.tell(begin.why)
            return self._run_from(begin, load_policy)
        finally:
            self._store.close()

    def _check(self, state: object, load_policy: object, checkpoint: object) -> None:
        if state is not None and not isinstance(state, dict):
            raise TypeError(f"a state is a dict, not a {type(state).__name__}")
        if not self._steps:
            raise FlowError("there are no steps: add_step() decorates the functions to run")
        policy.check(load_policy, len(self._steps))
        if checkpoint is None:
            return
        if type(checkpoint) is not int:
            raise TypeError(
                f"checkpoint={checkpoint!r}: the index of a step, not a {type(checkpoint).__name__}"
            )
        if not 0 <= checkpoint < len(self._steps):
            raise IndexError(
                f"checkpoint={checkpoint}: there are {len(self._steps)} steps, counted from 0"
            )

    def _run_from(self, begin: Start, load_policy: LoadPolicy) -> State:
        state = begin.state
        data: Data = {}
        record = Record(begin.run, begin.index, begin.steps, data_keys=begin.data_keys, when=now())
        if not begin.stored:
            self._commit(state, record, "the start")
        for index in range(begin.index, len(self._steps)):
            step, measure = self._steps[index], Measure()
            try:
                for each in policy.loaded_before(load_policy, begin.index, index):
                    self._steps[each].load_into(data, state)
                if index == begin.index:
                    self._warn_of_lost(begin, data)
                step.run(state, data)
                after = self._after(record, index, data, measure)
                state[INDEX] = after.index
                self._commit(state, after, f"step {index} {step.name!r}")
                record = after
            except BaseException as error:
                self._note_failure(record, index, error)
                raise
        if begin.index == len(self._steps):
            state[INDEX] = 0
            self._commit(state, replace(record, index=0, finished=True), "the last step")
        return state

    def _after(self, record: Record, index: int, data: Data, measure: Measure) -> Record:
        """What is known once a step has run."""
        steps = list(record.steps)
        steps[index] = replace(
            steps[index],
            when=now(),
            seconds=round(measure.seconds, 6),
            peak_bytes=measure.peak_bytes,
        )
        last = index + 1 == len(steps)
        return Record(
            record.run,
            0 if last else index + 1,
            tuple(steps),
            finished=last,
            data_keys=tuple(sorted(map(str, data))),
            when=now(),
        )

    def _commit(self, state: State, record: Record, after: str) -> None:
        try:
            self._store.commit(state, record)
        except CaptureError as error:
            raise states.refused(error, after) from error

    def _note_failure(self, record: Record, index: int, error: BaseException) -> None:
        """Store how a step ended, and say what to do; never raises."""
        name = self._steps[index].name
        try:
            self._store.failed(replace(record, failure=Failure.of(index, name, error), when=now()))
        except (StorageError, CaptureError) as problem:
            self._reports.warn(f"how step {index} {name!r} failed could not be stored: {problem}")
        self._reports.tell(
            f"{self._store.where}: step {index} {name!r} did not finish; the next run starts "
            f"there: {_command()}"
        )

    def _warn_of_lost(self, begin: Start, data: Data) -> None:
        lost = sorted(set(begin.data_keys) - set(map(str, data)))
        if lost:
            self._reports.warn(
                f"{self._store.where}: data had {', '.join(map(repr, lost))} when this step began, "
                'and has not now: load_policy="needed" loads what steps before it loaded'
            )


def _store_of(
    path: str | os.PathLike[str], handler: str | type | StateHandler, keep: int
) -> StepStore:
    if isinstance(handler, str):
        if handler not in HANDLERS:
            raise NotImplementedError(
                f"handler={handler!r}: one of {', '.join(map(repr, HANDLERS))}, or a class or an "
                "object with write(state) and read()"
            )
        return LocalFile(Path(path), keep)
    if handler is LocalStateHandler:
        return LocalFile(Path(path), keep)
    made: Any = handler(path) if isinstance(handler, type) else handler
    if type(made) is LocalStateHandler:
        return LocalFile(Path(made.path), keep)
    if not isinstance(made, StateHandler):
        raise TypeError(
            f"handler={handler!r} is neither a name, nor a class or an object with write(state) "
            "and read()"
        )
    return Adapted(made, f"{type(made).__qualname__} of {os.fspath(path)}")


def _name_of(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def _command() -> str:
    """What starts this program again."""
    words: Sequence[str] = sys.orig_argv
    if hasattr(sys, "ps1") or not words or "ipykernel" in " ".join(words):
        return "run(...) once more"
    return shlex.join(words)
