"""A flow inside of `Checkpointer.run`: epochs of that run are its commits.

Nothing is stored at the flow's own path. The frames below are captured with those of the program,
so they hold plain values: steps, ranks and clocks are looked up each time, and the flow is written
by name where the program makes it before the run.
"""

from __future__ import annotations

import functools
import operator
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from sauerkraut.checkpoint.agreement import refuse_unlike, text_of
from sauerkraut.checkpoint.checkpointer import current, runs_begun
from sauerkraut.checkpoint.reports import Reports
from sauerkraut.errors import FlowError, ResumeError
from sauerkraut.flow import (
    account,
    common,
    comparison,
    dependence,
    digest,
    parts,
    policy,
    start,
    states,
)
from sauerkraut.flow.kept import Kept
from sauerkraut.flow.measure import Measure
from sauerkraut.flow.parts import together
from sauerkraut.flow.pipeline import of_all_ranks
from sauerkraut.flow.place import Place, group, restarts
from sauerkraut.flow.policy import LoadPolicy
from sauerkraut.flow.progress import Progress
from sauerkraut.flow.record import INDEX, Record, StepRecord, now
from sauerkraut.flow.start import Start
from sauerkraut.flow.step import Data, refuse_unrun
from sauerkraut.flow.stores import State
from sauerkraut.flow.watchdog import PollWatchdog
from sauerkraut.frames.snapshot import Snapshot

if TYPE_CHECKING:
    from sauerkraut.flow.flow import CheckpointFlow

_made: WeakValueDictionary[tuple[str, int, int], CheckpointFlow] = WeakValueDictionary()


def is_inside() -> bool:
    """Whether a Checkpointer runs in this process."""
    try:
        current()
    except RuntimeError:
        return False
    return True


def number(flow: CheckpointFlow) -> int:
    """Remember a flow that is made outside of runs.

    Returns:
        Its number among those of its path since the last run began: another start of the program
        makes them in the same order.
    """
    path, runs, free = str(flow._pipeline.state_path), runs_begun(), 0
    while (path, runs, free) in _made:
        free += 1
    _made[path, runs, free] = flow
    return free


def made(path: str, number: int) -> CheckpointFlow:
    """The newest flow of that path and number, or else of that path.

    Raises:
        ResumeError: none is made for that path.
    """
    found = [
        (which == number, runs, which, flow)
        for (where, runs, which), flow in list(_made.items())
        if where == path
    ]
    if not found:
        raise ResumeError(
            f"the frames hold the flow of {path}, which this start has not made: make it before "
            "run, as it was then"
        )
    return max(found, key=operator.itemgetter(0, 1, 2))[3]


def of_this_run(flow: CheckpointFlow) -> tuple[Any, Kept] | None:
    """The Checkpointer that runs, and what is kept of the flow in its run; None: nothing."""
    kept = flow._kept
    return kept if kept is not None and is_inside() and kept[0] is current() else None


def run(
    flow: CheckpointFlow,
    state: State | None,
    load_policy: LoadPolicy,
    checkpoint: int | None,
    *,
    why: bool,
) -> State:
    """Do as `CheckpointFlow.run`, with an epoch before the first step and after each one.

    Raises:
        FlowError: as there; and for what the flow needs a place of its own.
    """
    begin, kept = _begin(flow, state, load_policy, checkpoint, why=why)
    state = begin.state
    data: Data = {}
    place = Place(flow, begin.run, begin.index, begin.steps, load_policy, kept, begin.data_keys)
    place.found = place.compared = restarts()
    del begin
    _commit(place, state, data, None)
    while place.index < len(place.steps):
        told = _skipped(place, state, data)
        if told is not None and not told.skipped:
            outer = parts.goes_back(place.name)
            try:
                told = _run(place, state, data, told)
            finally:
                current().goes_back(outer)
            place.last = place.last if told is None else place.index
        if told is None:
            continue  # gone back to a step that has changed
        place.note(told)
        place.index += 1
        state[INDEX] = place.index % len(place.steps)
        _commit(place, state, data, told)
    return state


