"""Checkpoints of a pool: when, what a failure means, and how a start finds the newest.

What is asked for on any rank makes the ranks let all tasks stand still (see `TaskPool`); what is
done then, all decide from the same data.
"""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import reduce
from operator import or_
from pathlib import Path

from sauerkraut import commands
from sauerkraut.checkpoint import interval as intervals
from sauerkraut.checkpoint import leaving, requests
from sauerkraut.checkpoint.agreement import InterruptError, refuse_unlike, together
from sauerkraut.checkpoint.consensus import NONE, Flags
from sauerkraut.checkpoint.interval import Schedule
from sauerkraut.checkpoint.leaving import UncaughtErrors
from sauerkraut.checkpoint.records import Epoch, Restart
from sauerkraut.checkpoint.reports import Reports, last_valid
from sauerkraut.checkpoint.signals import Signals
from sauerkraut.checkpoint.store import Store
from sauerkraut.errors import Deadlock, MigrationError, RankError, Superseded
from sauerkraut.group import Group
from sauerkraut.mpi.tasks import cut as cuts
from sauerkraut.mpi.tasks.cut import Cut, Written
from sauerkraut.settings import Settings
from sauerkraut.storage import About, Manifest
from sauerkraut.storage.epoch import TASKS
from sauerkraut.wording import counted

LOOK = 1.0  # seconds between two looks at the directory

Write = Callable[[], Written]


