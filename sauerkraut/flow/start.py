"""Where a run starts, with which state, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sauerkraut.errors import CaptureError, CorruptCheckpoint, FlowError, ResumeError, StorageError
from sauerkraut.flow import digest, states
from sauerkraut.flow.record import Record, StepRecord
from sauerkraut.flow.stores import Commit, History, State

_COMPARED = 16 << 20  # bytes of a state up to which it is worth reading to compare it
OnChange = Literal["rerun", "keep", "error"]


@dataclass(frozen=True, slots=True)
class Start:
    """Where a run starts."""

    run: int
    index: int
    state: State
    steps: tuple[StepRecord, ...]
    """All steps of the flow, those before ``index`` as they were when they ran."""
    why: str
    """For a person, one line."""
    inside: bool = False
    """Whether frames of that step, if there are any, are where the run goes on."""
    outside: str = ""
    """Why they are not, though the run was interrupted in that step."""
    stored: bool = False
    """Whether what is stored begins here already."""
    data_keys: tuple[str, ...] = ()
    """Keys that ``data`` had here in the run that goes on."""
    warnings: tuple[str, ...] = ()


def choose(
    where: str,
    steps: Sequence[StepRecord],
    history: History,
    given: State | None,
    checkpoint: int | None,
    on_change: OnChange,
    *,
    compare: bool = True,
) -> Start:
    """Decide where a run starts. Collective where the store is.

    Args:
        where: What a person calls the store.
        steps: Those of the flow, as they are now.
        history: What is stored.
        given: The state given to ``run``.
        checkpoint: The index given to ``run``, as checked.
        on_change: What is done when finished steps have changed.
        compare: Whether to warn of a given state that is another than the one of the run.

    Raises:
        FlowError: finished steps have changed, or what is stored does not lead to ``checkpoint``.
        CorruptCheckpoint: a state that is needed is damaged, and there is none before it.
        ResumeError: a state cannot be read here.
    """
    newest = history.newest
    if checkpoint is not None:
        return _asked(where, steps, history, given, checkpoint)
    if newest is None:
        return _anew(where, steps, 1, given, "nothing is stored there yet")
    if _is_finished(newest, steps):
        return _anew(where, steps, newest.run + 1, given, f"run {newest.run} has finished")
    if newest.index == 0 and given is not None:
        because = "no step of it has finished, and a state is given"
        return _anew(where, steps, newest.run, given, because)
    start = _going_on(where, steps, history, on_change)
    of_run = [each for each in history.commits if each.record.run == start.run]
    if given is None or not compare or _is_of_run(given, of_run):
        return start
    ignored = (
        f"{where}: the given state is not the one that run {start.run} began with, and is "
        "ignored, as the run goes on; run(state, checkpoint=0) starts over with it"
    )
    return replace(start, warnings=(*start.warnings, ignored))


def _anew(
    where: str, steps: Sequence[StepRecord], run: int, given: State | None, because: str
) -> Start:
    state = {} if given is None else given
    why = f"{where}: run {run} starts at {_name(steps, 0)}: {because}"
    return Start(run, 0, state, tuple(steps), why)


def _asked(
    where: str, steps: Sequence[StepRecord], history: History, given: State | None, index: int
) -> Start:
    newest = history.newest
    goes_on = newest is not None and not _is_finished(newest, steps) and index > 0
    run = 1 if newest is None else newest.run + (not goes_on)
    why = f"{where}: run {run} starts at {_name(steps, index)}, as asked"
    kept = _kept(steps, history, index)
    if given is not None:
        return Start(run, index, given, kept, f"{why}, with the given state")
    name = steps[index].name
    seen = [
        each
        for each in history.commits
        if each.record.index == index
        and not each.record.finished
        and (not each.record.steps or _name_at(each.record.steps, index) in (name, None))
    ]
    if not seen:
        raise FlowError(
            f"{where}: {_name(steps, index)} was never reached, so no state is known that it could "
            f"start from: run(state, checkpoint={index}) gives it one"
        )
    found, state, warnings = _newest_whole(where, seen, _name(steps, index))
    return Start(
        run,
        index,
        state,
        kept,
        f"{why}, with what it saw last (run {found.record.run})",
        stored=found is history.commits[0] and run == found.record.run,
        data_keys=found.record.data_keys,
        warnings=warnings,
    )


def _going_on(
    where: str,
    steps: Sequence[StepRecord],
    history: History,
    on_change: OnChange,
) -> Start:
    newest = history.newest
    assert newest is not None, "something is stored"
    of_run = [each for each in history.commits if each.record.run == newest.run]

    changed: list[tuple[int, str]] = []

    def refuse(record: Record) -> None:
        nonlocal changed
        changed = _refuse(where, record, steps, of_run, on_change)

    found, state, warnings = _newest_whole(where, of_run, _next(newest, steps), refuse)
    record = found.record
    index = record.index
    because = "it is where the run was interrupted"
    if history.failure is not None and history.failure.index == index:
        because = f"it failed there: {history.failure.error}"
    elif record.steps == ():
        because = "so says its checkpoint_index"
    if changed:
        warnings += (f"{where}: {'; '.join(text for _, text in changed)}",)
    if changed and on_change == "rerun":
        first = changed[0][0]
        seen = [each for each in of_run if each.record.index == first]
        found, state, more = _newest_whole(where, seen, _name(steps, first))
        warnings, index = warnings + more, first
        because = "it is the first one that changed"
    elif changed:
        kept = kept_index(record, steps)
        assert kept is not None, "else it was refused"
        index = kept
        because = 'it did not finish, and on_change="keep" passes over what changed'
        warnings += never_run(where, record, steps[:index])
    there = found is history.commits[0] and index == newest.index
    outside = interrupted(record, steps, index) if there else ""
    return Start(
        record.run,
        index,
        state,
        _kept(steps, history, index),
        f"{where}: run {record.run} goes on at {_name(steps, index)}: {because}",
        inside=there and not outside,
        outside=outside,
        stored=found is history.commits[0] and index == record.index and not changed,
        data_keys=record.data_keys,
        warnings=warnings,
    )


def _refuse(
    where: str,
    record: Record,
    steps: Sequence[StepRecord],
    of_run: Sequence[Commit],
    on_change: OnChange,
) -> list[tuple[int, str]]:
    """Refuse to go on from a commit; before its state is read, which may cut files back.

    Returns:
        What has changed all the same, see `differences`.
    """
    if not record.steps:
        if record.index > len(steps):
            raise FlowError(
                f"{where} was stored by a flow of more steps: its checkpoint_index is "
                f"{record.index}, there are {len(steps)} steps: run(state, checkpoint=0) starts "
                "over"
            )
        return []
    changed = differences(record, steps)
    if not changed:
        return []
    first = changed[0][0]
    if (
        on_change == "error"
        or (on_change == "rerun" and first >= len(steps))
        or (on_change == "keep" and kept_index(record, steps) is None)
    ):
        raise _refusal(where, record, steps, changed)
    if on_change == "rerun" and all(each.record.index != first for each in of_run):
        raise FlowError(
            f"{where}: {_name(steps, first)} is to be run again, but what it saw is not "
            f"stored: run(state, checkpoint={first}) gives it a state"
        )
    return changed


def differences(record: Record, steps: Sequence[StepRecord]) -> list[tuple[int, str]]:
    """Finished steps of a run that are not those of the flow now: index, and what differs."""
    found = []
    for index, then in enumerate(record.steps[: record.index]):
        now = _name_at(steps, index)
        if now != then.name:
            there = f"step {index} is {now!r} now" if now is not None else "it is gone"
            found.append((index, f"step {index} was {then.name!r} when it finished: {there}"))
        elif then.when is not None and not then.identity.is_like(steps[index].identity):
            found.append((index, f"step {index} {then.name!r} has changed since it finished"))
    if not found and record.index >= len(steps) and record.index < len(record.steps):
        gone = record.steps[record.index].name
        found.append((record.index, f"step {record.index} {gone!r}, which did not finish, is gone"))
    return found


def interrupted(record: Record, steps: Sequence[StepRecord], index: int) -> str:
    """Why frames of the step that did not finish are not of step ``index`` now; empty: they are."""
    if record.index >= len(record.steps):
        return ""
    then, name = record.steps[record.index], _name_at(steps, index)
    if name != then.name:
        return f"step {record.index} was {then.name!r} when it was interrupted"
    if then.identity.params != steps[index].identity.params:
        return f"step {index} {name!r} had other parameters when it was interrupted"
    return ""


def kept_index(record: Record, steps: Sequence[StepRecord]) -> int | None:
    """Where ``on_change="keep"`` goes on: at the step of that name which did not finish.

    Where it is gone: behind the finished ones, if these are the first now. None: nobody can tell.
    """
    names = [each.name for each in steps]
    if (name := _name_at(record.steps, record.index)) in names:
        return names.index(str(name))
    finished = {each.name for each in record.steps[: record.index]}
    are_finished = [name in finished for name in names]
    first = sum(are_finished)
    return first if first and all(are_finished[:first]) else None


def never_run(where: str, record: Record, steps: Sequence[StepRecord]) -> tuple[str, ...]:
    """A warning of steps that are passed over, though they did not run."""
    finished = {each.name for each in record.steps[: record.index]}
    names = ", ".join(_name(steps, i) for i, each in enumerate(steps) if each.name not in finished)
    return (f"{where}: {names} never ran in this run, and is passed over",) if names else ()


def _refusal(
    where: str,
    record: Record,
    steps: Sequence[StepRecord],
    changed: Sequence[tuple[int, str]],
) -> FlowError:
    first = min(changed[0][0], len(steps) - 1)
    kept = kept_index(record, steps)
    keep = "" if kept is None else f'on_change="keep" to go on from {_name(steps, kept)}, '
    return FlowError(
        f"{where}: {'; '.join(text for _, text in changed)}. Type run(checkpoint={first}), or flow "
        f"run --from {first}, to go on from {_name(steps, first)}, or give the flow {keep}"
        'on_change="rerun" to run again what has changed'
    )


def _newest_whole(
    where: str,
    commits: Sequence[Commit],
    step: str,
    refuse: Callable[[Record], None] | None = None,
) -> tuple[Commit, State, tuple[str, ...]]:
    """The newest commit that can be read, its state, and warnings about those that are damaged."""
    warnings: tuple[str, ...] = ()
    for each in commits:
        if refuse is not None:
            refuse(each.record)
        try:
            return each, each.load(True), warnings
        except CorruptCheckpoint as error:
            warnings += (f"{error}: falling back to the state stored before it",)
        except ResumeError as error:
            raise states.explained(error, where, step) from error
    raise CorruptCheckpoint(
        f"{where}: no state of this run is whole ({warnings[0].partition(': falling')[0]}); "
        "run(state, checkpoint=0) starts over"
    )


def _is_finished(record: Record, steps: Sequence[StepRecord]) -> bool:
    """Whether a run is over; one of Gumly's was, but for setting the index back, at the end."""
    return record.finished or (not record.steps and record.index == len(steps))


