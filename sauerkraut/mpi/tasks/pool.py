"""`TaskPool`: many tasks per rank, which move between ranks while they run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from functools import partial
from types import FrameType
from typing import Any, Self

from mpi4py import MPI

from sauerkraut import group as groups
from sauerkraut.checkpoint import leaving
from sauerkraut.checkpoint.records import Epoch, Restart
from sauerkraut.errors import Deadlock, MigrationError, RankError
from sauerkraut.mpi import wire
from sauerkraut.mpi.tasks import outcomes, ranks, running, standing
from sauerkraut.mpi.tasks.balance import Strategy
from sauerkraut.mpi.tasks.census import Census, Count
from sauerkraut.mpi.tasks.checkpoints import Checkpoints
from sauerkraut.mpi.tasks.comm import TaskComm
from sauerkraut.mpi.tasks.cut import Cut, Written
from sauerkraut.mpi.tasks.member import Member, context_of
from sauerkraut.mpi.tasks.moving import Mail, Moving
from sauerkraut.mpi.tasks.outcomes import Outcome
from sauerkraut.mpi.tasks.post import Post
from sauerkraut.mpi.tasks.residents import Residents, beginning
from sauerkraut.mpi.tasks.rounds import Balancing, Options, Round
from sauerkraut.mpi.tasks.switching import Ended, Moves, Request, Waits, switch
from sauerkraut.mpi.tasks.task import (
    AwaitOutcome,
    AwaitRoom,
    Letter,
    Luggage,
    Read,
    Receive,
    Resident,
    Task,
)
from sauerkraut.mpi.tasks.whereabouts import Whereabouts
from sauerkraut.mpi.transfer import SPAN, Channel

SPIN_TIME = 2e-3
"""Seconds without anything to do until a rank begins to sleep between its looks."""
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
            waits until it has.
        balance: How tasks are moved to even out loads while they run: "greedy", "refine",
            "diffusive", "rotate", or a function of the `Load` of each task and the number of ranks
            that returns which task goes to which rank, the same on all. None: they stay.
        every: When: seconds (or "10min", a `timedelta`) between two rounds, or "auto": when what
            the imbalance has cost since the last one is more than the moves would.

    Raises:
        MigrationError: this process has a pool already, or ranks do not balance alike.
        RankError: on every rank: the tasks cannot go on here; names one, and why. Nothing ran.
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
        residents = Residents()
        self._group = groups.of(given)
        try:
            options = Options.agreed(self._group, balance, every)
        except BaseException:
            self._group.close()
            raise
        self._channel = Channel(given)
        self.rank: int = given.Get_rank()
        """This rank."""
        self.size: int = given.Get_size()
        """Number of ranks."""
        self._told = mailbox // 4
        self._limit = mailbox + self._told  # so much may have been read, and not told yet
        self._residents = residents
        self._post = Post(self._channel.comm, SPAN, self._receive)
        self._census = Census(self._channel.comm)
        self._where = Whereabouts(self.rank, self.size)
        self._moving = Moving(
            self._channel, self._residents, self._arrived, self._left, self._stayed
        )
        self._balancing = Balancing(self._channel.comm, self._residents, self._moving, options)
        self._outcomes: dict[int, Outcome] = {}
        self._askers: dict[int, set[int]] = {}
        self._spawned = 0
        self._over: set[int] = set()
        self._awaiting: dict[int, set[int]] = {}
        self._events = 0
        self._closed = False
        self._checkpoints: Checkpoints | None = None
        running.enter(self)
        if path is not None:
            self._open(path, interval, keep)

    # --- what a program calls

    def spawn(self, function: Callable[..., Any], /, *args: Any, name: str | None = None) -> Task:
        """Make a task on this rank that calls ``function``; it runs when its turn comes.

        Args:
            function: Must be found by name on the other ranks, or be one that can be carried.
            args: What it is called with.
            name: For people, and for the results of `run`; default: its number.
        """
        begin = beginning(function, args)
        self._refuse_when_finished("spawn", function)
        task = self._spawned * self.size + self.rank
        self._spawned += 1
        called = f"task {task}" if name is None else str(name)
        self._add(Luggage(task, called), begin)
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
                self._add(Luggage(task.id, task.name, member=member), begin)
            elif self._where.home(task.id) == self.rank:
                self._where.learn(task.id, place, 0)
        return tasks

    def run(self) -> dict[str, Any]:
        """Run all tasks on all ranks until they have ended. Collective.

        Returns:
            What the tasks returned whose home is this rank (that spawned here), by name.

        Raises:
            Deadlock: on every rank: all that are left wait for what can never come; names them,
                where they stand, what they wait for, and what others raised before.
            RankError: on every rank: a task raised, and no other one asked for its result; or
                the job was to stop after a checkpoint, and that failed.
        """
        if running.is_inside():
            raise MigrationError("run() is not for tasks: call it outside of them, on all ranks")
        with nullcontext() if self._checkpoints is None else self._checkpoints.running():
            self._run()
            results = outcomes.settle(self._group, self._outcomes)
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
        """Free what the pool has. Collective; a second call does nothing."""
        if not self._closed:
            self._closed = True
            if self._checkpoints is not None:
                self._checkpoints.close()
            running.leave()
            self._post.finish()
            self._balancing.close()
            self._channel.close()
            self._group.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, cls: type[BaseException] | None, *_: object) -> None:
        if cls is None or issubclass(cls, MigrationError):
            self.close()
        else:
            running.leave()

    def __reduce__(self) -> tuple[Callable[[], TaskPool], tuple[()]]:
        return running.pool, ()

    # --- what tasks call

    def result_of(self, task: Task, innermost: FrameType) -> Any:
        """See `Task.result`, which ``innermost`` calls."""
        if running.is_inside():
            return switch(running.resident(""), Waits(AwaitOutcome(task.id)), innermost)
        found = self._outcomes.get(task.id)
        if found is None:
            raise MigrationError(
                f"the result of {task!r} is at rank {task.id % self.size} after run(), or "
                "wherever a task asks for it"
            )
        value, error = found.get()
        if error is not None:
            raise error
        return value

    def take(self, resident: Resident, wanted: Receive) -> Any:
        """Take a message that has come for a task that runs here; None: none has."""
        letter = resident.luggage.pick(wanted)
        if letter is None:
            return None
        self._tell_read(resident.luggage, letter)
        return wanted.value_of(letter)

    def send(
        self, resident: Resident, dest: int, tag: int, data: bytes, context: int
    ) -> AwaitRoom | None:
        """Send from a task that runs here; what it must wait for then, when too much is unread."""
        luggage = resident.luggage
        number = luggage.sent.get(dest, 0)
        unread = luggage.unread.get(dest, 0)
        luggage.unread[dest] = unread + len(data)
        try:
            self._deliver(self.rank, Letter(luggage.id, dest, number, context, tag, data))
        except BaseException:  # it was not sent
            luggage.unread[dest] = unread
            raise
        luggage.sent[dest] = number + 1
        luggage.traffic[dest] = luggage.traffic.get(dest, 0) + len(data)
        return AwaitRoom(dest) if luggage.unread[dest] > self._limit else None

    # --- the turn of each task

    def _run(self, *, until_still: bool = False) -> None:
        """Run until all tasks have ended, or only until nothing is under way between ranks."""
        try:
            self._take_turns(until_still=until_still)
        except (Deadlock, RankError):  # on every rank
            raise
        except BaseException as error:  # the other ranks would wait for ever
            if self.size > 1:
                leaving.fail(self._group, error)
            raise

    def _take_turns(self, *, until_still: bool) -> None:
        before: Count | None = None
        still = until_still
        idle_since = time.monotonic()
        if not until_still:
            self._balancing.begin()
        while True:
            came = self._post.progress()
            came |= self._moving.progress()
            came |= self._balancing.progress()
            # What is on its way shares arrays with nobody who could change them.
            stays = still or self._moving.exposed
            resident = None if stays else self._residents.next()
            if resident is not None:
                self._serve(resident, self._residents.run(resident))
                self._balancing.served(resident)
                idle_since = time.monotonic()
            found = self._census.ask(self._count)
            if found is not None:
                is_sure = before == found and not found.under_way
                still = still or found.wishes > 0
                self._balancing.counted(found, still=still)
                if is_sure and (until_still or not found.runnable):
                    self._balancing.finish()
                    if found.alive and not until_still:
                        self._raise_deadlock()
                    return
                before = found
                if is_sure and still and not found.balancing:
                    self._balancing.finish()
                    self._stand_still()
                    before, still = None, False
            if came or found is not None or self._moving.flowing:
                idle_since = time.monotonic()
            elif resident is None:
                wire.rest(max(time.monotonic() - idle_since - SPIN_TIME, 0.0))

    def _count(self) -> Count:
        return Count(
            alive=len(self._residents),
            runnable=self._residents.runnable,
            sent=self._post.sent,
            received=self._post.received,
            moving=self._moving.under_way,
            events=self._residents.steps + self._events,
            wishes=self._checkpoints is not None and self._checkpoints.wished(),
            steps=self._residents.steps,
            due=self._balancing.due,
            balancing=self._balancing.under_way,
        )

    def _stand_still(self) -> None:
        """Do what needs all tasks to stand still. Collective."""
        if self._checkpoints is not None:
            self._checkpoints.stand_still(self._write)

    def _serve(self, resident: Resident, request: Request) -> None:
        """Do what a task asked for."""
        match request:
            case Ended():
                self._residents.remove(resident)
                self._ended(resident.luggage, request)
            case Moves(dest):
                captured = self._residents.capture(resident)
                self._moving.send(resident, captured, dest)
                if resident.error is not None:
                    self._residents.wake(resident, error=resident.error)
            case Waits(wait):
                resident.luggage.wait = wait
                self._look(resident)
            case _:
                self._residents.wake(resident)

    def _look(self, resident: Resident) -> None:
        """See whether what a task waits for is here; ask for it where it is not."""
        luggage = resident.luggage
        match luggage.wait:
            case Receive() as wanted:
                try:
                    found = self.take(resident, wanted)
                except Exception as error:  # noqa: BLE001 - of unpickling: it is the task's own
                    self._residents.wake(resident, error=error)
                    return
                if found is not None:
                    self._residents.wake(resident, *found)
            case AwaitOutcome(task):
                outcome = self._outcomes.get(task)
                if outcome is not None:
                    outcome.asked = True
                    self._residents.wake(resident, *outcome.get())
                    return
                self._awaiting.setdefault(task, set()).add(luggage.id)
                if self._where.home(task) == self.rank:
                    self._askers.setdefault(task, set()).add(self.rank)
                else:
                    self._post.send(self._where.home(task), ("ask", task))
            case AwaitRoom(dest, receiving):
                if luggage.unread.get(dest, 0) <= self._limit:
                    self._residents.wake(resident)
                elif receiving is not None:
                    waited, luggage.wait = luggage.wait, None  # what it reads may make room for it
                    found = self.take(resident, receiving)
                    if found is None:
                        luggage.wait = waited
                    else:
                        self._residents.wake(resident, *found)
            case None:
                pass

    # --- what comes from other ranks

    def _receive(self, origin: int, message: Any) -> None:
        self._events += 1
        if isinstance(message, Letter):
            self._deliver(origin, message)
            return
        match message:
            case ("at", task, rank, moves):
                self._where.learn(task, rank, moves)
                self._send_kept(task)
            case ("ask", task):
                found = self._outcomes.get(task)
                if found is not None:
                    found.asked = True
                    self._post.send(origin, ("outcome", task, found.data))
                else:
                    self._askers.setdefault(task, set()).add(origin)
            case ("outcome", task, data):
                self._learn_outcome(task, Outcome(data))
            case Read():
                self._learn_read(message)

    def _deliver(self, origin: int, letter: Letter) -> None:
        """Put a letter where it belongs, or send it there."""
        resident = self._residents.get(letter.dest)
        if resident is not None:
            resident.luggage.take_in(letter)
            if isinstance(resident.luggage.wait, Receive | AwaitRoom):
                self._look(resident)
            return
        if self._moving.keep(letter):
            return
        if letter.dest in self._over or letter.dest in self._outcomes:  # nobody will read it
            self._learn_read(Read(letter.source, letter.dest, len(letter.data)))
            return
        rank = self._where.next(letter.dest)
        if rank is None:
            self._where.keep(letter)
            return
        self._post.send(rank, letter, origin)
        if origin != self.rank:
            self._post.send(origin, ("at", letter.dest, *self._where.known(letter.dest)))

    def _send_kept(self, task: int) -> None:
        for letter in self._where.kept(task):
            self._deliver(self.rank, letter)

    def _tell_read(self, luggage: Luggage, letter: Letter) -> None:
        """Let the source of a letter know that there is room again, now and then."""
        read = luggage.read.get(letter.source, 0) + len(letter.data)
        if read > self._told:
            self._learn_read(Read(letter.source, luggage.id, read))
            read = 0
        luggage.read[letter.source] = read

    def _learn_read(self, read: Read) -> None:
        """Let a task know that what it has sent was read, or tell the rank where it is."""
        resident = self._residents.get(read.dest)
        if resident is not None:
            unread = resident.luggage.unread
            unread[read.by] = unread.get(read.by, 0) - read.nbytes
            if isinstance(resident.luggage.wait, AwaitRoom):
                self._look(resident)
        elif not self._moving.keep(read) and read.dest not in self._over:
            rank = self._where.next(read.dest)
            if rank is not None and read.dest not in self._outcomes:
                self._post.send(rank, read)

    # --- tasks come, go and end

    def _add(self, luggage: Luggage, begin: partial[Any]) -> None:
        self._residents.add(Resident(luggage, begin=begin))
        self._where.here(luggage)
        self._send_kept(luggage.id)

    def _arrived(self, resident: Resident) -> None:
        self._events += 1
        luggage = resident.luggage
        self._residents.add(resident)
        self._where.here(luggage)
        home = self._where.home(luggage.id)
        if home != self.rank:
            self._post.send(home, ("at", luggage.id, self.rank, luggage.moves))
        self._send_kept(luggage.id)
        if luggage.wait is not None:
            self._look(resident)

    def _left(self, luggage: Luggage, dest: int, mail: Mail) -> None:
        self._events += 1
        self._where.learn(luggage.id, dest, luggage.moves + 1)
        self._pass_on(mail)

    def _stayed(self, resident: Resident, mail: Mail) -> None:
        self._events += 1
        self._residents.add(resident)
        self._pass_on(mail)
        self._look(resident)

    def _pass_on(self, mail: Mail) -> None:
        for each in mail:
            if isinstance(each, Letter):
                self._deliver(self.rank, each)
            else:
                self._learn_read(each)

    def _ended(self, luggage: Luggage, ended: Ended) -> None:
        self._over.add(luggage.id)
        self._where.kept(luggage.id)
        outcome = outcomes.of(luggage, ended)
        home = self._where.home(luggage.id)
        if home == self.rank:
            self._learn_outcome(luggage.id, outcome)
        else:
            self._post.send(home, ("outcome", luggage.id, outcome.data))

    def _learn_outcome(self, task: int, outcome: Outcome) -> None:
        if self._where.home(task) == self.rank:
            self._outcomes[task] = outcome
            for rank in self._askers.pop(task, ()):
                outcome.asked = True
                if rank != self.rank:
                    self._post.send(rank, ("outcome", task, outcome.data))
        for waiting in self._awaiting.pop(task, ()):
            resident = self._residents.get(waiting)
            if resident is not None and resident.luggage.wait == AwaitOutcome(task):
                outcome.asked = True
                self._residents.wake(resident, *outcome.get())

    def _raise_deadlock(self) -> None:
        failed = list(outcomes.unheard(self._outcomes))
        here = [f"{name!r} raised {type(error).__name__}: {error}" for name, error in failed]
        here += [
            f"{each.luggage.name!r}{standing.of(each)} waits for {each.luggage.wait}"
            for each in self._residents
        ]
        told = [text for texts in self._group.allgather(here) for text in texts]
        cause = failed[0][1] if failed else None
        raise Deadlock(f"no task can go on: {'; '.join(told)}") from cause

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
            self._checkpoints = Checkpoints(path, self._group, interval=interval, keep=keep)
            cut = self._checkpoints.start()
        except BaseException:
            running.leave()
            raise
        if cut is not None:
            self._restore(cut)

    def _restore(self, cut: Cut) -> None:
        self._spawned = -(-cut.following // self.size)
        self._outcomes = cut.outcomes
        for task, rank, moves in cut.whereabouts:
            self._where.learn(task, rank, moves)
        for resident in cut.residents:
            self._residents.add(resident)
            self._where.here(resident.luggage)
        for letter in cut.letters:
            self._deliver(self.rank, letter)
        for resident in cut.residents:
            if resident.luggage.wait is not None:
                self._look(resident)

    def _write(self) -> Written:
        """What of this pool is on this rank, to be stored."""
        following = self._spawned * self.size
        cut = Cut(
            list(self._residents),
            self._outcomes,
            self._where.letters(),
            following,
            measured=self._balancing.measured(),
        )
        return Written(cut, self._residents, self.rank)
