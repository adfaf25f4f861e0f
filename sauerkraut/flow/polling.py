"""Steps that poll: a restart goes into their frames, not to their start.

Such a step runs under a `Checkpointer` of its own, beside the states of the flow, for as long as it
takes; `sauerkraut.current()` is that. Its captured stack begins with `_run_step` below, whose
variables are all of it that a restart brings back.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sauerkraut.checkpoint.checkpointer import Checkpointer, current
from sauerkraut.checkpoint.interval import TimeLimit
from sauerkraut.checkpoint.reports import Reports
from sauerkraut.errors import ResumeError
from sauerkraut.flow.ranks import Ranks
from sauerkraut.flow.step import Data, Step, refuse_unrun
from sauerkraut.flow.stores import State
from sauerkraut.flow.watchdog import Watchdog

_OURS = re.compile(r"run-\d+-step-\d+")


@dataclass(frozen=True, slots=True)
class Turn:
    """The step that runs."""

    step: Step
    name: str
    state: State
    data: Data
    load: Callable[[], None]
    """Brings into ``data`` what the load policy says; not called when frames come back."""
    ranks: Ranks
    watched: Watchdog
    """Tells when its time is over."""
    again: bool
    """Whether it is tried again when it fails."""


_turns: list[Turn] = []  # of this process; frames find it here, as it is never captured


class Polling:
    """The places where steps that poll keep their frames.

    Args:
        path: Directory, made when one is needed.
        comm: The communicator of the flow, or None.
        ranks: Its ranks.
        reports: Told what a person should know.
    """

    def __init__(self, path: Path, comm: Any, ranks: Ranks, reports: Reports) -> None:
        self._path = path
        self._comm = comm
        self._ranks = ranks
        self._reports = reports

    def run(self, turn: Turn, run: int, index: int, *, fresh: bool) -> None:
        """Run a step, from where its frames stood if there are any; changes state and data.

        Collective.

        Args:
            turn: The step.
            run: Number of the run; frames of other runs and steps are not for this one.
            index: Of the step.
            fresh: Forget frames that are there.

        Raises:
            RankError: a rank has failed, in the step or in the checkpoints.
        """
        place = self._place(run, index)
        _turns.append(turn)
        try:
            try:
                state, data = self._checkpointed(turn, place, fresh=fresh)
            except _UnfitError as error:
                self._reports.warn(f"{turn.name} begins at its start: {error.__cause__}")
                state, data = self._checkpointed(turn, place, fresh=True)
        finally:
            _turns.pop()
        for ours, theirs in ((turn.state, state), (turn.data, data)):
            if ours is not theirs:
                ours.clear()
                ours.update(theirs)

    def _checkpointed(self, turn: Turn, place: Path, *, fresh: bool) -> tuple[State, Data]:
        checkpointer = _OfStep(turn, place, self._comm)
        try:
            return checkpointer.run(_run_step, fresh=fresh)
        except ResumeError as error:
            if checkpointer.last is not None or checkpointer.restarted is not None or fresh:
                raise
            raise _UnfitError from error
        finally:
            checkpointer.close()

    def has_frames(self, run: int, index: int) -> bool:
        """Whether there are frames of a step of that run."""
        return self._place(run, index).is_dir()

    def _place(self, run: int, index: int) -> Path:
        return self._path / f"run-{run}-step-{index}"

    def forget(self) -> None:
        """Remove the frames of steps that are done. Never raises."""
        if self._ranks.first:
            forget(self._path)


def place_of(state_path: str | os.PathLike[str]) -> Path:
    """The directory where steps that poll keep their frames."""
    return Path(f"{os.fspath(state_path)}.frames")


def forget(place: Path) -> None:
    """Remove all frames there; never raises."""
    if not place.is_dir():
        return
    for each in place.iterdir():
        if _OURS.fullmatch(each.name):
            shutil.rmtree(each, ignore_errors=True)
    with contextlib.suppress(OSError):  # something that is not ours
        place.rmdir()


class _OfStep(Checkpointer):
    """The Checkpointer of a step, whose polls mind the time that the step may take."""

    def __init__(self, turn: Turn, place: Path, comm: Any) -> None:
        super().__init__(place, comm, interval=turn.step.interval, globals="none", quiet=True)
        if turn.step.timeout is not None:
            self._job.limit = TimeLimit(turn.step.timeout, turn.watched.overdue)


class _UnfitError(Exception):
    """The frames of a step are not of this code or this Python; the cause says which."""


def _run_step() -> tuple[State, Data]:
    """The outermost captured frame: what it holds, a restart brings back."""
    state, data = _begin()
    error = None
    try:
        refuse_unrun(_function()(state, data, **_params()))
        _save()(state, data)
    except BaseException as caught:  # noqa: BLE001 - raised where all ranks are
        error = caught
    _settle(error)
    return state, data


def _begin() -> tuple[State, Data]:
    turn = _turns[-1]
    current().begin_part()
    error: BaseException | None = None
    try:
        turn.load()
    except BaseException as caught:  # noqa: BLE001 - raised where all ranks are
        error = caught
    _settle(error)
    return turn.state, turn.data


def _function() -> Any:
    return _turns[-1].step.function


def _params() -> dict[str, Any]:
    return dict(_turns[-1].step.params)


def _save() -> Any:
    return _turns[-1].step.save or _nothing


def _nothing(state: State, data: Data) -> None:
    """Save nothing."""


def _settle(error: BaseException | None) -> None:
    turn = _turns[-1]
    if turn.ranks.many and not turn.ranks.is_forked():
        late = functools.partial(turn.ranks.wait_or_lose, turn.name, again=turn.again)
        current().end_part(turn.name, error, late, within=True)  # all of that run is
    elif error is not None:
        raise error
