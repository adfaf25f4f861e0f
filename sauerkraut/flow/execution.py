"""One run of the steps, from where it starts to the end: on one process, or on all ranks alike."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sauerkraut.checkpoint.agreement import text_of
from sauerkraut.checkpoint.reports import Reports, write_line
from sauerkraut.errors import CaptureError, FlowError, StorageError
from sauerkraut.flow import dependence, digest, policy, states
from sauerkraut.flow.command import again
from sauerkraut.flow.measure import Measure
from sauerkraut.flow.policy import LoadPolicy
from sauerkraut.flow.polling import Polling, Turn
from sauerkraut.flow.progress import Progress
from sauerkraut.flow.ranks import Ranks
from sauerkraut.flow.record import INDEX, Failure, Record, StepRecord, now
from sauerkraut.flow.start import Start
from sauerkraut.flow.step import Data, Step
from sauerkraut.flow.stores import History, State, StepStore
from sauerkraut.flow.watchdog import Watchdog
from sauerkraut.frames.snapshot import Snapshot


class Execution:
    """A run of the steps of a flow.

    Args:
        steps: All of them.
        store: Opened.
        history: What it held then.
        ranks: All of them run each step.
        polling: Runs those that poll.
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
        ranks: Ranks,
        polling: Polling,
        reports: Reports,
        load_policy: LoadPolicy,
        live: bool,
    ) -> None:
        self._steps = steps
        self._store = store
        self._history = history
        self._ranks = ranks
        self._polling = polling
        self._reports = reports
        self._policy = load_policy
        self._named = dependence.named(steps)
        self._last: int | None = None  # step that was executed, and not passed over
        self._progress = Progress(reports, len(steps), live=live)

    def run(self, begin: Start) -> State:
        """Run the steps from ``begin`` on; returns the state at the end."""
        state = begin.state
        data: Data = {}
        record = Record(
            begin.run,
            begin.index,
            begin.steps,
            begins=True,
            data_keys=begin.data_keys,
            when=now(),
        )
        if not begin.inside:
            if begin.outside and self._polling.has_frames(begin.run, begin.index):
                self._reports.warn(
                    f"{self._name(begin.index)} begins at its start: {begin.outside}"
                )
            self._polling.forget()
        if not begin.stored:
            self._commit(state, record, "the start")
        for index in range(begin.index, len(self._steps)):
            self._ranks.lost = functools.partial(self._failed, record, index, alone=True)
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
        told = self._skipped(record, index, state)
        if not told.skipped:
            told = self._run(begin, told, index, state, data)
            self._last = index
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
        self._commit(state, after, self._name(index))
        self._polling.forget()
        self._progress.ended(index, told)
        return after

    def _skipped(self, record: Record, index: int, state: State) -> StepRecord:
        """What is known of a step before it runs; when it need not, its results are in the state.

        Collective, as all that follows.
        """
        step, told = self._steps[index], record.steps[index]

        def ask() -> tuple[bool, str]:
            skip = step.skip_if is not None and bool(step.skip_if(state))
            if skip:
                return skip, ""
            return skip, dependence.inputs(self._steps, record.steps, index, state)

        answers = self._ranks.together(self._name(index), ask)
        self._ranks.alike({f"skip_if of {self._name(index)}": str(answers[self._rank][0])})
        if answers[0][0]:
            return replace(told, when=now(), skipped="skip_if says so")
        inputs = digest.joined([each for _, each in answers])
        told = replace(told, inputs=inputs)
        known = dependence.result_of(self._history, step.name, inputs) if inputs else None
        if known is None:
            return told
        outputs, held = known

        def is_sure() -> bool:
            keys = dependence.unsure_keys(self._steps, record.steps, index, outputs)
            return dependence.are_alike(keys, held, state)

        if not all(self._ranks.together(self._name(index), is_sure)):
            return told
        dependence.give(outputs, held, state)
        because = "what it depends on did not change"
        return replace(told, when=now(), skipped=because, outputs=outputs)

    def _run(
        self, begin: Start, told: StepRecord, index: int, state: State, data: Data
    ) -> StepRecord:
        """Load, run and save, as often as it may take; returns what it took."""
        step = self._steps[index]
        wanted = bool(told.inputs) or step.name in self._named
        before: dict[str, str] | None = {} if wanted else None
        kept: list[Snapshot] = []

        def keep() -> None:
            if before is not None:
                before.update(digest.of_keys(state))
            if step.retries:
                kept.append(states.capture_both(state, data))

        def put_back() -> None:
            for each in kept:
                states.put_back(each, state, data)

        self._ranks.together(self._name(index), keep)
        for tries in range(1, step.retries + 2):
            measure = Measure()
            try:
                self._try(begin, index, state, data, tries)
            except BaseException as failure:
                if tries > step.retries or not self._may_repeat(step, failure):
                    raise
                self._reports.warn(
                    f"{self._name(index)} failed ({_one_line(failure)}): "
                    f"try {tries + 1} of {step.retries + 1}"
                )
                self._ranks.together("retries", put_back)
                continue
            return self._measured(told, measure, tries, before, state)
        raise AssertionError("the last try returns or raises")

    def _try(self, begin: Start, index: int, state: State, data: Data, tries: int) -> None:
        """Load, run and save once; raises on all ranks what any of them raises."""
        step, name = self._steps[index], self._name(index)

        def load() -> None:
            for each in policy.loaded_before(self._policy, self._last, index):
                self._steps[each].load_into(data, state)
            if self._last is None:
                self._warn_of_lost(begin, data)

        watched = Watchdog(step.timeout, name, self._ranks.group)
        with self._progress.step(index, step.name, polls=step.interval is not None):
            if step.interval is not None:
                turn = Turn(
                    step, name, state, data, load, self._ranks, watched, tries <= step.retries
                )
                with watched:
                    self._polling.run(turn, begin.run, index, fresh=tries > 1)
                if any(self._ranks.together(name, lambda: watched.overdue() is not None)):
                    self._polling.forget()  # what was computed is dropped
                self._ranks.settle(name, watched.overdue())
                return
            error: BaseException | None = None
            try:
                with watched:
                    load()
                    step.run(state, data)
                error = watched.overdue()
            except BaseException as caught:  # noqa: BLE001 - raised where all ranks are
                error = caught
            self._ranks.settle(name, error, again=tries <= step.retries)

    def _may_repeat(self, step: Step, failure: BaseException) -> bool:
        """Whether no rank was interrupted: an interrupt is meant for the program.

        Collective, but for an error that the other ranks do not know of.
        """
        if self._ranks.many and step.interval is None and failure is not self._ranks.settled:
            return False
        causes = (failure, failure.__cause__ or failure)
        fine = all(isinstance(each, Exception) for each in causes)
        return all(self._ranks.together("retries", lambda: fine))

    def _measured(
        self,
        told: StepRecord,
        measure: Measure,
        tries: int,
        before: Mapping[str, str] | None,
        state: State,
    ) -> StepRecord:
        """What is known of a step that ran: the most that any rank took."""

        def look() -> tuple[float, int, tuple[str, ...] | None]:
            outputs = None if before is None else dependence.changed(before, state)
            return measure.seconds, measure.peak_bytes, outputs

        seconds, peaks, outputs = zip(*self._ranks.together("measures", look), strict=True)
        return replace(
            told,
            when=now(),
            seconds=round(max(seconds), 6),
            peak_bytes=max(peaks),
            tries=tries,
            outputs=dependence.of_all_ranks(outputs),
        )

    @property
    def _rank(self) -> int:
        return self._ranks.group.rank

    def _name(self, index: int) -> str:
        return f"step {index} {self._steps[index].name!r}"

    def _commit(self, state: State, record: Record, after: str) -> None:
        if self._ranks.is_forked():
            raise FlowError(
                f"{self._store.where}: this process was forked inside of a step, and its parent "
                "has the run: leave it with os._exit, or use multiprocessing"
            )
        try:
            self._store.commit(state, record)
        except CaptureError as error:
            raise states.refused(error, after) from error

    def _failed(
        self, record: Record, index: int, error: BaseException, *, alone: bool = False
    ) -> None:
        """Store how a step ended, on all ranks or alone, and say what to do; never raises."""
        if self._ranks.is_forked():
            return
        failure = Failure.of(index, self._steps[index].name, error)
        try:
            self._store.failed(replace(record, failure=failure, when=now()), alone=alone)
        except (StorageError, CaptureError) as problem:
            self._reports.warn(f"how {self._name(index)} failed could not be stored: {problem}")
        said = (
            f"{self._store.where}: {self._name(index)} did not finish; the next run starts there: "
            f"{again(self._ranks.group.size)}"
        )
        if alone:
            write_line(said)
        else:
            self._reports.tell(said)

    def _warn_of_lost(self, begin: Start, data: Data) -> None:
        lost = sorted(set(begin.data_keys) - set(map(str, data)))
        if lost:
            self._reports.warn(
                f"{self._store.where}: data had {', '.join(map(repr, lost))} when this step began, "
                'and has not now: load_policy="needed" loads what steps before it loaded'
            )


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {text_of(error)}".partition("\n")[0].rstrip(": ")
