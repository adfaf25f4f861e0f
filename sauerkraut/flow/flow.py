"""CheckpointFlow: a pipeline of steps that starts again at the step that did not finish."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sauerkraut import group
from sauerkraut.checkpoint.leaving import UncaughtErrors
from sauerkraut.checkpoint.reports import Reports
from sauerkraut.errors import FlowError
from sauerkraut.flow import account, dependence, digest, policy, polling, start
from sauerkraut.flow.adapted import StateHandler
from sauerkraut.flow.execution import Execution
from sauerkraut.flow.handlers import store_of
from sauerkraut.flow.policy import LoadPolicy
from sauerkraut.flow.polling import Polling
from sauerkraut.flow.ranks import Ranks
from sauerkraut.flow.record import Record, StepRecord
from sauerkraut.flow.start import OnChange
from sauerkraut.flow.step import Condition, Data, Function, Interval, Load, Step, check_data
from sauerkraut.flow.stores import State

F = TypeVar("F", bound=Function)
ON_CHANGE = ("error", "keep", "rerun")


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
        self._on_change: OnChange = on_change
        self._steps: list[Step] = []
        self._undecorated: list[Step] = []
        self._quiet = quiet
        self._shared = tuple(shared)
        self._keep = keep
        self._path = str(Path(state_path).absolute())
        self._ranks = Ranks(group.of(comm), group.of(comm))
        self._uncaught = UncaughtErrors(self._ranks.group)
        if comm is not None:
            self._uncaught.install()
        self._reports = Reports(self._ranks.group.rank, quiet=quiet)
        place = polling.place_of(state_path)
        self._polling = Polling(place, comm, self._ranks, self._reports)
        self._store = store_of(
            state_path,
            handler,
            group=self._ranks.group,
            keep=keep,
            shared=self._shared,
            reports=self._reports,
        )

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Inside the frames of a step, a flow stands for the one that runs there."""
        return (polling.running, ())

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
                or Python, is another since.

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

        self._undecorated.append(asked)

        def decorate(function: F) -> Callable[..., Data]:
            self._undecorated = [each for each in self._undecorated if each is not asked]
            own = asked.name or _name_of(function)
            step = dataclasses.replace(asked, name=own, function=function)
            if any(step.name == each.name for each in self._steps):
                raise ValueError(
                    f"there is a step {step.name!r} already: steps are told apart by their names, "
                    "so give name=, or make a new CheckpointFlow where the pipeline is defined anew"
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

    @property
    def steps(self) -> tuple[str, ...]:
        """Names of the steps, in order."""
        return tuple(step.name for step in self._steps)

    def newest(self) -> Record | None:
        """What is known of the newest run, as of its last commit; None: nothing is stored.

        Raises:
            StorageError: what is stored cannot be read, or is damaged.
        """
        return self._store.read().newest

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
        *,
        why: bool = False,
    ) -> State:
        """Run the steps, from the first that did not finish.

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
            FlowError: there are no steps, finished ones have changed (see ``on_change``), or
                nothing is stored that ``checkpoint`` could start from.
            DirectoryOwned: another run is using the same path.
            CorruptCheckpoint, ResumeError, StorageError: what is stored cannot be used; the message
                says what to do. Nothing was run, nothing changed.
            CaptureError: a step left something in the state that cannot be stored.

            Whatever a step raises leaves as it is; the next run starts at that step. On more than
            one rank it is raised on all of them, as a `RankError` that is of its class as well.
        """
        self._ranks.left = False
        try:
            return self._run(state, load_policy, checkpoint, why=why)
        except BaseException as error:
            self._ranks.leave(error)
            self._uncaught.raised_together(error)
            raise

    def _run(
        self, state: State | None, load_policy: LoadPolicy, checkpoint: int | None, *, why: bool
    ) -> State:
        def look() -> list[StepRecord]:
            polling.refuse_inside()
            self._check(state, load_policy, checkpoint)
            return [StepRecord(each.name, each.identity()) for each in self._steps]

        told = self._ranks.together("the flow", look)
        own = told[self._ranks.group.rank]
        self._ranks.alike({"the names of the steps": str(self.steps)})
        self._ranks.alike(
            {
                "what they say": repr([each.identity.code for each in own]),
                **{
                    f"{option} of step {index} {step.name!r}": said
                    for index, step in enumerate(self._steps)
                    for option, said in step.options().items()
                },
                "state_path": self._path,
                "keep": str(self._keep),
                "load_policy": repr(load_policy),
                "checkpoint": repr(checkpoint),
                "that a state is given": str(state is not None),
                "on_change": self._on_change,
                "shared": str(self._shared),
            }
        )
        records = _of_all_ranks(told)
        history = self._store.open()
        try:
            for note in history.notes:
                self._reports.warn(note)
            begin = start.choose(
                self._store.where,
                records,
                history,
                state,
                checkpoint,
                self._on_change,
                compare=not self._ranks.many,
            )
            for warning in begin.warnings:
                self._reports.warn(warning)
            if not why:
                self._reports.tell(begin.why)
            elif self._ranks.first:
                account.tell(begin, records)
            execution = Execution(
                self._steps,
                self._store,
                history,
                ranks=self._ranks,
                polling=self._polling,
                reports=self._reports,
                load_policy=load_policy,
                live=not self._quiet and self._ranks.first,
            )
            with self._polling.of(self):
                return execution.run(begin)
        except BaseException as error:
            self._ranks.leave(error)  # before others may take what ranks at work still use
            raise
        finally:
            self._ranks.lost = None
            self._store.close()

    def _check(self, state: object, load_policy: object, checkpoint: object) -> None:
        if state is not None and not isinstance(state, dict):
            raise TypeError(f"a state is a dict, not a {type(state).__name__}")
        if self._undecorated:
            given = self._undecorated[0]
            what = given.name or getattr(given.load, "__name__", "")
            raise FlowError(
                f"add_step({what}) has decorated no function: @flow.add_step() stands before a "
                "step, with parentheses"
            )
        if not self._steps:
            raise FlowError("there are no steps: add_step() decorates the functions to run")
        policy.check(load_policy, len(self._steps))
        dependence.check(self._steps)
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


def _of_all_ranks(told: Sequence[Sequence[StepRecord]]) -> list[StepRecord]:
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


def _name_of(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))
