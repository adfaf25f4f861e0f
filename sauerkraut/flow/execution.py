"""One run of the steps, from where it starts to the end: on one process, or on all ranks alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

from sauerkraut.checkpoint.reports import Reports
from sauerkraut.errors import CaptureError, StorageError
from sauerkraut.flow import dependence, digest, policy, states
from sauerkraut.flow.command import again
from sauerkraut.flow.measure import Measure
from sauerkraut.flow.policy import LoadPolicy
from sauerkraut.flow.progress import Progress
from sauerkraut.flow.record import Failure, Record, StepRecord, now
from sauerkraut.flow.start import Start
from sauerkraut.flow.step import Data, Step
from sauerkraut.flow.stores import History, State, StepStore
from sauerkraut.flow.watchdog import Watchdog
from sauerkraut.group import Group

INDEX = "checkpoint_index"
"""Key of the state that says which step is next."""


class Execution:
    """A run of the steps of a flow.

    Args:
        steps: All of them.
        store: Opened.
        history: What it held then.
        group: The ranks.
        reports: Told what a person should know.
        load_policy: As checked.
        live: Whether a terminal shows the step that runs.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        store: StepStore,
        history: History,
        *,
        group: Group,
        reports: Reports,
        load_policy: LoadPolicy,
        live: bool,
    ) -> None:
        self._steps = steps
        self._store = store
        self._history = history
        self._group = group
        self._reports = reports
        self._policy = load_policy
        self._progress = Progress(reports, len(steps), live=live)

    def run(self, begin: Start) -> State:
        """Run the steps from ``begin`` on; returns the state at the end."""
        state = begin.state
        data: Data = {}
        record = Record(begin.run, begin.index, begin.steps, data_keys=begin.data_keys, when=now())
        if not begin.stored:
            self._commit(state, record, "the start")
        for index in range(begin.index, len(self._steps)):
            try:
                record = self._step(begin, record, index, state, data)
            except BaseException as error:
                self._failed(record, index, error)
                raise
        if begin.index == len(self._steps):
            state[INDEX] = 0
            self._commit(state, replace(record, index=0, finished=True), "the last step")
        return state

    def _step(self, begin: Start, record: Record, index: int, state: State, data: Data) -> Record:
        """Run one step and commit; returns what is known then."""
        step, told = self._steps[index], record.steps[index]
        told = replace(told, inputs=dependence.inputs(self._steps, record.steps, index, state))
        skipped = self._skipped(step, told, state)
        told = self._run(begin, told, index, state, data) if skipped is None else skipped
        steps = (*record.steps[:index], told, *record.steps[index + 1 :])
        last = index + 1 == len(steps)
        after = Record(
            record.run,
            0 if last else index + 1,
            steps,
            finished=last,
            data_keys=tuple(sorted(map(str, data))),
            when=now(),
        )
        state[INDEX] = after.index
        self._commit(state, after, f"step {index} {step.name!r}")
        self._progress.ended(index, told)
        return after

    def _skipped(self, step: Step, told: StepRecord, state: State) -> StepRecord | None:
        """What is known of a step that need not run, its results in the state; None: it has to."""
        if step.skip_if is not None and step.skip_if(state):
            return replace(told, when=now(), skipped="skip_if says so", inputs="")
        if told.inputs:
            known = dependence.results(self._history, step.name, told.inputs)
            if known is not None:
                state.update(known)
                because = "what it depends on did not change"
                return replace(told, when=now(), skipped=because, outputs=tuple(known))
        return None

    def _run(
        self, begin: Start, told: StepRecord, index: int, state: State, data: Data
    ) -> StepRecord:
        """Load, run and save, as often as it may take; returns what it took."""
        step = self._steps[index]
        before = digest.of_keys(state) if told.inputs else {}
        saved = states.capture_both(state, data) if step.retries else None
        for tries in range(1, step.retries + 2):
            measure = Measure()
            try:
                with (
                    self._progress.step(index, step.name),
                    Watchdog(step.timeout, f"step {index} {step.name!r}", self._group),
                ):
                    for each in policy.loaded_before(self._policy, begin.index, index):
                        self._steps[each].load_into(data, state)
                    if index == begin.index:
                        self._warn_of_lost(begin, data)
                    step.run(state, data)
            except Exception as error:
                if saved is None or tries > step.retries:
                    raise
                self._reports.warn(
                    f"step {index} {step.name!r} failed ({_one_line(error)}): "
                    f"try {tries + 1} of {step.retries + 1}"
                )
                states.put_back(saved, state, data)
                continue
            return replace(
                told,
                when=now(),
                seconds=round(measure.seconds, 6),
                peak_bytes=measure.peak_bytes,
                tries=tries,
                outputs=dependence.changed(before, state) if told.inputs else (),
            )
        return _unreachable()

    def _commit(self, state: State, record: Record, after: str) -> None:
        try:
            self._store.commit(state, record)
        except CaptureError as error:
            raise states.refused(error, after) from error

    def _failed(self, record: Record, index: int, error: BaseException) -> None:
        """Store how a step ended, and say what to do; never raises."""
        name = self._steps[index].name
        try:
            self._store.failed(replace(record, failure=Failure.of(index, name, error), when=now()))
        except (StorageError, CaptureError) as problem:
            self._reports.warn(f"how step {index} {name!r} failed could not be stored: {problem}")
        self._reports.tell(
            f"{self._store.where}: step {index} {name!r} did not finish; the next run starts "
            f"there: {again()}"
        )

    def _warn_of_lost(self, begin: Start, data: Data) -> None:
        lost = sorted(set(begin.data_keys) - set(map(str, data)))
        if lost:
            self._reports.warn(
                f"{self._store.where}: data had {', '.join(map(repr, lost))} when this step began, "
                'and has not now: load_policy="needed" loads what steps before it loaded'
            )


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def _unreachable() -> NoReturn:
    raise AssertionError("the last try returns or raises")
