"""The turn of each task on one rank, and what the ranks agree on meanwhile: to end, to stand still.

Each rank runs its tasks one after the other, and looks in between at what comes. By the counts of
the `census`, which all ranks see alike, they end together, or let all tasks stand still for
whatever needs that, or find that none can go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sauerkraut.checkpoint import leaving
from sauerkraut.errors import Deadlock, RankError
from sauerkraut.group import Group
from sauerkraut.mpi import wire
from sauerkraut.mpi.tasks import outcomes, standing
from sauerkraut.mpi.tasks.census import Census, Count
from sauerkraut.mpi.tasks.delivery import Delivery
from sauerkraut.mpi.tasks.rounds import Balancing
from sauerkraut.mpi.tasks.switching import Ended, Moves, Request, Waits
from sauerkraut.mpi.tasks.task import Resident
from sauerkraut.wording import counted

MOST_TOLD = 8
"""Tasks that the error of a deadlock names."""
SPIN_TIME = 2e-3
"""Seconds without anything to do until a rank begins to sleep between its looks."""


class Turns:
    """What one rank does while tasks run.

    Args:
        group: The ranks.
        census: Counts over them.
        delivery: Of this rank.
        balancing: Moves tasks to even out loads.
    """

    def __init__(
        self, group: Group, census: Census, delivery: Delivery, balancing: Balancing
    ) -> None:
        self._group = group
        self._census = census
        self._delivery = delivery
        self._balancing = balancing
        self._residents = delivery.residents

    def take(
        self, *, wished: Callable[[], bool], stand_still: Callable[[], None], until_still: bool
    ) -> None:
        """Run until all tasks have ended. Collective.

        Args:
            wished: Whether this rank wants all tasks to stand still.
            stand_still: Called then on all ranks; afterwards tasks run on.
            until_still: Run none: return when nothing is under way between ranks.

        Raises:
            Deadlock: on every rank: all that are left wait for what can never come.
            RankError: on every rank: some do not run tasks but close the pool.
        """
        try:
            self._take(wished, stand_still, until_still=until_still)
        except (Deadlock, RankError):  # on every rank
            raise
        except BaseException as error:  # the other ranks would wait for ever
            if self._group.size > 1:
                leaving.fail(self._group, error)
            raise

    def astray(self) -> str:
        """Tells of messages to tasks that were never spawned, if there are any. Collective.

        At rest they are with the home of such a task, and nowhere else.
        """
        found = self._group.allgather(self._delivery.where.astray())
        texts = [text for some in found for text in some]
        if not texts:
            return ""
        more = len(texts) - MOST_TOLD
        told = [*texts[:MOST_TOLD], *([f"and {more} more"] if more > 0 else [])]
        return f"messages for tasks that were never spawned: {', '.join(told)}"

    def leave(self) -> None:
        """Take part in a last count. Collective.

        Raises:
            RankError: on every rank: others run tasks.
        """
        leaves = Count(0, 0, 0, 0, 0, 0, leaving=1)
        began = time.monotonic()
        while (found := self._census.ask(lambda: leaves)) is None:
            wire.rest(time.monotonic() - began)
        if found.leaving < self._group.size:
            raise _left(found)

    def _take(
        self, wished: Callable[[], bool], stand_still: Callable[[], None], *, until_still: bool
    ) -> None:
        delivery, moving = self._delivery, self._delivery.moving
        before: Count | None = None
        still = until_still
        idle_since = time.monotonic()
        if not until_still:
            self._balancing.begin()
        while True:
            came = delivery.progress()
            came |= self._balancing.progress()
            # What is on its way shares arrays with nobody who could change them.
            stays = still or moving.exposed
            resident = None if stays else self._residents.next()
            if resident is not None:
                self._serve(resident, self._residents.run(resident))
                self._balancing.served(resident)
                idle_since = time.monotonic()
            found = self._census.ask(lambda: self._count(wished()))
            if found is not None:
                if found.leaving:
                    raise _left(found)
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
                    stand_still()
                    before, still = None, False
            if came or found is not None:
                idle_since = time.monotonic()
            elif resident is None:
                if moving.flowing:
                    moving.push()
                    idle_since = time.monotonic()
                wire.rest(max(time.monotonic() - idle_since - SPIN_TIME, 0.0))

    def _count(self, wished: bool) -> Count:
        delivery, balancing = self._delivery, self._balancing
        return Count(
            alive=len(self._residents),
            runnable=self._residents.runnable,
            sent=delivery.post.sent,
            received=delivery.post.received,
            moving=delivery.moving.under_way,
            events=self._residents.steps + delivery.events,
            wishes=wished,
            steps=self._residents.steps,
            due=balancing.due,
            balancing=balancing.under_way,
        )

    def _serve(self, resident: Resident, request: Request) -> None:
        """Do what a task asked for."""
        match request:
            case Ended():
                self._residents.remove(resident)
                self._delivery.ended(resident.luggage, request)
            case Moves(dest):
                captured = self._residents.capture(resident)
                self._delivery.moving.send(resident, captured, dest)
                if resident.error is not None:
                    self._residents.wake(resident, error=resident.error)
            case Waits(wait):
                resident.luggage.wait = wait
                self._delivery.look(resident)
            case _:
                self._residents.wake(resident)

    def _raise_deadlock(self) -> None:
        failed = list(outcomes.unheard(self._delivery.outcomes))
        raised = [f"{name!r} raised {type(error).__name__}: {error}" for name, error in failed]
        waiting = [
            f"{each.luggage.name!r}{standing.of(each)} waits for {each.luggage.wait}"
            for each in self._residents
        ]
        found = self._group.allgather((raised[:MOST_TOLD], waiting[:MOST_TOLD], len(waiting)))
        told = [text for texts, _, _ in found for text in texts][:MOST_TOLD]
        left = [text for _, texts, _ in found for text in texts][:MOST_TOLD]
        more = sum(count for _, _, count in found) - len(left)
        told += [*left, *([f"and {more} more wait"] if more else [])]
        astray = self.astray()
        told += [astray] if astray else []
        cause = failed[0][1] if failed else None
        raise Deadlock(f"no task can go on: {'; '.join(told)}") from cause


def _left(found: Count) -> RankError:
    many = counted(found.leaving, "rank")
    return RankError(f"{many} closed the TaskPool while others run() it: all ranks call run()")