def _begin(
    flow: CheckpointFlow,
    state: State | None,
    load_policy: LoadPolicy,
    checkpoint: int | None,
    *,
    why: bool,
) -> tuple[Start, Kept]:
    pipeline = flow._pipeline
    where = f"{pipeline.state_path}, inside of Checkpointer.run"
    flow._kept = of_this_run(flow) or (current(), Kept())
    kept = flow._kept[1]

    def look() -> list[StepRecord]:
        pipeline.check(state, load_policy, checkpoint)
        size = getattr(pipeline.comm, "size", None)
        if size not in (None, group().size):
            raise FlowError(
                f"{where}: the flow has {size} ranks, and the run {group().size}: give both the "
                "same communicator, or the flow none"
            )
        if checkpoint is not None and state is None and pipeline.on_change != "rerun":
            raise FlowError(
                f"{where}: what step {checkpoint} saw is not kept: give run() a state, or the flow "
                'on_change="rerun", which keeps what each step saw'
            )
        return pipeline.records()

    told = together("the flow", look)
    records = of_all_ranks(told) if len({len(each) for each in told}) == 1 else told[0]
    if group().size > 1:
        refuse_unlike(group(), "the flow", pipeline.names())
        own = told[group().rank]
        said = pipeline.said(own, load_policy, checkpoint, given=state is not None)
        refuse_unlike(group(), "the flow", said)
    found: list[Start] = []

    def choose() -> None:
        history = kept.history
        if checkpoint is not None:
            found.append(start.choose(where, records, history, state, checkpoint, "error"))
            return
        first = f"{where}: starts at step 0 {records[0].name!r}, each step with an epoch of its own"
        number = 1 if history.newest is None else history.newest.run + 1
        found.append(Start(number, 0, {} if state is None else state, tuple(records), first))

    together("the flow", choose)
    begin = found[0]
    if not why:
        Reports(group().rank, quiet=pipeline.quiet).tell(begin.why)
    elif group().rank == 0:
        account.tell(begin, records)
    return begin, kept


def _commit(place: Place, state: State, data: Data, told: StepRecord | None) -> None:
    """Take an epoch after a step, or before the first."""
    pipeline = place.flow._pipeline
    common.check(group(), state, pipeline.shared)
    left = told if told is not None and not told.skipped and told.inputs else None
    if pipeline.on_change == "rerun" or left is not None:
        _keep(place, state, data, left)
    current().checkpoint(steps_done=place.index)
    restarted = place.compared != restarts()
    if not comparison.compare(place, state, data) and told is not None and not restarted:
        Progress(place.reports, len(place.steps), live=False).ended(place.index - 1, told)


def _keep(place: Place, state: State, data: Data, left: StepRecord | None) -> None:
    """Keep copies of what the run may need again. Collective."""
    finished = place.index == len(place.steps)
    record = Record(
        place.run,
        0 if finished else place.index,
        place.records,
        finished=finished,
        data_keys=tuple(sorted(map(str, data))),
        when=now(),
    )

    def keep() -> None:
        if place.flow._pipeline.on_change == "rerun":
            place.kept.saw(state, record)
        if left is not None and left.outputs is not None:
            index = place.index - 1
            keys = dependence.unsure_keys(place.steps, place.records, index, left.outputs)
            place.kept.left(state, left, keys)

    together("keeping the state", keep)


def _skipped(place: Place, state: State, data: Data) -> StepRecord | None:
    """What is known of a step before it runs; where it need not, its results are in the state.

    None: the flow has gone back.
    """
    if place.step.skip_if is None and place.step.depends is None:
        return place.told
    name = place.name

    def ask() -> tuple[bool, str]:
        condition = place.step.skip_if
        skip = condition is not None and bool(condition(state))
        if skip or comparison.stale(place, running=False) is not None:
            return skip, ""
        return skip, dependence.inputs(place.steps, place.records, place.index, state)

    answers = together(name, ask)
    skips = answers[group().rank if group().size > 1 else 0][0]
    if comparison.compare(place, state, data):
        return None
    if group().size > 1:
        refuse_unlike(group(), "the flow", {f"skip_if of {name}": str(skips)})
    if skips:
        return replace(place.told, when=now(), skipped="skip_if says so")
    told = replace(place.told, inputs=digest.joined([inputs for _, inputs in answers]))
    result = place.kept.result_of(told.name, told.inputs) if told.inputs else None
    if result is None:
        return told
    outputs, copy = result[0].outputs or (), result[1]
    held: State = {}

    def is_sure() -> bool:
        held.update(copy.load(False))
        keys = dependence.unsure_keys(place.steps, place.records, place.index, outputs)
        return dependence.are_alike(keys, held, state)

    if not all(together(name, is_sure)):
        return told
    dependence.give(outputs, held, state)
    because = "what it depends on did not change"
    return replace(told, when=now(), skipped=because, outputs=outputs)


