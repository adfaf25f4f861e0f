"""Stacks on their way: from the rank where a task waits to the one where it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from sauerkraut.errors import MigrationError
from sauerkraut.mpi.tasks import contexts
from sauerkraut.mpi.tasks.record import resident_of
from sauerkraut.mpi.tasks.residents import Residents
from sauerkraut.mpi.tasks.switching import Captured
from sauerkraut.mpi.tasks.task import Letter, Luggage, Read, Resident
from sauerkraut.mpi.transfer import Channel, Receiving, Sending

Mail = Sequence[Letter | Read]


@dataclass(slots=True)
class _Departure:
    """A task that is on its way to another rank; it neither runs nor waits here."""

    resident: Resident
    captured: Captured
    dest: int
    sending: Sending
    asked: bool
    """Whether the task itself asked to move, and so is told when it cannot."""
    letters: list[Letter] = field(default_factory=list)
    """Messages for it that have come since its stack was captured."""
    reads: list[Read] = field(default_factory=list)
    """What it is to be told of its own messages since then."""


class Moving:
    """The tasks that leave this rank, and those that come.

    Args:
        channel: Carries them.
        residents: Those that are here.
        arrived: Told of each that is here now.
        left: Told of each that another rank has accepted, with mail to send after it.
        stayed: Told of each that another rank refused, with mail that has come for it.
    """

    def __init__(
        self,
        channel: Channel,
        residents: Residents,
        arrived: Callable[[Resident], None],
        left: Callable[[Luggage, int, Mail], None],
        stayed: Callable[[Resident, Mail], None],
    ) -> None:
        self._channel = channel
        self._residents = residents
        self._arrived = arrived
        self._left = left
        self._stayed = stayed
        self._departures: dict[int, _Departure] = {}
        self._coming: list[Receiving] = [channel.irecv(hold=True)]
        self.moves = 0
        """Tasks that have left."""
        self.nbytes = 0
        """Bytes that were sent with them."""

    @property
    def under_way(self) -> int:
        """Tasks that this rank sends, and that are not yet accepted."""
        return len(self._departures)

    @property
    def busy(self) -> bool:
        """Whether a stack is on its way, from here or to here."""
        return bool(self._departures) or len(self._coming) > 1

    @property
    def flowing(self) -> bool:
        """Whether blocks are on their way, from here or to here."""
        return any(each.flowing for each in self._under_way())

    def push(self) -> None:
        """Let MPI carry the blocks that are on their way, for a short while."""
        for each in self._under_way():
            if each.flowing:
                each.push()

    def _under_way(self) -> Iterator[Sending | Receiving]:
        if self.busy:
            yield from self._coming
            yield from (each.sending for each in self._departures.values())

    def send(
        self, resident: Resident, captured: Captured, dest: int, *, asked: bool = True
    ) -> Sending | None:
        """Let a task go on at rank ``dest``; if it ``asked`` to and cannot, it raises why.

        Returns:
            What tells whether it has left; None: it cannot be captured, and stays.
        """
        if captured.snapshot is None:
            if asked:
                self._tell(resident, f"it cannot be captured: {captured.error}", captured.error)
            return None
        sending = self._channel.isend(captured.snapshot, dest)
        self._residents.remove(resident)
        self._departures[resident.luggage.id] = _Departure(resident, captured, dest, sending, asked)
        return sending

    @property
    def exposed(self) -> bool:
        """Whether arrays are to go out, which no other task must change meanwhile."""
        leaving = self._departures
        return bool(leaving) and any(each.sending.exposed for each in leaving.values())

    def keep(self, mail: Letter | Read) -> bool:
        """Keep a letter for a task that is on its way, or what it is to be told; whether it is."""
        leaving = self._departures.get(mail.dest)
        if leaving is None:
            return False
        if isinstance(mail, Letter):
            leaving.letters.append(mail)
        else:
            leaving.reads.append(mail)
        return True

    def progress(self) -> bool:
        """Go on with what is on its way; whether a task has come or gone."""
        happened = False
        self._channel.progress()
        for task, leaving in list(self._departures.items()):
            try:
                if not leaving.sending.look():
                    continue
            except MigrationError as error:
                self._comes_back(task, leaving, error)
            else:
                self._is_gone(task, leaving)
            happened = True
        while self._take_in():
            happened = True
        return happened

    def _take_in(self) -> bool:
        """Take in what comes; whether a task has begun to come, or is here."""
        newest = self._coming[-1]
        try:
            if newest.look():
                self._coming[-1] = self._channel.irecv(hold=True)
                self._settle(newest)
                return True
        except MigrationError:  # the sender was told, and goes on with the task
            self._coming[-1] = self._channel.irecv(hold=True)
            return True
        if newest.begun:  # its blocks are to come; others may come meanwhile
            self._coming.append(self._channel.irecv(hold=True))
            return True
        for each in self._coming[:-1]:
            if each.look():
                self._coming.remove(each)
                self._settle(each)
                return True
        return False

    def _settle(self, receiving: Receiving) -> None:
        """Make the task here, and only then take it over."""
        snapshot = receiving.snapshot
        assert snapshot is not None, "it is here"
        nbytes = snapshot.nbytes
        try:
            context = contexts.of_program()
            thawed = context.run(snapshot.thaw)
            thawed.check()
            resident = resident_of(thawed.values, context)
            context.run(thawed.touch_files)
        except Exception as error:  # noqa: BLE001 - the task raises it where it stays
            receiving.refuse(f"{type(error).__name__}: {error}")
            return
        luggage, resident.arrived = resident.luggage, thawed
        luggage.moves += 1
        luggage.nbytes = nbytes
        self._arrived(resident)
        receiving.accept()
        late = self._departures.get(luggage.id)
        if late is not None:  # it is back before we heard that it was accepted where it went
            late.sending.wait()
            self._is_gone(luggage.id, late)

    def _is_gone(self, task: int, leaving: _Departure) -> None:
        del self._departures[task]
        self.moves += 1
        self.nbytes += leaving.sending.nbytes
        luggage, leaving.resident.original = leaving.resident.luggage, leaving.captured.original
        assert leaving.captured.snapshot is not None, "it was sent"
        leaving.captured.snapshot.release()
        self._residents.end(leaving.resident)
        self._left(luggage, leaving.dest, [*leaving.letters, *leaving.reads])

    def _comes_back(self, task: int, leaving: _Departure, error: MigrationError) -> None:
        del self._departures[task]
        leaving.captured.original.forget()
        assert leaving.captured.snapshot is not None, "it was sent"
        leaving.captured.snapshot.release()
        if leaving.asked:
            self._tell(leaving.resident, str(error), error)
        self._stayed(leaving.resident, [*leaving.letters, *leaving.reads])

    def _tell(self, resident: Resident, why: str, error: BaseException | None) -> None:
        raised = MigrationError(
            f"{resident.luggage.name!r} stays at rank {self._channel.rank}: {why}"
        )
        raised.__cause__ = error
        resident.error = raised