def _kept(steps: Sequence[StepRecord], history: History, index: int) -> tuple[StepRecord, ...]:
    """The flow's steps, those before ``index`` with what is known of when they ran.

    What they say now is what counts from here on: a change was accepted.
    """
    newest = history.newest
    return carried_over(steps, () if newest is None else newest.steps, index)


def carried_over(
    steps: Sequence[StepRecord], before: Sequence[StepRecord], index: int
) -> tuple[StepRecord, ...]:
    """The steps, those in front of ``index`` with what was known of them ``before``."""
    then = {each.name: each for each in before}
    return tuple(
        replace(then.get(each.name, each), identity=each.identity) if number < index else each
        for number, each in enumerate(steps)
    )


def _is_of_run(given: State, commits: Sequence[Commit]) -> bool:
    """Whether a state is the one the run began with, or stored last, as far as can be told."""
    ends = commits[-1], commits[0]
    if any(each.nbytes > _COMPARED for each in ends):
        return True
    try:
        then = [digest.of_keys(each.load(False)) for each in ends]
    except (StorageError, ResumeError):
        return True  # the one that the run needs is read again, and its error told then
    try:
        copied: Any = states.copy(given)
        return digest.of_keys(copied) in then
    except CaptureError:  # so no run began with it
        return False


def _name(steps: Sequence[StepRecord], index: int) -> str:
    return f"step {index} {steps[index].name!r}" if index < len(steps) else "the end"


def _next(record: Record, steps: Sequence[StepRecord]) -> str:
    return _name(record.steps or steps, record.index)


def _name_at(steps: Sequence[StepRecord], index: int) -> str | None:
    return steps[index].name if index < len(steps) else None