def _run(place: Place, state: State, data: Data, told: StepRecord) -> StepRecord | None:
    """Load, run and save, as often as it may take; returns what is known then.

    None: the flow has gone back.
    """
    wanted = bool(told.inputs) or told.name in dependence.named(place.steps)
    before: dict[str, str] | None = {} if wanted else None
    kept = b""
    if wanted or place.step.retries:
        kept = _kept_for_retries(place, state, data, before)
    tries = 1
    while True:
        measure = Measure()
        within = current().begin_part()
        stale = functools.partial(comparison.stale, place)
        with PollWatchdog(place.step.timeout, place.name, stale) as watched:
            error = _try(place, state, data)
        error = watched.overdue() if error is None else error
        del watched, stale
        if not _failed(place, error, tries, within=within):
            if comparison.compare(place, state, data, running=True):
                return None
            told = replace(told, identity=place.told.identity, tries=tries)  # as of this program
            return _measured(told, measure, before, state)
        error = None
        tries += 1
        put_back = functools.partial(states.put_back, Snapshot.from_bytes(kept), state, data)
        together("retries", put_back)
        del measure, put_back


def _kept_for_retries(
    place: Place, state: State, data: Data, before: dict[str, str] | None
) -> bytes:
    """What state and data are, for another try, if there may be one; and digests. Collective."""
    kept: list[bytes] = []

    def keep() -> None:
        if before is not None:
            before.update(digest.of_keys(state))
        if place.step.retries:
            kept.append(states.capture_both(state, data).to_bytes())

    together(place.name, keep)
    return kept[0] if kept else b""


def _measured(
    told: StepRecord, measure: Measure, before: dict[str, str] | None, state: State
) -> StepRecord:
    """What is known of a step that ran: the most that any rank took. Collective."""

    def look() -> tuple[float, int, tuple[str, ...] | None]:
        outputs = None if before is None else dependence.changed(before, state)
        return measure.seconds, measure.peak_bytes, outputs

    seconds, peaks, outputs = zip(*together("measures", look), strict=True)
    return replace(
        told,
        when=now(),
        seconds=round(max(seconds), 6),
        peak_bytes=max(peaks),
        outputs=dependence.of_all_ranks(outputs),
    )


def _try(place: Place, state: State, data: Data) -> BaseException | None:
    """Load, run and save once; returns what was raised. A restart may begin in any of these."""
    try:
        for index in policy.loaded_before(place.policy, place.last, place.index):
            place.steps[index].load_into(data, state)
            comparison.find(place)
        if place.last is None:
            _warn_of_lost(place, data)
        refuse_unrun(place.step.function(state, data, **place.step.params))
        comparison.find(place)
        (place.step.save or _nothing)(state, data)
    except BaseException as caught:  # noqa: BLE001 - raised where all ranks are
        return caught
    return None


def _warn_of_lost(place: Place, data: Data) -> None:
    lost = sorted(set(place.data_keys) - set(map(str, data)))
    if lost:
        place.reports.warn(
            f"{place.where}: data had {', '.join(map(repr, lost))} when this step began, and has "
            'not now: load_policy="needed" loads what steps before it loaded'
        )


def _failed(place: Place, error: BaseException | None, tries: int, *, within: bool) -> bool:
    """End a try on all ranks alike: whether to try again. Raises where there is no try left.

    Where the flow goes back to a step before, it does not matter how it ended.
    """
    changed = comparison.stale(place)
    if changed is not None and not isinstance(changed, comparison.GoneBackError):
        changed.__cause__ = error
        parts.end(place.name, changed, within=within)
    tries_left = 0 if changed is not None else place.step.retries + 1 - tries
    try:
        if isinstance(error, comparison.GoneBackError):
            error = None
        parts.end(place.name, error, within=within, again=tries_left > 0)
    except BaseException as failure:
        said = f"{type(failure).__name__}: {text_of(failure)}".partition("\n")[0].rstrip(": ")
        if changed is not None and parts.may_repeat(failure):
            place.reports.warn(f"{place.name} failed ({said}), but one before it runs again")
            return False
        if tries_left <= 0 or not parts.may_repeat(failure):
            place.reports.tell(f"{place.name} did not finish; the same command goes on at it")
            raise
        place.reports.warn(f"{place.name} failed ({said}): try {tries + 1} of {tries + tries_left}")
        return True
    return False


def _nothing(state: State, data: Data) -> None:
    """Save nothing."""
