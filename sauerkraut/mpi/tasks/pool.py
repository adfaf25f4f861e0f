"""`TaskPool`: many tasks per rank, which move between ranks while they run."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from types import FrameType
from typing import Any, Self

from mpi4py import MPI

from sauerkraut import group as groups
from sauerkraut.checkpoint.agreement import refuse_unlike
from sauerkraut.checkpoint.leaving import UncaughtErrors
from sauerkraut.checkpoint.records import Epoch, Restart
from sauerkraut.checkpoint.reports import Reports
from sauerkraut.errors import Deadlock, MigrationError, RankError, SauerkrautError
from sauerkraut.mpi.tasks import outcomes, ranks, running
from sauerkraut.mpi.tasks.balance import Strategy
from sauerkraut.mpi.tasks.census import Census
from sauerkraut.mpi.tasks.checkpoints import Checkpoints
from sauerkraut.mpi.tasks.comm import TaskComm
from sauerkraut.mpi.tasks.cut import Written
from sauerkraut.mpi.tasks.delivery import Delivery
from sauerkraut.mpi.tasks.member import Member, context_of
from sauerkraut.mpi.tasks.options import Options
from sauerkraut.mpi.tasks.residents import Residents, beginning
from sauerkraut.mpi.tasks.rounds import Balancing, Round
from sauerkraut.mpi.tasks.switching import Waits, switch
from sauerkraut.mpi.tasks.task import (
    AwaitOutcome,
    Luggage,
    Task,
)
from sauerkraut.mpi.tasks.turns import Turns
from sauerkraut.mpi.transfer import Channel
from sauerkraut.objects.freezing import Freezing, Reduced, reduces, refuse

MAILBOX = 64 << 20
"""Bytes that a task may have sent to another one, which has not read them, before it waits."""


class TaskPool:
    """Runs tasks on all ranks of ``comm``, several on each, in turn.

    Collective, as `run` and `close`. One pool at a time; a context manager closes it.

    Args:
        comm: An intracommunicator; None: ``COMM_WORLD``.
        path: Where checkpoints are kept, on a file system that all ranks see; made if missing. If
            there are any, the tasks of the newest go on, see `restarted`. None: there are none.
        interval: From one checkpoint to the next while `run` runs: seconds, a `timedelta`, or a
            text like "90s", "10min", "2h"; None: on request only, as by signals.
        keep: How many epochs are kept, at least 1.
        mailbox: Bytes that a task may have sent to another one that has not read them; then it
            waits until it has. After a restart no less than when the tasks were stored: what they
            sent before may be in there.
        balance: How tasks are moved to even out loads while they run: "greedy", "refine",
            "diffusive", "rotate", or a function of the `Load` of each task and the number of ranks
            that returns which task goes to which rank, the same on all. None: they stay.
        every: When: seconds (or "10min", a `timedelta`) between two rounds, or "auto": when what
            the imbalance has cost since the last one is more than the moves would.

    Raises:
        MigrationError: this process has a pool already, or ranks do not balance alike.
        RankError: on every rank: the tasks cannot go on here; names one, and why. Nothing ran. Or
            ranks differ in `mailbox` or in whether there is a `path`.
        ValueError: there is no such strategy, ``every`` is not positive, or an argument means
            nothing.
        TypeError: an argument is of another type.
        ImportError: greenlet is not installed.
    """

    def __init__(
        self,
        comm: MPI.Intracomm | None = None,
        path: str | os.PathLike[str] | None = None,
        *,
        interval: float | str | timedelta | None = None,
        keep: int = 2,
        mailbox: int = MAILBOX,
        balance: str | Strategy | None = None,
        every: float | str | timedelta = "auto",
    ) -> None:
        given = MPI.COMM_WORLD if comm is None else comm
        running.refuse_second()
        if not mailbox >= 0:
            raise ValueError(f"mailbox={mailbox!r}: it takes 0 bytes or more")
        residents = Residents()
        self._group = groups.of(given)
        try:
            options = Options.agreed(self._group, balance, every)
            told = {"mailbox": str(mailbox), "path": "none" if path is None else "one"}
            refuse_unlike(self._group, "TaskPool", told)
        except BaseException:
            self._group.close()
            raise
        self._channel = Channel(given)
        self.rank: int = given.Get_rank()
        """This rank."""
        self.size: int = given.Get_size()
        """Number of ranks."""
        self.delivery = Delivery(self._channel, residents, mailbox)
        """For what tasks call; not for programs."""
        moving = self.delivery.moving
        self._balancing = Balancing(self._channel.comm, residents, moving, options)
        census = Census(self._channel.comm)
        self._turns = Turns(self._group, census, self.delivery, self._balancing)
        self._spawned = 0
        self._closed = False
        self._checkpoints: Checkpoints | None = None
        self._reports = Reports(self.rank, quiet=False)
        self._uncaught = UncaughtErrors(self._group)
        self._uncaught.install()
        running.enter(self)
        if path is not None:
            self._open(path, interval, keep)

    # --- what a program calls

    def spawn(self, function: Callable[..., Any], /, *args: Any, name: str | None = None) -> Task:
        """Make a task on this rank that calls ``function``; it runs when its turn comes.

        Args:
            function: Must be found by name on the other ranks, or be one that can be carried.
            args: What it is called with.
            name: For people, and for the results of `run`; default: its number. Others may have
                the same.
        """
        begin = beginning(function, args)
        self._refuse_when_closed()
        self._refuse_when_finished("spawn", function)
        task = self._spawned * self.size + self.rank
        self._spawned += 1
        called = f"task {task}" if name is None else str(name)
        self.delivery.add(Luggage(task, called), begin)
        return Task(task, called)

    def spawn_ranks(
        self, function: Callable[..., Any], size: int, /, *args: Any, name: str | None = None
    ) -> list[Task]:
        """Make ``size`` tasks that are the ranks of a `TaskComm`. Collective.

        Each calls ``function(comm, *args)``. They begin in blocks: the first ones on rank 0, and so
        on. The home of the task of rank ``r`` is the rank ``r`` modulo that of ranks here.

        Args:
            function: See `spawn`.
            size: How many; any number, the same on every rank.
            args: Those of the tasks that begin on this rank.
            name: For people, and for the results of `run`: each is called ``"name r"``; default:
                "rank".

        Returns:
            All of them by their rank, on every rank.

        Raises:
            MigrationError: on every rank: sizes differ, or there is nothing to call; or this run
                has finished, see `restarted`.
        """
        self._refuse_when_closed()
        with self._uncaught.alike(SauerkrautError):
            first = ranks.agree(self._group, function, size, self._spawned)
            self._refuse_when_finished("spawn_ranks", function)
        self._spawned = (first + size - 1) // self.size + 1
        members = range(first, first + size)
        tasks = [Task(task, f"{name or 'rank'} {rank}") for rank, task in enumerate(members)]
        for rank, task in enumerate(tasks):
            place = rank * self.size // size
            if place == self.rank:
                member = Member(context_of(first, 0), members)
                begin = beginning(function, (TaskComm.of(member), *args))
                self.delivery.add(Luggage(task.id, task.name, member=member), begin)
            elif self.delivery.where.home(task.id) == self.rank:
                self.delivery.where.learn(task.id, place, 0)
        return tasks

    def run(self) -> dict[str, Any]:
        """Run all tasks on all ranks until they have ended. Collective.

        Returns:
            What the tasks returned whose home is this rank (that spawned here), by name. Where
            several of them have the same, each has its id with it: ``"name (task 7)"``.

        Raises:
            Deadlock: on every rank: all that are left wait for what can never come; names them,
                where they stand, what they wait for, and what others raised before.
            RankError: on every rank: a task raised, and no other one asked for its result; or
                the job was to stop after a checkpoint, and that failed; or others close the pool.
        """
        if running.is_inside():
            raise MigrationError("run() is not for tasks: call it outside of them, on all ranks")
        self._refuse_when_closed()
        stored = nullcontext() if self._checkpoints is None else self._checkpoints.running()
        with self._uncaught.alike(RankError, Deadlock), stored:
            self._run()
            astray = self._turns.astray()
            if astray:
                self._reports.warn(f"run() ends with {astray}")
            results = outcomes.settle(self._group, self.delivery.outcomes)
            if self._checkpoints is not None:
                self._checkpoints.finish(self._write)
        return results

    def checkpoint(self) -> Epoch:
        """Store all tasks now. Collective, before `run`; while that runs, `interval` does so.

        Raises:
            RankError: on every rank: nothing was stored; names the task and what of it cannot be.
            MigrationError: the pool has no ``path``, its run has finished, or this is a task.
        """
        if running.is_inside() or self._checkpoints is None:
            raise MigrationError("checkpoint() is for a TaskPool with a path, outside of its tasks")
        self._refuse_when_closed()
        with self._uncaught.alike(SauerkrautError):
            self._run(until_still=True)
            return self._checkpoints.take(self._write)

    @property
    def restarted(self) -> Restart | None:
        """What the tasks came back from, so that the program spawns none; None: a fresh start."""
        return None if self._checkpoints is None else self._checkpoints.restarted

    @property
    def rounds(self) -> list[Round]:
        """The rounds of load balancing so far, see `Round`; the same on every rank after `run`."""
        return list(self._balancing.rounds)

    def close(self) -> None:
        """Free what the pool has. Collective; a second call does nothing.

        Raises:
            MigrationError: this is a task.
            RankError: on every rank: others call `run`.
        """
        if running.is_inside():
            raise MigrationError("close() is not for tasks: call it outside of them, on all ranks")
        if not self._closed:
            self._closed = True
            if self._checkpoints is not None:
                self._checkpoints.close()
            running.leave()
            with self._uncaught.alike(RankError):
                self._turns.leave()
            self._uncaught.remove()
            self.delivery.post.finish()
            self._balancing.close()
            self._channel.close()
            self._group.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, cls: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        if cls is None:
            self.close()
            return
        running.leave()  # and no more, since the other ranks may not come here
        if self._checkpoints is not None:
            self._checkpoints.left(error)

    def __reduce__(self) -> tuple[Callable[[], TaskPool], tuple[()]]:
        return running.pool, ()

    # --- what tasks call

    def result_of(self, task: Task, innermost: FrameType) -> Any:
        """See `Task.result`, which ``innermost`` calls."""
        if running.is_inside():
            return switch(running.resident(""), Waits(AwaitOutcome(task.id)), innermost)
        found = self.delivery.outcomes.get(task.id)
        if found is None:
            raise MigrationError(
                f"the result of {task!r} is at rank {task.id % self.size} after run(), or "
                "wherever a task asks for it"
            )
        value, error = found.get()
        if error is not None:
            raise error
        return value

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise MigrationError("this TaskPool is closed: make another one")

    # --- checkpoints

    def _refuse_when_finished(self, call: str, function: Callable[..., Any]) -> None:
        if self._checkpoints is not None and self._checkpoints.finished:
            raise MigrationError(f"{call}({function!r}): this run has finished; see `restarted`")

    def _open(
        self,
        path: str | os.PathLike[str],
        interval: float | str | timedelta | None,
        keep: int,
    ) -> None:
        """Go on from the newest epoch, if there is one."""
        try:
            self._checkpoints = Checkpoints(
                path, self._group, self._uncaught, interval=interval, keep=keep
            )
            cut = self._checkpoints.start()
        except BaseException:
            running.leave()
            raise
        if cut is not None:
            self._spawned = -(-cut.following // self.size)
            self.delivery.restore(cut)

    def _run(self, *, until_still: bool = False) -> None:
        """Run until all tasks have ended, or only until nothing is under way between ranks."""
        self._turns.take(
            wished=self._wished, stand_still=self._stand_still, until_still=until_still
        )

    def _wished(self) -> bool:
        return self._checkpoints is not None and self._checkpoints.wished()

    def _stand_still(self) -> None:
        """Do what needs all tasks to stand still. Collective."""
        if self._checkpoints is not None:
            self._checkpoints.stand_still(self._write)

    def _write(self) -> Written:
        """What of this pool is on this rank, to be stored."""
        following = self._spawned * self.size
        cut = self.delivery.cut(following, self._balancing.measured())
        return Written(cut, self.delivery.residents, self.rank)


@reduces(TaskPool, subclasses=True)
def _reduce_pool(pool: TaskPool, freezing: Freezing) -> Reduced:
    if freezing.handles is not None:  # of a Checkpointer: there will be no such pool
        raise refuse(pool, "its tasks are stored by itself only, with a path; let go of it before")
    return pool.__reduce__()
