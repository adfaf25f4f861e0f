"""CheckpointFlow: a pipeline of steps that starts again at the step that did not finish."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sauerkraut.flow import inside
from sauerkraut.flow.adapted import StateHandler
from sauerkraut.flow.alone import Alone
from sauerkraut.flow.kept import Kept
from sauerkraut.flow.pipeline import Pipeline
from sauerkraut.flow.policy import LoadPolicy
from sauerkraut.flow.record import Record
from sauerkraut.flow.start import OnChange
from sauerkraut.flow.step import Condition, Data, Function, Interval, Load, Step, check_data
from sauerkraut.flow.stores import State
from sauerkraut.objects.state import found_by_name

F = TypeVar("F", bound=Function)
ON_CHANGE = ("error", "keep", "rerun")


@found_by_name
class CheckpointFlow:
    """A sequence of functions, the steps, with a checkpoint before the first and after each.

    When a step fails, or the process is killed, the next `run` starts at the step that did not
    finish, with the state that it saw. Steps share two dicts: ``state``, small values, which are
    stored, and ``data``, large values, which are not: load and save functions move those.

    Args:
        state_path: Where states are stored; the handler says what the path means.
        handler: "local": one file, see `LocalStateHandler`. "hdf5": a checkpoint directory, where
            each commit is an epoch, with the arrays of the state as typed datasets. Or a class,
            called with ``state_path``, or an object, with ``write(state)`` and ``read()``.
        comm: None: this process alone. Or an mpi4py communicator: every rank defines the same
            flow and runs each step; a step commits on all ranks or on none, and one rank's error is
            every rank's. More than one rank needs "hdf5"; the constructor, `run`, `check_point` and
            `newest` are collective then.
        shared: Keys of the state that have the same value on every rank; stored once. All else is
            each rank's own.
        on_change: What `run` does when finished steps are not what they were: "error": refuse,
            with what to type; "rerun": start at the first that changed; "keep": go on all the
            same, at the step of that name which did not finish. A step is known by its name and
            what its code says, the project's functions that it reaches included; comments, layout
            and docstrings do not count.
        keep: How many runs that finished stay stored beside the one at work.
        quiet: Print no news, only warnings.

    Raises:
        NotImplementedError: there is no handler of that name.
        TypeError: ``handler`` is neither a name, nor a class, nor has it ``write`` and ``read``.
        ValueError: ``on_change`` or ``keep`` means nothing, or the handler is none for many ranks.
    """

    def __init__(
        self,
        state_path: str | os.PathLike[str],
        handler: str | type | StateHandler = "local",
        *,
        comm: Any = None,
        shared: Sequence[str] = (),
        on_change: OnChange = "error",
        keep: int = 1,
        quiet: bool = False,
    ) -> None:
        if on_change not in ON_CHANGE:
            raise ValueError(f"on_change={on_change!r}: one of {', '.join(map(repr, ON_CHANGE))}")
        if keep < 1:
            raise ValueError(f"keep={keep}: at least 1 run is kept")
        if isinstance(shared, str):
            raise TypeError(f"shared={shared!r}: a list of names")
        self._pipeline = Pipeline(
            state_path,
            str(Path(state_path).absolute()),
            handler,
            comm,
            tuple(shared),
            on_change,
            keep,
            quiet,
        )
        self._alone: Alone | None = None
        self._number: int | None = None
        self._kept: tuple[Any, Kept] | None = None
        if not inside.is_inside():
            self._by_itself()

    def __reduce__(self) -> str | tuple[Any, ...]:
        """In frames, one that was made outside of runs stands for that of the program then."""
        kept = inside.of_this_run(self)
        if self._number is not None:
            made = (inside.made, (str(self._pipeline.state_path), self._number))
            return made if kept is None else (*made, {"_kept": kept})
        return (object.__new__, (type(self),), {**vars(self), "_alone": None, "_kept": kept})

    def add_step(
        self,
        load: Load | None = None,
        save: Function | None = None,
        *,
        name: str | None = None,
        params: Mapping[str, Any] | None = None,
        retries: int = 0,
        timeout: float | None = None,
        skip_if: Condition | None = None,
        depends: Sequence[str] | None = None,
        interval: Interval = None,
    ) -> Callable[[F], Callable[..., Data]]:
        """Decorate a function ``f(state, data)``, which becomes the next step.

        It changes both dicts in place; what it returns does not count.

        Args:
            load: ``load(state)`` returns a dict that is added to ``data`` before the step, when the
                load policy says so.
            save: ``save(state, data)`` runs after the step, and belongs to it.
            name: Of the step; None: that of the function.
            params: Keyword parameters: the function is called as ``f(state, data, **params)``. They
                belong to what the step is.
            retries: How often to try again when it raises an `Exception`, with state and data as
                they were when it began. All ranks try again: one that failed waits for the others,
                so give the step a ``timeout`` if they may wait for it.
            timeout: Seconds for loading, the step and saving; longer is a `TimeoutError` at the
                end, or at a poll, and what was computed is dropped. After twice the time the job
                is ended, exit status 86, with the stack where it was. A restart into the frames of
                a step begins with all of the time.
            skip_if: ``skip_if(state)`` is asked before anything of the step; true: it is passed
                over.
            depends: Names of all that the step depends on beside its own code and parameters:
                earlier steps, with what these set in the state, and keys of the state. When none of
                them has changed since a run of it that is stored, it is passed over, and the keys
                of the state that it had set then are set again. For steps that hand on nothing in
                ``data``. A name that is neither is an error when the turn of the step comes.
            interval: For a step of hours: how often, as for a `Checkpointer`, its calls of
                ``sauerkraut.current().poll()`` checkpoint inside of it, ``state`` and ``data``
                included, not globals. A restart goes into its frames; to its start when its code,
                or Python, is another since. Inside of `Checkpointer.run` that run decides.

        Returns:
            A decorator. The decorated function can be called by itself:
            ``f(state, should_load=False, data=None)`` loads if told to, runs, saves, and returns
            the data.

        Raises:
            TypeError, ValueError: an option means nothing; by the decorator: what it is given is no
                function, or there is a step of that name already.
        """
        if name == "":
            raise ValueError("name='': a text to tell the step by, or None for the function's")
        asked = Step(
            "" if name is None else name,
            check_data,
            load,
            save,
            params={} if params is None else params,
            retries=retries,
            timeout=timeout,
            skip_if=skip_if,
            depends=depends,
            interval=interval,
        )

        pipeline = self._pipeline
        pipeline.undecorated.append(asked)

        def decorate(function: F) -> Callable[..., Data]:
            pipeline.undecorated = [each for each in pipeline.undecorated if each is not asked]
            own = asked.name or _name_of(function)
            step = dataclasses.replace(asked, name=own, function=function)
            if any(step.name == each.name for each in pipeline.steps):
                raise ValueError(
                    f"there is a step {step.name!r} already: steps are told apart by their names, "
                    "so give name=, or make a new CheckpointFlow where the pipeline is defined anew"
                )
            pipeline.steps.append(step)

            def call(state: State, should_load: bool, data: Data | None) -> Data:
                data = {} if data is None else data
                check_data(data)
                if should_load:
                    step.load_into(data, state)
                step.run(state, data)
                return data

            # holds no step: a restart leaves those that the program defines now
            @functools.wraps(function)
            def wrapper(state: State, should_load: bool = False, data: Data | None = None) -> Data:
                return call(state, should_load, data)

            return wrapper

        return decorate

    @property
    def steps(self) -> tuple[str, ...]:
        """Names of the steps, in order."""
        return tuple(step.name for step in self._pipeline.steps)

    def newest(self) -> Record | None:
        """What is known of the newest run, as of its last commit; None: nothing is stored.

        How a step failed behind that commit is its `failure`.

        Raises:
            StorageError: what is stored cannot be read, or is damaged.
        """
        history = self._by_itself().store.read()
        newest = history.newest
        return newest and dataclasses.replace(newest, failure=history.failure)

    def check_point(self) -> State:
        """Read the newest state, as the next run would; an empty dict where nothing is stored.

        Raises:
            StorageError: what is stored cannot be read, or is damaged.
            ResumeError: the state needs something that is not here.
        """
        history = self._by_itself().store.read()
        return history.commits[0].load(False) if history.commits else {}

    def run(
        self,
        state: State | None = None,
        load_policy: LoadPolicy = "first only",
        checkpoint: int | None = None,
        *,
        why: bool = False,
    ) -> State:
        """Run the steps, from the first that did not finish.

        Inside of `Checkpointer.run` epochs of that run are the checkpoints: a restart goes on
        inside of this call, with state and data, and nothing is stored at ``state_path``.

        Args:
            state: What the first step sees, changed in place. A run that goes on behind the first
                step has its own, and this one is ignored. None: an empty one.
            load_policy: "first only": the load function of the first step that is executed;
                "always": those of all steps that are executed; "needed": those of all steps before
                them as well, also of steps that are passed over; or one boolean per step.
            checkpoint: 0-based index of the step to start at, whatever finished: with the given
                state, or else with what that step saw last. A run that starts at 0 is a new one.
            why: Say of each step, before the first runs, whether it will and why, also if quiet.

        Returns:
            The state after the last step. Its ``checkpoint_index`` is 0.

        Raises:
            TypeError, ValueError, IndexError: an argument means nothing; nothing was run.
            FlowError: there are no steps, finished ones have changed (see ``on_change``), nothing
                is stored that ``checkpoint`` could start from, or the flow has other ranks than the
                `Checkpointer.run` that it is inside of.
            DirectoryOwned: another run is using the same path.
            CorruptCheckpoint, ResumeError, StorageError: what is stored cannot be used; the message
                says what to do. Nothing was run, nothing changed.
            CaptureError: a step left something in the state that cannot be stored.

            Whatever a step raises leaves as it is; the next run starts at that step. On more than
            one rank it is raised on all of them, as a `RankError` that is of its class as well.
        """
        if inside.is_inside():
            return inside.run(self, state, load_policy, checkpoint, why=why)
        return self._by_itself().run(state, load_policy, checkpoint, why=why)

    def _by_itself(self) -> Alone:
        if self._alone is None:
            self._alone = Alone(self._pipeline)
            if not inside.is_inside():
                self._number = inside.number(self)
        return self._alone


def _name_of(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))