class Checkpoints:
    """The checkpoints of one pool. Methods are collective unless they say otherwise.

    Args:
        path: The directory.
        group: The ranks.
        uncaught: Learns of errors that all of them raise.
        interval: See `TaskPool`.
        keep: See `TaskPool`.

    Raises:
        TypeError, ValueError: an argument means nothing; nothing was done.
        RankError: on every rank: they are not the same on all.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        group: Group,
        uncaught: UncaughtErrors,
        *,
        interval: float | str | timedelta | None,
        keep: int,
    ) -> None:
        seconds = intervals.parse(interval)
        if keep < 1:
            raise ValueError(f"keep={keep}: at least 1 epoch is kept")
        directory = Path(path).absolute()
        told = {"path": str(directory), "interval": str(seconds), "keep": str(keep)}
        refuse_unlike(group, "TaskPool", told)
        self.restarted: Restart | None = None
        """What the pool goes on from; None after a fresh start."""
        self.finished = False
        """Whether that is the end of a run."""
        self.last: Epoch | None = None
        """The last epoch."""
        self._group = group
        self._reports = Reports(group.rank, quiet=False)
        settings = Settings.from_environment()
        reports = self._reports
        self._store = Store(directory, group, settings, keep=keep, share=None, reports=reports)
        self._schedule = Schedule(None, 0.0)
        self._interval = seconds
        self._signals = Signals()
        self._uncaught = uncaught
        self._requests: list[requests.Request] = []
        self._satisfied: set[str] = set()
        self._superseded = False
        self._looked_at = time.monotonic()
        self._open = False

    def start(self) -> Cut | None:
        """Take the directory; what this rank has of the newest epoch, if there is one.

        Raises:
            RankError: on every rank: the directory is another one's, no epoch is whole, or a task
                cannot go on here, and why.
        """
        with self._raising_together():
            self._store.take()
            self._open = True
            found = self._store.newest_by(self._read, any_size=True)
            if found is None:
                self._store.event("start")
                return None
            manifest, cut = found
            about = manifest.about
            self.restarted, self.last = Restart.of(manifest), manifest.epoch
            self._satisfied = set(about.requests)
            self.finished = about.final
            self._tell_start(manifest)
            if self.finished:
                self._store.complete(manifest.epoch)
                self._release()
        return cut

    def _read(self, manifest: Manifest) -> tuple[Manifest, Cut] | str:
        cut = cuts.read(self._store, self._group, manifest)
        return cut if isinstance(cut, str) else (manifest, cut)

    def _tell_start(self, manifest: Manifest) -> None:
        restart = self.restarted
        assert restart is not None, "there is an epoch"
        if self.finished:
            self._reports.tell(
                f"this run has finished (epoch {restart.epoch}): run() returns what its tasks did"
            )
            return
        told, then, now = manifest.tasks, manifest.world_size, self._group.size
        assert told is not None, "it was read as a pool's"
        self._store.event("restart", epoch=restart.epoch, step=restart.step, ranks=now)
        self._reports.tell(
            f"restart {restart.count}: going on from epoch {restart.epoch} with "
            + counted(told["alive"], "task")
            + (f", stored by {counted(then, 'rank')}, on {now}" if then != now else "")
        )

    # --- while tasks run

    @contextmanager
    def running(self) -> Iterator[None]:
        """Heed signals and the interval meanwhile. What is a RankError in here, all ranks raise."""
        self._schedule = Schedule(self._interval, time.monotonic())
        if not self._signals.install():
            self._reports.warn("signals are not heeded: run() is not in the main thread")
        try:
            with self._raising_together():
                yield
        finally:
            self._signals.remove()

    def wished(self) -> bool:
        """Whether this rank wants all tasks to stand still for a checkpoint. Not collective."""
        return self._open and bool(self._flags())

    def _flags(self) -> Flags:
        flags, now = NONE, time.monotonic()
        if self._signals.stop:
            flags |= Flags.STOP
        if self._signals.go_on and not self._schedule.backing_off(now):
            flags |= Flags.GO_ON
        if self._group.rank == 0:
            self._look(now)
            if self._superseded:
                flags |= Flags.SUPERSEDED
            if any(each.stop for each in self._requests):
                flags |= Flags.STOP
            elif self._requests and not self._schedule.backing_off(now):
                flags |= Flags.GO_ON
            if self._schedule.due(now):
                flags |= Flags.DUE
        return flags

    def _look(self, now: float) -> None:
        """See now and then what others did to the directory, and show that its owner lives."""
        if now - self._looked_at < LOOK:
            return
        try:
            self._store.touch(now - self._looked_at)
        except Superseded:
            self._superseded = True
        self._looked_at = now
        self._requests = requests.pending(self._store.directory, self._satisfied)

    def stand_still(self, write: Write) -> None:
        """All tasks stand still: store an epoch if any rank wants one, and leave if it is asked to.

        A failure is told, and tried again later, unless the job was to stop.

        Args:
            write: Captures what is on this rank.

        Raises:
            RankError: on every rank: the job was to stop, and nothing could be stored.
        """
        found = together(self._group, "a checkpoint of tasks", lambda: int(self._flags()))
        flags = Flags(reduce(or_, found, 0))
        if Flags.SUPERSEDED in flags:
            leaving.end_superseded(
                self._group,
                self._store,
                self._reports,
                f"another incarnation took {self._store.directory} over",
            )
        if not flags:
            return
        began = time.monotonic()
        try:
            epoch = self.take(write)
        except RankError as error:
            pause = self._schedule.failed(time.monotonic())
            if Flags.STOP in flags or isinstance(error, InterruptError):
                raise
            self._reports.warn(
                f"{error}; {last_valid(self.last)}; next try in {math.ceil(pause)} s"
            )
            return
        now = time.monotonic()
        self._schedule.committed(now, now - began)
        self._signals.go_on = False
        if Flags.STOP in flags:
            leaving.stop(self._group, self._store, self._reports, epoch)

    def take(self, write: Write, *, final: bool = False) -> Epoch:
        """Store an epoch, now that nothing runs or is under way.

        Raises:
            RankError: on every rank; no epoch was committed, and the tasks are as they were.
        """
        if not self._open:
            raise MigrationError("checkpoint(): this run has finished")
        answered = self._group.bcast(tuple(each.id for each in self._requests))
        written: Written | None = None

        def capture() -> tuple[int, ...]:
            nonlocal written
            self._store.wait_swept()
            written = write()
            told = written.alive, written.ended, written.following, written.mailbox
            return written.piece.nbytes, *told

        try:
            nbytes, alive, ended, following, mailbox = zip(
                *together(self._group, "a checkpoint of tasks", capture), strict=True
            )
            assert written is not None, "all ranks captured"
            told = {
                "alive": sum(alive),
                "ended": sum(ended),
                "next": max(following),
                "mailbox": max(mailbox),
            }
            about = self._about(told, answered, final=final)
            epoch = self._store.write(written.piece, about, sum(nbytes))
        except Superseded as error:
            leaving.end_superseded(self._group, self._store, self._reports, str(error))
        finally:
            if written is not None:
                written.release()
        self.last = epoch
        self._satisfied.update(answered)
        requests.remove(self._store.directory, self._requests)
        self._requests = []
        return epoch

    def _about(self, told: dict[str, int], answered: tuple[str, ...], *, final: bool) -> About:
        return About(
            step=told["ended"],
            of=told["ended"] + told["alive"],
            final=final,
            requests=answered,
            restarts=0 if self.restarted is None else self.restarted.count,
            command=commands.of_this_process(),
            working_directory=str(Path.cwd()),
            more={
                TASKS: told,
                "hash_seed": os.environ.get("PYTHONHASHSEED"),
                "python": platform.python_version(),
            },
        )

    def finish(self, write: Write) -> None:
        """All tasks have ended: store what they returned, and say that the run is complete."""
        if self.finished or not self._open:
            return
        self.finished = True
        try:
            self._store.complete(self.take(write, final=True))
        except Superseded as error:
            leaving.end_superseded(self._group, self._store, self._reports, str(error))
        except RankError as error:
            if isinstance(error, InterruptError):
                raise
            self._reports.warn(
                f"the end of the run was not stored: {error}; {last_valid(self.last)}"
            )
        self._release()

    def close(self) -> None:
        """Let anybody have the directory. Not collective; a second call does nothing."""
        self._release()

    def left(self, error: BaseException | None) -> None:
        """Let anybody have the directory if every rank leaves the pool with this error or its like.

        One that only this rank has ends the job: until then, the directory is ours. Not collective.
        """
        if self._uncaught.is_together(error) or self._group.size == 1:
            self._release()

    def _release(self) -> None:
        if self._open:
            self._open = False
            self._store.release()

    @contextmanager
    def _raising_together(self) -> Iterator[None]:
        """What is a RankError in here, or a Deadlock, every rank raises."""
        try:
            yield
        except (RankError, Deadlock) as error:
            self._release()
            self._uncaught.raised_together(error)
            raise
