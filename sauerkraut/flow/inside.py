"""A flow inside of `Checkpointer.run`: epochs of that run are its commits.

Nothing is stored at the flow's own path. The frames below are captured with those of the program,
so they hold plain values: steps, ranks and clocks are looked up each time, and the flow is written
by name where the program makes it before the run.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakValueDictionary

from sauerkraut.checkpoint.agreement import refuse_unlike, text_of
from sauerkraut.checkpoint.checkpointer import current, runs_begun
from sauerkraut.checkpoint.reports import Reports
from sauerkraut.errors import FlowError, ResumeError
from sauerkraut.flow import account, common, dependence, policy, start, states
from sauerkraut.flow.execution import INDEX
from sauerkraut.flow.measure import Measure
from sauerkraut.flow.policy import LoadPolicy
from sauerkraut.flow.progress import Progress
from sauerkraut.flow.ranks import Ranks
from sauerkraut.flow.record import Record, StepRecord, now
from sauerkraut.flow.start import Start
from sauerkraut.flow.step import Data, Step, refuse_unrun
from sauerkraut.flow.stores import History, State
from sauerkraut.flow.watchdog import PollWatchdog
from sauerkraut.frames.snapshot import Snapshot
from sauerkraut.group import Group

if TYPE_CHECKING:
    from sauerkraut.flow.flow import CheckpointFlow

T = TypeVar("T")

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


@dataclass(slots=True)
class Place:
    """Where a flow stands, beside its state and data: what comes back with the frames."""

    index: int
    records: tuple[StepRecord, ...]
    policy: LoadPolicy
    last: int | None = None
    """Step that was executed last, and not passed over."""
    restarts: int = 0
    """Of the run, when the steps were last compared with those of the program."""


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
    begin = _begin(flow, state, load_policy, checkpoint, why=why)
    state = begin.state
    data: Data = {}
    place = Place(begin.index, begin.steps, load_policy, restarts=_restarts())
    del begin
    _commit(flow, place, state, None)
    while place.index < len(_steps(flow)):
        told = _skipped(flow, place, state)
        if not told.skipped:
            told = _run(flow, place, state, data, told)
            place.last = place.index
        place.records = (*place.records[: place.index], told, *place.records[place.index + 1 :])
        place.index += 1
        state[INDEX] = place.index % len(_steps(flow))
        _commit(flow, place, state, told)
    return state


def _begin(
    flow: CheckpointFlow,
    state: State | None,
    load_policy: LoadPolicy,
    checkpoint: int | None,
    *,
    why: bool,
) -> Start:
    pipeline = flow._pipeline
    where = f"{pipeline.state_path}, inside of Checkpointer.run"

    def look() -> list[StepRecord]:
        pipeline.check(state, load_policy, checkpoint)
        size = getattr(pipeline.comm, "size", None)
        if size not in (None, _group().size):
            raise FlowError(
                f"{where}: the flow has {size} ranks, and the run {_group().size}: give both the "
                "same communicator, or the flow none"
            )
        if pipeline.on_change == "rerun":
            raise FlowError(
                f'{where}: on_change="rerun" needs what earlier steps saw, and only epochs of the '
                'run are kept: "keep", "error", or a flow that runs by itself'
            )
        return pipeline.records()

    records = _together("the flow", look)
    if _group().size > 1:
        refuse_unlike(_group(), "the flow", pipeline.names())
        said = pipeline.said(records, load_policy, checkpoint, given=state is not None)
        refuse_unlike(_group(), "the flow", said)
    if checkpoint is not None:
        begin = start.choose(where, records, History(), state, checkpoint, "error")
    else:
        first = f"{where}: starts at step 0 {records[0].name!r}, each step with an epoch of its own"
        begin = Start(1, 0, {} if state is None else state, tuple(records), first)
    if not why:
        _reports(flow).tell(begin.why)
    elif _group().rank == 0:
        account.tell(begin, records)
    return begin


def _commit(flow: CheckpointFlow, place: Place, state: State, told: StepRecord | None) -> None:
    """Take an epoch after a step, or before the first."""
    common.check(_group(), state, flow._pipeline.shared)
    current().checkpoint(steps_done=place.index)
    restarted = place.restarts != _restarts()
    _compare(flow, place)
    if told is not None and not restarted:
        Progress(_reports(flow), len(_steps(flow)), live=False).ended(place.index - 1, told)


def _skipped(flow: CheckpointFlow, place: Place, state: State) -> StepRecord:
    """What is known of a step before it runs; it says so where the step need not."""

    def ask() -> bool:
        dependence.refuse_unknown(_steps(flow), place.index, state)
        condition = _step(flow, place).skip_if
        return condition is not None and bool(condition(state))

    if _step(flow, place).skip_if is None and _step(flow, place).depends is None:
        return place.records[place.index]
    skips = _together(_name(flow, place), ask)
    _compare(flow, place)
    if _group().size > 1:
        refuse_unlike(_group(), "the flow", {f"skip_if of {_name(flow, place)}": str(skips)})
    told = place.records[place.index]
    return replace(told, when=now(), skipped="skip_if says so") if skips else told


def _run(
    flow: CheckpointFlow, place: Place, state: State, data: Data, told: StepRecord
) -> StepRecord:
    """Load, run and save, as often as it may take; returns what is known then."""
    kept = b""
    if _step(flow, place).retries:
        name = _name(flow, place)
        kept = _together(name, lambda: states.capture_both(state, data).to_bytes())
    tries = 1
    while True:
        measure = Measure()
        with PollWatchdog(_step(flow, place).timeout, _name(flow, place)) as watched:
            error = _try(flow, place, state, data)
        error = watched.overdue() if error is None else error
        try:
            _compare(flow, place)
        except FlowError as changed:
            raise changed from error
        if not _failed(flow, place, error, tries):
            return replace(
                told,
                identity=place.records[place.index].identity,  # as of this program
                when=now(),
                seconds=round(measure.seconds, 6),
                peak_bytes=measure.peak_bytes,
                tries=tries,
            )
        error = None
        tries += 1
        put_back = functools.partial(states.put_back, Snapshot.from_bytes(kept), state, data)
        _together("retries", put_back)
        del measure, watched, put_back


def _try(flow: CheckpointFlow, place: Place, state: State, data: Data) -> BaseException | None:
    """Load, run and save once; returns what was raised. A restart may begin in any of these."""
    try:
        for index in policy.loaded_before(place.policy, place.last, place.index):
            _steps(flow)[index].load_into(data, state)
        _compare(flow, place)
        refuse_unrun(_step(flow, place).function(state, data, **_step(flow, place).params))
        (_step(flow, place).save or _nothing)(state, data)
    except BaseException as caught:  # noqa: BLE001 - raised where all ranks are
        return caught
    return None


def _failed(flow: CheckpointFlow, place: Place, error: BaseException | None, tries: int) -> bool:
    """End a try on all ranks alike: whether to try again. Raises where there is no try left."""
    name, tries_left = _name(flow, place), _step(flow, place).retries + 1 - tries
    try:
        _end(name, error, again=tries_left > 0)
    except BaseException as failure:
        if tries_left <= 0 or not _may_repeat(failure):
            _reports(flow).tell(f"{name} did not finish; the same command goes on at it")
            raise
        _reports(flow).warn(
            f"{name} failed ({f'{type(failure).__name__}: {text_of(failure)}'.splitlines()[0]}): "
            f"try {tries + 1} of {tries + tries_left}"
        )
        return True
    return False


def _may_repeat(failure: BaseException) -> bool:
    """Whether a step failed, and not what ranks do together, and no rank was interrupted.

    Collective, where all ranks know of a step that failed.
    """
    if _group().size > 1 and failure is not current().inside("a flow").failure_of_part:
        return False
    causes = (failure, failure.__cause__ or failure)
    return all(_group().allgather(all(isinstance(each, Exception) for each in causes)))


def _compare(flow: CheckpointFlow, place: Place) -> None:
    """After a restart: refuse finished steps that are others in this program, or pass them over.

    Raises:
        FlowError: they have changed; names them.
    """
    if place.restarts == _restarts():
        return
    pipeline, where = flow._pipeline, str(flow._pipeline.state_path)
    steps = pipeline.records()
    record = Record(1, place.index, place.records)
    changed = start.differences(record, steps)
    index = place.index
    if changed:
        text = "; ".join(each for _, each in changed)
        kept = start.kept_index(record, steps)
        if pipeline.on_change == "error" or kept is None:
            raise FlowError(
                f"{where}: {text}: put it back, start over with fresh=True, or give the flow "
                'on_change="keep" to go on behind what has finished'
            )
        index = kept
        for warning in (f"{where}: {text}", *start.never_run(where, record, steps[:index])):
            _reports(flow).warn(warning)
    policy.check(place.policy, len(steps))
    place.index = index
    place.records = start.carried_over(steps, place.records, index)
    place.restarts = _restarts()


def _together(part: str, work: Callable[[], T]) -> T:
    """Do something that may fail on some ranks only. Collective."""
    done: list[T] = []
    error: BaseException | None = None
    try:
        done.append(work())
    except BaseException as caught:  # noqa: BLE001 - raised where all ranks are
        error = caught
    _end(part, error)
    return done[0]


def _end(part: str, error: BaseException | None, *, again: bool = False) -> None:
    """End a part on all ranks alike, with the error of any of them. Collective."""
    if _group().size > 1:
        ranks = Ranks(_group(), _group())
        late = functools.partial(ranks.wait_or_lose, part, again=again)
        current().end_part(part, error, late)
    elif error is not None:
        raise error


def _nothing(state: State, data: Data) -> None:
    """Save nothing."""


def _group() -> Group:
    return current().inside("a flow").group


def _restarts() -> int:
    restarted = current().restarted
    return 0 if restarted is None else restarted.count


def _reports(flow: CheckpointFlow) -> Reports:
    return Reports(_group().rank, quiet=flow._pipeline.quiet)


def _steps(flow: CheckpointFlow) -> list[Step]:
    return flow._pipeline.steps


def _step(flow: CheckpointFlow, place: Place) -> Step:
    return _steps(flow)[place.index]


def _name(flow: CheckpointFlow, place: Place) -> str:
    return f"step {place.index} {_step(flow, place).name!r}"
