"""Delivery on one rank: messages to tasks, what they returned, and news of where they are.

What is for a task goes where it is known to be, see `post`; what it waits for wakes it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from sauerkraut.mpi.tasks import outcomes
from sauerkraut.mpi.tasks.cut import Cut
from sauerkraut.mpi.tasks.moving import Mail, Moving
from sauerkraut.mpi.tasks.outcomes import Outcome
from sauerkraut.mpi.tasks.post import Post
from sauerkraut.mpi.tasks.residents import Residents
from sauerkraut.mpi.tasks.switching import Ended
from sauerkraut.mpi.tasks.task import (
    AwaitOutcome,
    AwaitRoom,
    Letter,
    Luggage,
    Read,
    Receive,
    Resident,
)
from sauerkraut.mpi.tasks.whereabouts import Whereabouts
from sauerkraut.mpi.transfer import SPAN, Channel


class Delivery:
    """What this rank hands to its tasks, and passes on to others.

    Args:
        channel: The ranks, and how stacks go from one to another.
        residents: The tasks that are here.
        mailbox: See `TaskPool`.
    """

    def __init__(self, channel: Channel, residents: Residents, mailbox: int) -> None:
        self.rank: int = channel.rank
        self._channel = channel
        self.residents = residents
        self.where = Whereabouts(channel.rank, channel.comm.Get_size())
        self.post = Post(channel.comm, SPAN, self._receive)
        self.moving = Moving(channel, residents, self._arrived, self._left, self._stayed)
        self.outcomes: dict[int, Outcome] = {}
        """Of tasks whose home this rank is."""
        self.events = 0
        """Whatever came or went so far."""
        self._mailbox = mailbox
        self._askers: dict[int, set[int]] = {}  # task -> ranks with others that wait for its end
        self._awaiting: dict[int, set[int]] = {}  # task -> those here that wait for its end
        self._over: set[int] = set()

    @property
    def _told(self) -> int:
        """Bytes that a task may have read and not told of."""
        return self._mailbox // 4

    @property
    def _limit(self) -> int:
        """Bytes from which a task waits that has sent them."""
        return self._mailbox + self._told

    def progress(self) -> bool:
        """Go on with what is on its way; whether anything has come or gone."""
        if self._channel.quiet and not (self.post.busy or self.moving.busy):
            return False
        came = self.post.progress()
        return self.moving.progress() or came

    # --- what tasks that run here ask for

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

    def look(self, resident: Resident) -> None:
        """See whether what a task waits for is here; ask for it where it is not."""
        luggage = resident.luggage
        match luggage.wait:
            case Receive() as wanted:
                try:
                    found = self.take(resident, wanted)
                except Exception as error:  # noqa: BLE001 - of unpickling: it is the task's own
                    self.residents.wake(resident, error=error)
                    return
                if found is not None:
                    self.residents.wake(resident, *found)
            case AwaitOutcome(task):
                outcome = self.outcomes.get(task)
                if outcome is not None:
                    outcome.asked = True
                    self.residents.wake(resident, *outcome.get())
                    return
                self._awaiting.setdefault(task, set()).add(luggage.id)
                if self.where.home(task) == self.rank:
                    self._askers.setdefault(task, set()).add(self.rank)
                else:
                    self.post.send(self.where.home(task), ("ask", task))
            case AwaitRoom(dest, receiving):
                if luggage.unread.get(dest, 0) <= self._limit:
                    self.residents.wake(resident)
                elif receiving is not None:
                    waited, luggage.wait = luggage.wait, None  # what it reads may make room for it
                    found = self.take(resident, receiving)
                    if found is None:
                        luggage.wait = waited
                    else:
                        self.residents.wake(resident, *found)
            case None:
                pass

    # --- what comes from other ranks

    def _receive(self, origin: int, message: Any) -> None:
        self.events += 1
        if isinstance(message, Letter):
            self._deliver(origin, message)
            return
        match message:
            case ("at", task, rank, moves):
                self.where.learn(task, rank, moves)
                self._send_kept(task)
            case ("ask", task):
                found = self.outcomes.get(task)
                if found is not None:
                    found.asked = True
                    self.post.send(origin, ("outcome", task, found.data))
                else:
                    self._askers.setdefault(task, set()).add(origin)
            case ("outcome", task, data):
                self._learn_outcome(task, Outcome(data))
            case Read():
                self._learn_read(message)

    def _deliver(self, origin: int, letter: Letter) -> None:
        """Put a letter where it belongs, or send it there."""
        resident = self.residents.get(letter.dest)
        if resident is not None:
            resident.luggage.take_in(letter)
            if isinstance(resident.luggage.wait, Receive | AwaitRoom):
                self.look(resident)
            return
        if self.moving.keep(letter):
            return
        if letter.dest in self._over or letter.dest in self.outcomes:  # nobody will read it
            self._learn_read(Read(letter.source, letter.dest, len(letter.data)))
            return
        rank = self.where.next(letter.dest)
        if rank is None:
            self.where.keep(letter)
            return
        self.post.send(rank, letter, origin)
        if origin != self.rank:
            self.post.send(origin, ("at", letter.dest, *self.where.known(letter.dest)))

    def _send_kept(self, task: int) -> None:
        for letter in self.where.kept(task):
            self._deliver(self.rank, letter)

    def _tell_read(self, luggage: Luggage, letter: Letter) -> None:
        """Let the source of a letter know that there is room again, now and then."""
        read = luggage.read.get(letter.source, 0) + len(letter.data)
        if read > self._told:
            self._learn_read(Read(letter.source, luggage.id, read))
            read = 0
        luggage.read[letter.source] = read

    def _tell_unread(self, luggage: Luggage) -> None:
        """Let those go on that wait for room: nobody will read what this task has left."""
        left = dict(luggage.read)
        for letter in (*luggage.mailbox, *luggage.early.values()):
            left[letter.source] = left.get(letter.source, 0) + len(letter.data)
        for source, nbytes in left.items():
            if nbytes > self._limit:  # else nobody waits, once what is on its way has come
                self._learn_read(Read(source, luggage.id, nbytes))

    def _learn_read(self, read: Read) -> None:
        """Let a task know that what it has sent was read, or tell the rank where it is."""
        resident = self.residents.get(read.dest)
        if resident is not None:
            unread = resident.luggage.unread
            unread[read.by] = unread.get(read.by, 0) - read.nbytes
            if isinstance(resident.luggage.wait, AwaitRoom):
                self.look(resident)
        elif not self.moving.keep(read) and read.dest not in self._over:
            rank = self.where.next(read.dest)
            if rank is not None and read.dest not in self.outcomes:
                self.post.send(rank, read)

    # --- tasks come, go and end

    def add(self, luggage: Luggage, begin: partial[Any]) -> None:
        """A task is here that has not begun."""
        self.residents.add(Resident(luggage, begin=begin))
        self.where.here(luggage)
        self._send_kept(luggage.id)

    def _arrived(self, resident: Resident) -> None:
        self.events += 1
        luggage = resident.luggage
        self.residents.add(resident)
        self.where.here(luggage)
        home = self.where.home(luggage.id)
        if home != self.rank:
            self.post.send(home, ("at", luggage.id, self.rank, luggage.moves))
        self._send_kept(luggage.id)
        if luggage.wait is not None:
            self.look(resident)

    def _left(self, luggage: Luggage, dest: int, mail: Mail) -> None:
        self.events += 1
        self.where.learn(luggage.id, dest, luggage.moves + 1)
        self._pass_on(mail)

    def _stayed(self, resident: Resident, mail: Mail) -> None:
        self.events += 1
        self.residents.add(resident)
        self._pass_on(mail)
        self.look(resident)

    def _pass_on(self, mail: Mail) -> None:
        for each in mail:
            if isinstance(each, Letter):
                self._deliver(self.rank, each)
            else:
                self._learn_read(each)

    def ended(self, luggage: Luggage, ended: Ended) -> None:
        """A task has ended here; tell its home what it returned."""
        self._over.add(luggage.id)
        self.where.kept(luggage.id)
        self._tell_unread(luggage)
        outcome = outcomes.of(luggage, ended)
        home = self.where.home(luggage.id)
        if home == self.rank:
            self._learn_outcome(luggage.id, outcome)
        else:
            self.post.send(home, ("outcome", luggage.id, outcome.data))

    def _learn_outcome(self, task: int, outcome: Outcome) -> None:
        if self.where.home(task) == self.rank:
            self.outcomes[task] = outcome
            for rank in self._askers.pop(task, ()):
                outcome.asked = True
                if rank != self.rank:
                    self.post.send(rank, ("outcome", task, outcome.data))
        for waiting in self._awaiting.pop(task, ()):
            resident = self.residents.get(waiting)
            if resident is not None and resident.luggage.wait == AwaitOutcome(task):
                outcome.asked = True
                self.residents.wake(resident, *outcome.get())

    # --- from one run to the next

    def restore(self, cut: Cut) -> None:
        """Take over what this rank has of an epoch.

        Tasks have sent each other as much as the mailbox held then, and may wait for what another
        one sends after that: it holds no less now.
        """
        self._mailbox = max(self._mailbox, cut.mailbox)
        self.outcomes = cut.outcomes
        for task, rank, moves in cut.whereabouts:
            self.where.learn(task, rank, moves)
        for resident in cut.residents:
            self.residents.add(resident)
            self.where.here(resident.luggage)
        for letter in cut.letters:
            self._deliver(self.rank, letter)
        for resident in cut.residents:
            if resident.luggage.wait is not None:
                self.look(resident)

    def cut(self, following: int, measured: dict[int, float]) -> Cut:
        """What is to be stored of it, now that nothing is under way; see `Cut`."""
        letters = self.where.letters()
        return Cut(
            list(self.residents),
            self.outcomes,
            letters,
            following,
            self._mailbox,
            measured=measured,
        )
