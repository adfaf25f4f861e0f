"""A flow that runs by itself: its ranks, and the place where its states are kept."""

from __future__ import annotations

from sauerkraut import group
from sauerkraut.checkpoint.leaving import UncaughtErrors
from sauerkraut.checkpoint.reports import Reports
from sauerkraut.flow import account, polling, start
from sauerkraut.flow.execution import Execution
from sauerkraut.flow.handlers import store_of
from sauerkraut.flow.pipeline import Pipeline, of_all_ranks
from sauerkraut.flow.policy import LoadPolicy
from sauerkraut.flow.polling import Polling
from sauerkraut.flow.ranks import Ranks
from sauerkraut.flow.record import StepRecord
from sauerkraut.flow.stores import State


class Alone:
    """What a pipeline needs to run by itself. Collective, as is all here but `store.where`.

    Args:
        pipeline: As the program defines it.

    Raises:
        NotImplementedError, TypeError, ValueError: its handler is none, or none for many ranks.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self.ranks = Ranks(group.of(pipeline.comm), group.of(pipeline.comm))
        self._uncaught = UncaughtErrors(self.ranks.group)
        if pipeline.comm is not None:
            self._uncaught.install()
        self.reports = Reports(self.ranks.group.rank, quiet=pipeline.quiet)
        place = polling.place_of(pipeline.path)
        self._polling = Polling(place, pipeline.comm, self.ranks, self.reports)
        self.store = store_of(
            pipeline.state_path,
            pipeline.handler,
            group=self.ranks.group,
            keep=pipeline.keep,
            shared=pipeline.shared,
            reports=self.reports,
        )

    def run(
        self, state: State | None, load_policy: LoadPolicy, checkpoint: int | None, *, why: bool
    ) -> State:
        """Do as `CheckpointFlow.run`."""
        self.ranks.left = False
        try:
            return self._run(state, load_policy, checkpoint, why=why)
        except BaseException as error:
            self.ranks.leave(error)
            self._uncaught.raised_together(error)
            raise

    def _run(
        self, state: State | None, load_policy: LoadPolicy, checkpoint: int | None, *, why: bool
    ) -> State:
        pipeline = self._pipeline

        def look() -> list[StepRecord]:
            pipeline.check(state, load_policy, checkpoint)
            return pipeline.records()

        told = self.ranks.together("the flow", look)
        own = told[self.ranks.group.rank]
        given = state is not None
        self.ranks.alike(pipeline.names())
        self.ranks.alike(pipeline.said(own, load_policy, checkpoint, given=given))
        self.ranks.alike({"state_path": pipeline.path, "keep": str(pipeline.keep)})
        records = of_all_ranks(told)
        history = self.store.open()
        try:
            for note in history.notes:
                self.reports.warn(note)
            begin = start.choose(
                self.store.where,
                records,
                history,
                state,
                checkpoint,
                pipeline.on_change,
                compare=not self.ranks.many,
            )
            for warning in begin.warnings:
                self.reports.warn(warning)
            if not why:
                self.reports.tell(begin.why)
            elif self.ranks.first:
                account.tell(begin, records)
            execution = Execution(
                pipeline.steps,
                self.store,
                history,
                ranks=self.ranks,
                polling=self._polling,
                reports=self.reports,
                load_policy=load_policy,
                live=not pipeline.quiet and self.ranks.first,
            )
            return execution.run(begin)
        except BaseException as error:
            self.ranks.leave(error)  # before others may take what ranks at work still use
            raise
        finally:
            self.ranks.lost = None
            self.store.close()
