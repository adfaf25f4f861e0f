"""Steps on all ranks alike: one rank's error is every rank's, and no rank goes on alone."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Mapping
from typing import NoReturn, TypeVar

from sauerkraut.checkpoint import leaving
from sauerkraut.checkpoint.agreement import refuse_unlike, together
from sauerkraut.checkpoint.parts import raise_failures
from sauerkraut.checkpoint.reports import write_line
from sauerkraut.checkpoint.run import ARRIVAL_TIME
from sauerkraut.group import Group

T = TypeVar("T")


class Ranks:
    """The ranks of a flow; in one process, errors pass through as they are.

    Args:
        group: The ranks.
        leaving: The same ranks over another communicator: there they meet that leave with an
            error, whatever the others wait for in ``group``.
    """

    def __init__(self, group: Group, leaving: Group) -> None:
        self.group = group
        self._leaving = leaving
        self._process = os.getpid()
        self.left = False
        """Whether this run is being left with an error."""
        self.settled: BaseException | None = None
        """The error that the last `settle` raised, on all ranks."""
        self.lost: Callable[[BaseException], object] | None = None
        """Told of an error of this rank alone before it ends the job."""
        self.first = group.rank == 0
        """Whether this rank speaks for all."""
        self.many = group.size > 1

    def together(self, phase: str, work: Callable[[], T]) -> list[T]:
        """Run ``work`` on every rank and return all results, in rank order. Collective.

        Raises:
            RankError: ``work`` raised on any rank; in one process, what it raised.
        """
        return together(self.group, phase, work) if self.many else [work()]

    def alike(self, values: Mapping[str, str]) -> None:
        """Refuse values that differ between ranks. Collective; raises RankError."""
        if self.many:
            refuse_unlike(self.group, "the flow", values)

    def settle(self, phase: str, error: BaseException | None, *, again: bool = False) -> None:
        """End a part that may take any time on each rank, with the ``error`` of this one, if any.

        Collective. A rank that failed gives the others `ARRIVAL_TIME` seconds to come here, too;
        then it ends the job with its traceback, since they may wait for it somewhere else.

        Args:
            phase: What a person calls the part.
            error: What this rank raised in it; None: nothing.
            again: All ranks can try the part again: so one that failed waits for the others as
                long as they take, and says that it does.

        Raises:
            RankError: a rank has failed, whose traceback is noted; in one process, ``error``. What
                is no `Exception` (an interrupt, `SystemExit`) is raised as it is on its rank.
        """
        if not self.many or self.is_forked():
            if error is not None:
                raise error
            return
        self.group.where = phase
        pending = self.group.begin_consensus([int(error is not None)])
        if error is None:
            (failed,) = pending.wait()
        else:
            try:
                (failed,) = pending.wait(ARRIVAL_TIME)
            except TimeoutError:
                self.wait_or_lose(phase, error, again=again)
                (failed,) = pending.wait()
        if failed:
            try:
                raise_failures(self.group, phase, error)
            except BaseException as raised:
                self.settled = raised
                raise

    def wait_or_lose(self, phase: str, error: BaseException, *, again: bool) -> None:
        """Decide what happens when this rank failed and the others do not come.

        Args:
            phase: What a person calls the part.
            error: What this rank raised in it.
            again: All ranks can try it again: it is said that this one waits. Else the job ends.
        """
        if not (again and isinstance(error, Exception)):
            self._lose(error)
        self._say_waiting(phase, error)

    def leave(self, error: BaseException) -> None:
        """End a run with an error; returns when all ranks do. Once per run: again does nothing.

        Those that do not within `ARRIVAL_TIME` seconds wait for this one, so the job is ended with
        its traceback.
        """
        if self.many and not self.is_forked() and not self.left:
            self.left = True
            try:
                self._leaving.begin_consensus([1]).wait(ARRIVAL_TIME)
            except TimeoutError:
                self._lose(error)

    def _say_waiting(self, phase: str, error: BaseException) -> None:
        trace = "".join(traceback.format_exception(error)).rstrip()
        write_line(
            f"rank {self.group.rank} failed in {phase}, and waits for the others to try it again "
            "with them; should they wait for this one, they never come: a timeout= of the step "
            f"ends the job then\n{trace}"
        )

    def is_forked(self) -> bool:
        """Whether this process was forked inside of a step: it is no rank, and has no run."""
        return os.getpid() != self._process

    def _lose(self, error: BaseException) -> NoReturn:
        try:
            if self.lost is not None:
                self.lost(error)
        finally:
            leaving.fail(self.group, error)
