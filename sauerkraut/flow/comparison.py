"""After a restart: whether the steps of a flow inside of a run are those that finished before it.

`stale` and `find` look at names and code, which are the same on all ranks, so that they may be
asked wherever a restart came; `compare` at parameters as well, where all ranks are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sauerkraut.errors import FlowError
from sauerkraut.flow import policy, start
from sauerkraut.flow.parts import together
from sauerkraut.flow.pipeline import of_all_ranks
from sauerkraut.flow.place import Place, group, restarts
from sauerkraut.flow.record import StepRecord
from sauerkraut.flow.step import Data
from sauerkraut.flow.stores import Commit, State


class GoneBackError(FlowError):
    """The step that runs is in vain: one before it has changed, and runs again."""


def stale(place: Place, *, running: bool = True) -> FlowError | None:
    """Why a step that runs, or is about to, cannot; None: it can."""
    try:
        find(place, running=running)
    except FlowError as error:
        return error
    return None


def find(place: Place, *, running: bool = True) -> None:
    """Find the step that runs among those of the program now.

    Args:
        place: Where the flow stands.
        running: Whether a restart may have come in the frames of that step.

    Raises:
        GoneBackError: `compare` will go back to the start of one before it, or to its own.
        FlowError: steps that had finished have changed, or that one has; names them.
    """
    if place.found == restarts():
        return
    steps: Sequence[StepRecord] = place.flow._pipeline.records()
    if group().size > 1:  # those of the other ranks are not known here
        then = {each.name: each.identity.params for each in place.records}
        steps = [_with_params(each, then) for each in steps]
    changed = _changed(place, steps, running)
    if _first_again(place, steps, changed) is not None:
        raise GoneBackError(f"{place.where}: what {place.name} saw has to be made again")
    _take(place, steps, changed, running)
    place.found = restarts()


def compare(place: Place, state: State, data: Data, *, running: bool = False) -> bool:
    """Take the steps that the program defines now. Collective; does nothing but after a restart.

    Args:
        place: Where the flow stands.
        state: Set to what was seen where it goes back to.
        data: Likewise; none is left.
        running: Whether the step there has run to its end since.

    Returns:
        Whether the flow has gone back to a step that changed.

    Raises:
        FlowError: as for `find`.
    """
    if place.compared == restarts():
        return False
    steps = of_all_ranks(together("the flow", place.flow._pipeline.records))
    changed = _changed(place, steps, running)
    first = _first_again(place, steps, changed)
    if first is None:
        _take(place, steps, changed, running)
    else:
        _go_back(place, steps, changed, state, data)
    policy.check(place.policy, len(steps))
    place.found = place.compared = restarts()
    return first is not None


def _changed(place: Place, steps: Sequence[StepRecord], running: bool) -> list[tuple[int, str]]:
    """Steps that are others now: index, and what differs."""
    record = place.record
    changed = start.differences(record, steps)
    if running and not changed and (text := start.interrupted(record, steps, place.index)):
        return [(place.index, text)]
    return changed


def _first_again(
    place: Place, steps: Sequence[StepRecord], changed: Sequence[tuple[int, str]]
) -> int | None:
    """The step to go back to; None: there is none."""
    if not changed or place.flow._pipeline.on_change != "rerun" or changed[0][0] >= len(steps):
        return None
    return changed[0][0]


def _take(
    place: Place, steps: Sequence[StepRecord], changed: Sequence[tuple[int, str]], running: bool
) -> None:
    index = place.index
    if changed:
        record = place.record
        kept = start.kept_index(record, steps)
        is_there = kept is not None and (not running or steps[kept].name == place.told.name)
        if place.flow._pipeline.on_change != "keep" or not is_there:
            raise FlowError(
                f"{_told(place, changed)}: put it back, start over with fresh=True, or give the "
                'flow on_change="keep" to go on behind what has finished'
            )
        assert kept is not None, "else it was refused"
        index = kept
        unrun = start.never_run(place.where, record, steps[:index])
        for warning in (_told(place, changed), *unrun):
            place.reports.warn(warning)
    place.index = index
    place.records = start.carried_over(steps, place.records, index)


def _go_back(
    place: Place,
    steps: Sequence[StepRecord],
    changed: Sequence[tuple[int, str]],
    state: State,
    data: Data,
) -> None:
    first = changed[0][0]
    name = f"step {first} {steps[first].name!r}"
    seen = next(
        filter(lambda each: _is_of(each, place.run, first), place.kept.history.commits), None
    )
    if seen is None:
        raise FlowError(
            f"{_told(place, changed)}: {name} is to be run again, but what it saw "
            'is not kept, as this run or on_change="rerun" began later: start over with fresh=True'
        )
    loaded: list[State] = []
    together("the flow", lambda: loaded.append(seen.load(True)))
    place.reports.warn(f"{_told(place, changed)}: goes on at {name}")
    state.clear()
    state.update(loaded[0])
    data.clear()
    place.index, place.last, place.data_keys = first, None, seen.record.data_keys
    place.records = start.carried_over(steps, place.records, first)


def _is_of(commit: Commit, run: int, index: int) -> bool:
    record = commit.record
    return (record.run, record.index, record.finished) == (run, index, False)


def _told(place: Place, changed: Sequence[tuple[int, str]]) -> str:
    return f"{place.where}: {'; '.join(text for _, text in changed)}"


def _with_params(step: StepRecord, then: dict[str, str]) -> StepRecord:
    params = then.get(step.name, step.identity.params)
    return replace(step, identity=replace(step.identity, params=params))
