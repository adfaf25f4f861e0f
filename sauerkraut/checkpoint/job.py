"""What a Checkpointer is made of, and how its one run goes from the first agreement to the last."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sauerkraut import group as groups
from sauerkraut.checkpoint import optimum, program
from sauerkraut.checkpoint import restart as restarts
from sauerkraut.checkpoint.agreement import raise_interrupt, refuse_unlike
from sauerkraut.checkpoint.consensus import Kind
from sauerkraut.checkpoint.interval import Schedule, TimeLimit
from sauerkraut.checkpoint.leaving import UncaughtErrors
from sauerkraut.checkpoint.meeting import Meeting
from sauerkraut.checkpoint.options import Options
from sauerkraut.checkpoint.providers import Providers
from sauerkraut.checkpoint.records import Restart
from sauerkraut.checkpoint.reports import Reports
from sauerkraut.checkpoint.run import Run
from sauerkraut.checkpoint.signals import Signals
from sauerkraut.checkpoint.state import State
from sauerkraut.checkpoint.store import Store
from sauerkraut.errors import RankError
from sauerkraut.settings import Settings


class Job:
    """One rank's part of a job under a Checkpointer. Its methods are collective.

    Args:
        path: Absolute path of the directory of epochs.
        comm: See `Checkpointer`.
        options: See `Checkpointer`.
        quiet: See `Checkpointer`.

    Raises:
        RankError: on every rank: the directory or an option is another one on some rank.
    """

    def __init__(self, path: Path, comm: Any, options: Options, *, quiet: bool) -> None:
        self.providers = Providers()
        self.on_restart: list[Callable[[Restart], object]] = []
        self.run: Run | None = None
        """The run that was begun; None where it had finished before."""
        self.restarted: Restart | None = None
        self.limit: TimeLimit | None = None
        """How long the function, or what runs in it now, may take; on every rank alike."""
        self._settings = Settings.from_environment()
        if options.postmortem is None:
            options = replace(options, postmortem=self._settings.postmortem)
        self._options = options
        self._comm = comm
        self.group = groups.of(comm, self._settings)
        self._reports = Reports(self.group.rank, quiet=quiet)
        self._refuse_unlike(path)
        self._store = Store(
            path,
            self.group,
            self._settings,
            keep=options.keep,
            share=options.share,
            reports=self._reports,
            postmortems=bool(options.postmortem),
        )
        self._signals = Signals()
        self._uncaught = UncaughtErrors(self.group)
        self._uncaught.install()
        self.meeting = Meeting(self.group, comm, path.name)

    def _refuse_unlike(self, path: Path) -> None:
        """Refuse a directory and options that differ between ranks."""
        told = {"directory": str(path)}
        told |= {name: repr(getattr(self._options, name)) for name in Options.SAME_EVERYWHERE}
        try:
            refuse_unlike(self.group, "Checkpointer", told)
        except RankError:
            if self.group is not self._comm:
                self.group.close()
            raise

    def execute(
        self,
        checkpointer: object,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        fresh: bool,
        same_arguments: bool,
    ) -> Any:
        """Do as `Checkpointer.run`, with signals heeded meanwhile.

        ``checkpointer`` stands for the running one in what is captured.
        """
        if self._options.signals and not self._signals.install():
            self._reports.warn("signals are not heeded: run was not called in the main thread")
        try:
            state = State(
                self.group.rank,
                fn,
                args,
                kwargs,
                anchors={"checkpointer": checkpointer, "comm": self._comm},
                options=self._options,
                threshold=self._settings.block_threshold,
                providers=self.providers,
                reports=self._reports,
            )
            start = self._begin(state, fresh=fresh, same_arguments=same_arguments)
            if start.finished:
                self._store.release()
                return start.value
            return self._call(state, start)
        finally:
            self.meeting.running = False
            self._signals.remove()

    def _begin(self, state: State, *, fresh: bool, same_arguments: bool) -> restarts.Start:
        with self._raising_together():
            self.meeting.agree(Kind.START)
            start = restarts.begin(
                self.group,
                self._store,
                state,
                self._reports,
                fresh=fresh,
                same_arguments=same_arguments,
                on_restart=self.on_restart,
            )
        self.restarted = start.restart
        return start

    def _call(self, state: State, start: restarts.Start) -> Any:
        """Call the function or resume its frames, and end the run on all ranks."""
        self.run = run = Run(
            self.group,
            self._store,
            state,
            self._options,
            signals=self._signals,
            reports=self._reports,
            latency=self.group.bcast(self._latency()),
            start=start,
            schedule=self._schedule(),
            limit=self.limit,
        )
        self.meeting.running = True
        state.base = sys._getframe()  # it calls the outermost one
        try:
            value = state.call() if start.restart is None else state.resume(start.restart)
            self.meeting.refuse_forked("end of run")
        except BaseException as error:
            if self.meeting.forked:  # the run is its parent's
                raise
            if not program.has_ended(error):
                run.fail(error)
                self._uncaught.raised_together(error)
                raise
            value = None
        finally:
            state.base = None
        with self._raising_together():
            run.finish(value)
        return value

    @contextmanager
    def _raising_together(self) -> Iterator[None]:
        """What is raised as a RankError in here, every rank raises; but for an interrupt."""
        try:
            yield
        except RankError as error:
            self._store.release()
            self._uncaught.raised_together(error)
            raise_interrupt(error)
            raise

    def _schedule(self) -> Schedule:
        """When checkpoints are due; rank 0's counts."""
        options, settings = self._options, self._settings
        now, end = time.monotonic(), None
        if options.auto and settings.end_time is not None:
            end = now + settings.end_time - time.time() - settings.reserve
        if not options.auto and options.budget is None:
            return Schedule(options.interval, now)
        failures_every = settings.mtbf
        if failures_every is None:
            failures_every = optimum.time_between_failures(self._store.events())
        fixed = None if options.auto else options.interval
        adapt = optimum.Optimum(fixed, failures_every, options.budget)
        return Schedule(options.interval, now, adapt if options.interval else None, end)

    def _latency(self) -> float:
        """Seconds between two consensuses, at most: a quarter of the interval is the most late."""
        limit = None if self.limit is None else self.limit.seconds
        times = (each for each in (self._options.interval, limit) if each is not None)
        return min([self._settings.signal_latency, *(each / 4 for each in times)])

    def close(self) -> None:
        """Do as `Checkpointer.close`."""
        try:
            self.meeting.agree(Kind.CLOSE)
        except RankError as error:
            self._uncaught.raised_together(error)
            raise
        self._uncaught.remove()
        self.meeting.end()
