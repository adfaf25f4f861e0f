"""One run of a function under a Checkpointer: when the ranks checkpoint, stop, leave or fail.

The rank that runs this may be at a poll, at an explicit checkpoint, at the end of the function or
leaving it by an exception. All of them post the same record (see `consensus`), so what follows is
one decision made by all from the same data.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from types import FrameType

from sauerkraut.checkpoint import leaving, postmortem
from sauerkraut.checkpoint.agreement import InterruptError, raise_interrupt
from sauerkraut.checkpoint.consensus import FREE, NONE, Call, Consensus, Flags, Kind, Outcome, site
from sauerkraut.checkpoint.epochs import Epochs
from sauerkraut.checkpoint.interval import Schedule, TimeLimit
from sauerkraut.checkpoint.needs import Needs
from sauerkraut.checkpoint.options import Options
from sauerkraut.checkpoint.parts import raise_failures
from sauerkraut.checkpoint.records import Epoch
from sauerkraut.checkpoint.rehearsal import PHASE as REHEARSING
from sauerkraut.checkpoint.rehearsal import Rehearsal
from sauerkraut.checkpoint.reports import Reports, last_valid
from sauerkraut.checkpoint.restart import Start
from sauerkraut.checkpoint.signals import Signals
from sauerkraut.checkpoint.state import State
from sauerkraut.checkpoint.store import Store
from sauerkraut.errors import CaptureError, RankError, Superseded
from sauerkraut.group import Group
from sauerkraut.storage import About
from sauerkraut.storage.epoch import BACK

ARRIVAL_TIME = 10.0  # seconds the other ranks have to fail too before the job is aborted
POSTMORTEM_TIME = 600.0  # seconds that a rank which failed has to store its frames
ORDERS = Flags.DUE | Flags.STOP | Flags.GO_ON


class Run:
    """The run of one rank. Every method without an underscore is collective.

    Args:
        group: The ranks.
        store: The directory, taken.
        state: What of this rank goes into an epoch.
        options: ``on_failure``, ``rehearse`` and ``postmortem``.
        signals: Flags that signals set.
        reports: Told what a person should know.
        latency: Seconds from a signal to the agreement to act on it, at most.
        start: What this run begins with.
        schedule: When a checkpoint is due.
        limit: How long the function may run.
    """

    def __init__(
        self,
        group: Group,
        store: Store,
        state: State,
        options: Options,
        *,
        signals: Signals,
        reports: Reports,
        latency: float,
        start: Start,
        schedule: Schedule,
        limit: TimeLimit | None = None,
    ) -> None:
        self.last: Epoch | None = start.epoch
        self.last_error: Exception | None = None
        self.stopping = False
        self.window = 1
        """Polls from the last consensus, posted or completed, to the next; the first poll posts."""
        self.consensus = Consensus(group, latency)
        self._restarts = 0 if start.restart is None else start.restart.count
        self.group = group
        self._store = store
        self.state = state
        self._schedule = schedule
        self._reports = reports
        self._on_failure = options.on_failure
        wanted = options.rehearse and start.restart is None
        self._rehearsal = Rehearsal(group, state, wanted=wanted)
        self._postmortem = bool(options.postmortem)
        self._epochs = Epochs(group, store, reports)
        self._polls = 0
        self._left_behind = False
        self.back = start.back
        """Where to go back to when a function on the stack of the epochs from now on changes."""
        self.failure_of_part: BaseException | None = None
        """What all ranks raised, as some had failed in a part."""
        self._failed_part: RankError | None = None  # the same, until this rank ends that part
        self._in_part = start.restart is not None  # the frames may stand in one
        self._needs = Needs(
            store,
            signals,
            schedule,
            self._rehearsal,
            limit,
            first=group.rank == 0,
            satisfied=start.requests,
        )

    def poll(
        self, frame: FrameType, step: float | None, of: float | None, metrics: Mapping[str, float]
    ) -> None:
        """Post or complete a consensus, do what it orders, and set `window`.

        Raises:
            RankError: on every rank, when the calls differ, when the rehearsal found something that
                cannot be captured, when the time is over on a rank, when one has failed in a part,
                or when a checkpoint failed that had to succeed.
        """
        if self._failed_part is not None:
            raise self._failed_part
        self._polls += self.window
        self.window = 1  # should what follows raise
        call = Call(Kind.POLL, self._polls, step, site(frame))
        if not self.consensus.outstanding and self._polls == 1 and self._rehearsal.wanted:
            self._rehearsal.capture(frame)
        following = self._polls
        if self.consensus.outstanding:
            outcome = self.consensus.complete()
            self._heed(outcome)
            rehearsed = self._rehearsal.forget()
            if outcome.leaving:
                self._let_leave()
                return
            if Flags.REFUSED in outcome.flags:
                refusal, self._rehearsal.refusal = self._rehearsal.refusal, None  # said once
                raise_failures(self.group, REHEARSING, refusal)
            if rehearsed is not None:
                self._rehearsal.refuse_misfits(rehearsed)
            if Flags.OVERDUE in outcome.flags and Flags.STOP not in outcome.flags:
                raise_failures(self.group, "poll", self._needs.overdue())
            following = self.consensus.posted_poll + self.consensus.choose_gap(outcome)
            if outcome.flags & ORDERS and not self._ordered(frame, call, outcome, of, metrics):
                self._let_leave()
                return
        if following <= self._polls:
            began = time.monotonic()
            self.consensus.post(call, self._needs.flags(), began)
            following = self._polls + 1
        self.window = following - self._polls

    def checkpoint(self, frame: FrameType, passed: int, metrics: Mapping[str, float]) -> Epoch:
        """Checkpoint now, whatever is due.

        Args:
            frame: The caller.
            passed: Polls since the last consensus was posted or completed.
            metrics: Numbers to keep with the epoch.

        Raises:
            RankError: on every rank; no epoch was committed, earlier ones stay valid.
        """
        if self._failed_part is not None:
            raise self._failed_part
        call = Call(Kind.CHECKPOINT, self._polls + passed, None, site(frame))
        flags = NONE
        if self.consensus.outstanding:
            flags = self._caught_up(self.consensus.complete())
        if not self._left_behind:
            outcome = self.consensus.agree(call, self._needs.flags())
            self._heed(outcome)
            flags |= outcome.flags
            self._left_behind = outcome.leaving
        if self._left_behind:
            raise RankError("checkpoint: some ranks have returned from the function given to run")
        epoch = self._take(frame, call, flags, None, metrics)
        assert epoch is not None, "a failure raises"
        return epoch

    def begin_part(self) -> bool:
        """Note that a part begins, which all ranks end together. Not collective.

        Returns:
            Whether it lies within another one.
        """
        within = self._in_part
        if not within:  # what was raised before does not concern it
            self._failed_part = self.consensus.unlike_part = None
            if self.consensus.disagreed:
                self._restart_polls()
        self._in_part = True
        return within

    def end_part(
        self,
        passed: int,
        part: str,
        error: BaseException | None,
        late: Callable[[BaseException], object],
        *,
        within: bool,
    ) -> None:
        """End a part of the function on all ranks alike: with the error of any of them, if any.

        A rank that failed tells it through the consensus: ranks that poll raise the failure there,
        and come here with it.

        Args:
            passed: As for `checkpoint`.
            part: What a person calls it, the same on every rank.
            error: What this rank raised in it; None: nothing.
            late: Called where this rank failed and the others do not come within `ARRIVAL_TIME`;
                once it returns, they are waited for as long as they take.
            within: As `begin_part` returned.

        Raises:
            RankError: see `raise_failures`; or the calls differ.
        """
        self._in_part = within
        told = self._failed_part or self.consensus.unlike_part
        self._failed_part = self.consensus.unlike_part = None
        if told is not None:
            raise told
        kind = Kind.PART if error is None else Kind.FAILED_PART
        call = Call(kind, self._polls + passed, None, part)
        limit = None if error is None else ARRIVAL_TIME

        def complete() -> Outcome:
            nonlocal limit
            if error is not None and limit is not None:
                try:
                    return self.consensus.complete(limit)
                except TimeoutError:
                    limit = None
                    late(error)
            return self.consensus.complete()

        try:
            if self.consensus.outstanding:
                self._caught_up(complete(), part, error)
            self.consensus.begin(call, NONE if error is None else Flags.FAILED_PART)
            outcome = complete()
        finally:  # it is this part that ends
            self.consensus.unlike_part = None
        self._heed(outcome, part, error)
        self._left_behind |= outcome.leaving

    def limit(self, limit: TimeLimit | None) -> None:
        """Limit what runs from now on, on every rank alike. Not collective."""
        self._needs.limit = limit

    def finish(self, value: object) -> None:
        """End the run after the function returned ``value``: store the final epoch.

        Returns when all ranks are here. A failure leaves the last epoch as the newest and warns.

        Raises:
            RankError: on every rank, when the final epoch cannot be stored and ``on_failure`` is
                "raise", or when the calls differ.
        """
        if self.consensus.outstanding:
            self._heed(self.consensus.complete())
        call = Call(Kind.LEAVING, self._polls)
        outcome = self.consensus.agree(call, self._needs.flags())
        self._heed(outcome)
        while outcome.active:
            self._left_behind = True
            self._say_left_behind()
            outcome = self.consensus.agree(call, self._needs.flags())
            self._heed(outcome)
        if self._left_behind and Flags.STOP in outcome.flags:
            self._reports.tell("a stop was asked for when some ranks had returned: the run ended")
        if self._rehearsal.refusal is not None:
            self._reports.warn(f"no checkpoint could have been taken: {self._rehearsal.refusal}")
        self._store_final(value)
        self._store.release()

    def fail(self, error: BaseException) -> None:
        """Decide what an exception that leaves the function means; returns when all ranks fail.

        On all ranks it propagates. On some only, the others have `ARRIVAL_TIME` seconds to fail
        too; then the job is aborted with the traceback.
        """
        deadline = time.monotonic() + ARRIVAL_TIME
        call = Call(Kind.FAILED, self._polls)
        try:
            if self.consensus.outstanding:
                self._share_failure(self.consensus.complete(ARRIVAL_TIME), error)
            while True:
                outcome = self.consensus.agree(call, NONE, deadline - time.monotonic())
                self._share_failure(outcome, error)
                if not outcome.active and not outcome.leaving:
                    break
        except (TimeoutError, RankError):
            try:
                leaving.tell_failure(self.group, error)
                self._leave_postmortem(error)
            finally:  # whatever the program's own code raises there: the others wait
                leaving.end(self.group, leaving.status_of(error))
        if self.group.rank == 0:
            self._leave_postmortem(error)
        self._store.release()

    def _share_failure(self, outcome: Outcome, error: BaseException) -> None:
        """Where another rank has failed in a part, let it and the rest know of this failure."""
        if Flags.FAILED_PART in outcome.flags:
            with contextlib.suppress(BaseException):
                raise_failures(self.group, "run", error)

    def _leave_postmortem(self, error: BaseException) -> None:
        if self._postmortem and not isinstance(error, SystemExit):
            postmortem.leave(self._store, self.state, error, self.last)

    def _caught_up(
        self, outcome: Outcome, part: str = "", error: BaseException | None = None
    ) -> Flags:
        """Do what follows from a consensus that was outstanding, and set `window`."""
        self._heed(outcome, part, error)
        self._left_behind |= outcome.leaving
        self.window = FREE if self._left_behind else self.consensus.choose_gap(outcome)
        return outcome.flags

    def _heed(self, outcome: Outcome, part: str = "", error: BaseException | None = None) -> None:
        """End as all must when the directory is lost, another rank failed, or one in a part.

        Args:
            outcome: What all ranks know.
            part: The part that this rank ends; empty: it is in the midst of one.
            error: What this rank raised in it.
        """
        if Flags.SUPERSEDED in outcome.flags:
            leaving.end_superseded(
                self.group,
                self._store,
                self._reports,
                f"another incarnation took {self._store.directory} over",
            )
        if Flags.FAILED_PART in outcome.flags:
            self._restart_polls()
            self._rehearsal.forget()
            try:
                raise_failures(self.group, part, error)
            except BaseException as raised:
                self.failure_of_part = raised
                if not part and self._in_part and isinstance(raised, RankError):
                    self._failed_part = raised
                raise
        if outcome.failed:
            # that rank aborts the job; nothing here may be unwound before
            time.sleep(2 * ARRIVAL_TIME + (POSTMORTEM_TIME if self._postmortem else 0.0))
            raise RankError("another rank failed, and the job did not end")

    def _restart_polls(self) -> None:
        """Count polls anew: all ranks know that they stand at different ones, and go on."""
        self.consensus.disagreed = False
        self._polls, self.window = 0, 1
        self.consensus.restart_clock(0)

    def _ordered(
        self,
        frame: FrameType,
        call: Call,
        outcome: Outcome,
        of: float | None,
        metrics: Mapping[str, float],
    ) -> bool:
        """Open what a consensus ordered and do it; False when a rank had left meanwhile."""
        opening = self.consensus.agree(call, self._needs.flags())
        self._heed(opening)
        if opening.leaving:
            return False
        self._take(frame, call, outcome.flags | opening.flags, of, metrics)
        return True

    def _let_leave(self) -> None:
        """Make all further polls free: some rank has left, so no checkpoint can be complete."""
        self._left_behind = True
        self.window = FREE
        self._say_left_behind()

    def _say_left_behind(self) -> None:
        self._reports.warn(
            "some ranks returned from the function given to run, others still poll: "
            "no further checkpoint in this run (a task farm polls between batches, or is made a "
            "sauerkraut.mpi.TaskPool)",
            once="left behind",
        )

    def _take(
        self,
        frame: FrameType,
        call: Call,
        flags: Flags,
        of: float | None,
        metrics: Mapping[str, float],
    ) -> Epoch | None:
        """Store one epoch; leave the job when stopping was asked for."""
        self.stopping |= Flags.STOP in flags
        answered = self._needs.requested
        began = time.monotonic()
        try:
            about = self._about(call, of, metrics, answered)
            epoch = self._epochs.take(lambda handles: self.state.capture(frame, handles), about)
        except Superseded as error:
            leaving.end_superseded(self.group, self._store, self._reports, str(error))
        except RankError as error:
            self.last_error = error
            raise_interrupt(error)
            pause = self._schedule.failed(time.monotonic())
            if self.stopping or call.kind is Kind.CHECKPOINT or self._on_failure == "raise":
                raise
            self._reports.warn(
                f"{error}; {last_valid(self.last)}; next try in {math.ceil(pause)} s"
            )
            self.consensus.restart_clock(self._polls)
            return None
        self.last, self.last_error = epoch, None
        self._needs.answered(answered, time.monotonic() - began)
        closing = self.consensus.agree(call, self._needs.flags())
        self._heed(closing)
        self.stopping |= Flags.STOP in closing.flags
        if self.stopping:
            self._needs.stopped()
            leaving.stop(self.group, self._store, self._reports, epoch)
        self._epochs.go_on()
        self.consensus.restart_clock(self._polls)
        return epoch

    def _about(
        self, call: Call, of: float | None, metrics: Mapping[str, float], answered: tuple[str, ...]
    ) -> About:
        more = {} if self.back is None else {BACK: self.back.to_json()}
        return self.state.about(
            more,
            step=call.step,
            of=of,
            metrics=dict(metrics),
            requests=answered,
            restarts=self._restarts,
        )

    def _store_final(self, value: object) -> None:
        about = self.state.about(restarts=self._restarts, final=True)
        try:
            epoch = self._epochs.take(
                lambda handles: self.state.capture_final(value, handles), about
            )
            self._epochs.go_on()
            self._store.complete(epoch)
            self.last = epoch
        except Superseded as error:
            leaving.end_superseded(self.group, self._store, self._reports, str(error))
        except RankError as error:
            self.last_error = error
            on_failure = self._on_failure == "raise" and not isinstance(error, CaptureError)
            if on_failure or isinstance(error, InterruptError):
                raise
            self._reports.warn(
                f"the end of the run was not stored: {error}; {last_valid(self.last)}"
            )
