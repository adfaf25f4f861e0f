"""Rounds of load balancing: the ranks measure, agree that a round pays, and move tasks.

A round goes through all of this while tasks run; nothing in it waits for another rank:

    due         rank 0 finds that it is time to, and says so in the next count over all ranks
    measuring   each rank gives to all what its tasks took since the last time
    moving      each makes the same plan, and sends its own tasks where that says
    telling     a count says that all have left: each gives to all what it sent

A task moves while it is suspended, without knowing. One that cannot be captured, or that the other
rank refuses, stays, and in the next round the strategy is told so.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

from mpi4py import MPI

from sauerkraut.checkpoint.reports import Reports
from sauerkraut.errors import MigrationError
from sauerkraut.mpi.tasks.balance import TOLERANCE, Load, Plan, imbalance, of_ranks
from sauerkraut.mpi.tasks.census import BUSY_GAP, Count
from sauerkraut.mpi.tasks.gathering import Gathering
from sauerkraut.mpi.tasks.moving import Moving
from sauerkraut.mpi.tasks.options import Options
from sauerkraut.mpi.tasks.residents import Residents
from sauerkraut.mpi.tasks.task import Luggage, Resident
from sauerkraut.mpi.transfer import Sending

LEAST_GAP = 0.2
"""Seconds between two looks at the loads, at least, with ``every="auto"``."""
LOOKING = 0.01
"""The part of the time that looking may take then."""
KNOWN = 100_000_000, 0.1
"""Bytes, and seconds they took, that count as moved before any were: until more is known."""


@dataclass(frozen=True, slots=True)
class Round:
    """What a round of load balancing did; the same on every rank."""

    at: float
    """Seconds since `TaskPool.run` began, on rank 0, when its moves began."""
    tasks: int
    """How many there were that had begun."""
    before: float
    """The largest load of a rank over the average of all, minus 1: as it was measured."""
    after: float
    """The same as the plan would have it, where tasks go on as they did."""
    moves: int
    """Tasks that another rank has accepted."""
    stayed: int
    """Tasks that were to move and could not be captured, or were refused."""
    nbytes: int
    """Bytes that were sent with those that moved."""
    seconds: float
    """From the plan until the last of them was accepted, on the rank where that took longest."""
    why: str = ""
    """Of a task that cannot move: its name, and what of it; "" where all could."""

    def __str__(self) -> str:
        stayed = f", {self.stayed} could not" if self.stayed else ""
        return (
            f"load balancing at {self.at:.1f} s: "
            f"max/avg - 1 {self.before:.2f} -> {self.after:.2f}, "
            f"{self.moves} of {self.tasks} tasks moved{stayed}, "
            f"{self.nbytes / 1e6:.1f} MB in {self.seconds:.2f} s"
        )


@dataclass(frozen=True, slots=True)
class _Measured:
    """What one rank has measured of one task."""

    moves: int
    """That it had made: of two ranks, the one where it was later knows where it is."""
    load: Load


@dataclass(slots=True)
class _Part:
    """What one rank has done in a round, so far."""

    at: float
    tasks: int
    before: float
    after: float
    planned: int
    moves: int = 0
    stayed: int = 0
    nbytes: int = 0
    seconds: float = 0.0
    why: str = ""


class Balancing:
    """Load balancing as one rank takes part in it; `counted` is what keeps the ranks together.

    Args:
        comm: The ranks; a duplicate is made of it, where there is something to balance.
        residents: The tasks that are here.
        moving: Takes them elsewhere.
        options: When and how.
    """

    def __init__(
        self, comm: MPI.Intracomm, residents: Residents, moving: Moving, options: Options
    ) -> None:
        self.rounds: list[Round] = []
        """Those that were completed."""
        self._rank: int = comm.Get_rank()
        self._size: int = comm.Get_size()
        self._strategy = options.strategy if self._size > 1 else None
        self._every = options.every
        self._comm: MPI.Intracomm | None = None if self._strategy is None else comm.Dup()
        self._residents = residents
        self._moving = moving
        self._reports = Reports(self._rank, quiet=False)
        self._gathering: Gathering | None = None
        self._part: _Part | None = None  # None: no round moves tasks
        self._to_leave: dict[int, int] = {}
        self._leaving: dict[int, Sending] = {}
        self._stays: set[int] = set()
        self._why = ""  # that one of them does
        self._window: list[Load] = []  # of all ranks, since the last round
        self._moved = KNOWN
        self._began = self._planned = self._next = self._looking = 0.0
        self._steps, self._steps_measured = 0, 0
        self._still = False

    # --- what the loop of the rank calls

    def begin(self) -> None:
        """Tasks begin to run."""
        self._began = time.monotonic()
        self._next = self._began + (self._every or LEAST_GAP)

    @property
    def due(self) -> int:
        """1 on rank 0 when it is time to measure."""
        if self._rank or self._strategy is None or self._gathering or self._part:
            return 0
        # Only when tasks have run since, or looking for a deadlock would not come to an end.
        return int(self._steps != self._steps_measured and time.monotonic() >= self._next)

    @property
    def under_way(self) -> int:
        """How much there is to do here until all tasks of a round have left."""
        measuring = self._gathering is not None and self._part is None
        return measuring + len(self._to_leave) + len(self._leaving)

    def counted(self, found: Count, *, still: bool = False) -> None:
        """Begin what the ranks have agreed on: each comes here with the same counts in turn.

        Args:
            found: The count.
            still: Whether all tasks are to stand still, the same on every rank: no round begins,
                and those that a round has not sent yet stay.
        """
        self._steps, self._still = found.steps, still
        if still:
            self._to_leave.clear()
        if found.due and not still:
            self._complete()  # rank 0 knows already what was told in the last round
            self._measure()
        elif self._part is not None and self._gathering is None and not found.balancing:
            self._tell(self._part)

    def progress(self) -> bool:
        """Go on with what is under way; whether anything happened."""
        if not self._leaving and self._gathering is None:
            return False
        done = [task for task, sending in self._leaving.items() if sending.done]
        for task in done:
            self._has_left(task, self._leaving.pop(task))
        gathered = None if self._gathering is None else self._gathering.test()
        if gathered is not None:
            self._gathered(gathered)
        return bool(done) or gathered is not None

    def served(self, resident: Resident) -> None:
        """A task has had its turn."""
        if resident.luggage.id in self._to_leave:
            self._let_go(resident.luggage.id)

    def finish(self) -> None:
        """No task runs, or could run: complete what has begun. Collective."""
        self._complete()
        if self._part is not None:
            self._to_leave.clear()
            self._tell(self._part)
            self._complete()

    def measured(self) -> dict[int, float]:
        """Seconds of tasks on all ranks, as measured since the last round: by their ids."""
        return {each.task: each.seconds for each in self._window}

    def close(self) -> None:
        """Free what it has. Collective."""
        if self._comm is not None and not MPI.Is_finalized():
            self._comm.Free()

    # --- measuring

    def _measure(self) -> None:
        began = time.thread_time()
        measured = []
        for resident in self._residents:
            luggage = resident.luggage
            if resident.begin is None:
                self._weigh(resident)
                stays = luggage.id in self._stays
                load = (luggage.id, self._rank, luggage.load, luggage.nbytes, luggage.traffic)
                measured.append(_Measured(luggage.moves, Load(*load, stays=stays)))
                luggage.load, luggage.traffic = 0.0, {}
        self._stays.clear()
        self._steps_measured = self._steps
        self._looking = time.thread_time() - began
        self._gather(measured)

    def _forget(self) -> None:
        """Begin anew: while tasks were on their way, those that wait for them did not run."""
        for resident in self._residents:
            resident.luggage.load, resident.luggage.traffic = 0.0, {}
        self._set_next()

    def _set_next(self) -> None:
        # Of a time when all ranks have measured, so that none measures for less than that.
        gap = max(LEAST_GAP, self._looking / LOOKING) if self._every is None else self._every
        self._next = time.monotonic() + gap

    def _weigh(self, resident: Resident) -> None:
        """Find out what a task would send, where that is not known."""
        luggage = resident.luggage
        if luggage.nbytes or not luggage.load or resident.greenlet is None:
            return
        captured = self._residents.capture(resident)
        captured.original.forget()
        if captured.snapshot is None:
            self._cannot(luggage, captured.error)
        else:
            luggage.nbytes = captured.snapshot.nbytes
            captured.snapshot.release()

    def _gather(self, value: object) -> None:
        assert self._comm is not None, "there is something to balance"
        self._gathering = Gathering(self._comm, value)

    def _complete(self) -> None:
        if self._gathering is not None:
            self._gathered(self._gathering.wait())

    def _gathered(self, values: list[Any]) -> None:
        self._gathering = None
        if self._part is not None:
            self._part = None
            self._report(values)
            return
        began = time.thread_time()
        self._window = _added(self._window, [each for some in values for each in some])
        self._move(self._plan())
        self._looking += time.thread_time() - began
        self._set_next()

    # --- moving

    def _plan(self) -> Plan:
        """Where tasks go; nothing when that does not pay."""
        assert self._strategy is not None, "there is something to balance"
        loads = self._window
        before = of_ranks(loads, self._size)
        if self._every is None and imbalance(before) <= TOLERANCE:
            return {}
        plan = _checked(self._strategy(loads, self._size), loads, self._size)
        if self._every is None:
            nbytes, seconds = self._moved
            moved = sum(each.nbytes for each in loads if each.task in plan)
            gain = max(before) - max(of_ranks(loads, self._size, plan))
            if gain < BUSY_GAP + moved * seconds / nbytes:
                return {}
        return plan

    def _move(self, plan: Plan) -> None:
        self._planned = time.monotonic()
        loads = self._window
        before, after = of_ranks(loads, self._size), of_ranks(loads, self._size, plan)
        at = self._planned - self._began
        self._part = _Part(at, len(loads), imbalance(before), imbalance(after), len(plan))
        if self._still:
            return
        self._to_leave = {task: dest for task, dest in plan.items() if dest != self._rank}
        for task in list(self._to_leave):
            self._let_go(task)

    def _let_go(self, task: int) -> None:
        """Send a task to another rank if it can be now; else it is tried after its next turn."""
        resident = self._residents.get(task)
        if resident is None or resident.begin is not None:
            del self._to_leave[task]  # it is elsewhere, has ended, or moves by itself
        elif resident.value is not None or resident.error is not None:
            return  # its call returns or raises that in its next turn, which comes soon
        elif resident.greenlet is not None:
            dest = self._to_leave.pop(task)
            captured = self._residents.capture(resident)
            sending = self._moving.send(resident, captured, dest, asked=False)
            if sending is not None:
                self._leaving[task] = sending
            else:
                captured.original.forget()
                self._cannot(resident.luggage, captured.error)
                self._has_stayed()
        elif resident.luggage.wait is not None:  # it has come to wait here, and has not run yet
            del self._to_leave[task]

    def _has_left(self, task: int, sending: Sending) -> None:
        if sending.refused:
            self._stays.add(task)
            self._has_stayed()
        elif self._part is not None:
            self._part.moves += 1
            self._part.nbytes += sending.nbytes
            self._part.seconds = time.monotonic() - self._planned

    def _cannot(self, luggage: Luggage, error: BaseException | None) -> None:
        self._stays.add(luggage.id)
        self._why = self._why or f"{luggage.name!r} cannot be captured: {error}"

    def _has_stayed(self) -> None:
        if self._part is not None:
            self._part.stayed += 1

    # --- telling

    def _tell(self, part: _Part) -> None:
        part.why, self._why = self._why, ""
        self._gather(part)

    def _report(self, parts: list[_Part]) -> None:
        first = parts[0]
        why = next((each.why for each in parts if each.why), "")
        if why and first.before > TOLERANCE:
            self._reports.warn(f"load balancing: {why}", once="why")
        if self._every is not None or first.planned:
            done = Round(
                first.at,
                first.tasks,
                first.before,
                first.after,
                sum(each.moves for each in parts),
                sum(each.stayed for each in parts),
                sum(each.nbytes for each in parts),
                max(each.seconds for each in parts),
                why,
            )
            self.rounds.append(done)
            if done.moves or done.stayed:
                self._reports.tell(str(done))
            self._moved = self._moved[0] + done.nbytes, self._moved[1] + done.seconds
            if done.moves:
                self._forget()
        elif first.before > TOLERANCE:
            return  # what is lost adds up until a round pays
        self._window = []


def _added(before: list[Load], measured: list[_Measured]) -> list[Load]:
    """The loads of the tasks that there are, with those measured before, by their numbers."""
    found: dict[int, _Measured] = {}
    earlier = {each.task: each for each in before}
    for each in measured:
        other = found.get(each.load.task)
        last, first = (each, other) if other is None or each.moves >= other.moves else (other, each)
        load = last.load if first is None else _sum(last.load, first.load)
        found[load.task] = _Measured(last.moves, load)
    return [
        _sum(found[task].load, earlier[task]) if task in earlier else found[task].load
        for task in sorted(found)
    ]


def _sum(load: Load, earlier: Load) -> Load:
    traffic = dict(earlier.traffic)
    for task, nbytes in load.traffic.items():
        traffic[task] = traffic.get(task, 0) + nbytes
    return replace(load, seconds=load.seconds + earlier.seconds, traffic=traffic)


def _checked(plan: Plan, loads: list[Load], ranks: int) -> Plan:
    """What is to move. Raises MigrationError when a strategy of the user's says what cannot be."""
    at = {each.task: each.rank for each in loads}
    for task, rank in plan.items():
        if task not in at or rank not in range(ranks):
            raise MigrationError(
                f"the strategy sends task {task!r} to rank {rank!r}: it was given {len(at)} tasks, "
                f"and ranks are 0 to {ranks - 1}"
            )
    return {task: int(rank) for task, rank in plan.items() if rank != at[task]}
