"""How ranks decide together: one reduction, started at an agreed call and completed at the next.

Every collective call of the Checkpointer (the start and the end of ``run``, ``poll``,
``checkpoint``, ``close``) posts the same record to the same operation. So calls that do not belong
together meet in an error that names them, and never in collectives that cannot match.

A record is a list of 64-bit integers reduced by MAX. What must be equal on all ranks is sent twice,
once negated: the largest value and the smallest, which differ when any rank differs. A rank that
is leaving or has failed, altogether or in a part, is neutral there. Flags are one field each, since
MAX of bits is no OR.
"""

from __future__ import annotations

import hashlib
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag, auto
from types import FrameType

from sauerkraut.errors import RankError
from sauerkraut.group import Group, Pending

NEUTRAL = -(2**63) + 1  # below every value, and its negation is a 64-bit integer
RUN_TIME_SHARE = 0.001
FREE = 2**62  # polls until a consensus that never comes


class Kind(IntEnum):
    """Which call posted a record."""

    START = 1
    POLL = 2
    CHECKPOINT = 3
    CLOSE = 4
    LEAVING = 5
    FAILED = 6
    PART = 7
    FAILED_PART = 8


NAMES = {
    Kind.START: "run",
    Kind.CLOSE: "close or end of program",
    Kind.LEAVING: "end of run",
    Kind.FAILED: "failure",
    Kind.PART: "end of a part",
    Kind.FAILED_PART: "failure of a part",
}
NEUTRAL_KINDS = (Kind.LEAVING, Kind.FAILED, Kind.FAILED_PART)
"""Calls that go with any of the others'."""


class Flags(IntFlag):
    """What a rank asks for or tells; a consensus yields those that any rank set."""

    DUE = auto()
    STOP = auto()
    GO_ON = auto()
    REFUSED = auto()
    """The rehearsal found something on this rank that cannot be captured."""
    SUPERSEDED = auto()
    """Another incarnation has taken the directory over."""
    OVERDUE = auto()
    """The function given to ``run`` has taken longer than it may on this rank."""
    FAILED_PART = auto()
    """A part of it that all ranks end together has failed on this rank."""


NONE = Flags(0)


@dataclass(frozen=True, slots=True)
class Call:
    """One collective call, as it must agree on all ranks."""

    kind: Kind
    polls: int = 0
    """Polls of this run up to and including this call."""
    step: float | None = None
    """What the program passed as ``step``."""
    site: str = ""
    """The calling function and line, as in ``relax (heat2d.py:81)``."""

    def __str__(self) -> str:
        name = NAMES.get(self.kind, self.kind.name.lower())
        where = f" in {self.site}" if self.site else ""
        step = "" if self.step is None else f", step {self.step:.12g}"
        poll = f" {self.polls}" if self.kind is Kind.POLL else ""
        after = f" after {self.polls} polls" if self.kind is Kind.PART else ""
        return f"{name}{poll}{where}{step}{after}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What all ranks know after a consensus; equal on all of them."""

    flags: Flags = NONE
    leaving: bool = False
    """Some rank has left the function given to ``run``."""
    failed: bool = False
    """On some rank an exception left it."""
    active: bool = True
    """Some rank is neither."""
    poll_seconds: float = 0.0
    """Seconds between two polls since the consensus before, on the slowest rank."""
    cost_seconds: float = 0.0
    """Seconds the consensus before took, on the rank where it took longest."""


@dataclass(slots=True)
class Consensus:
    """The consensus of one rank and the number of polls until the next one.

    Args:
        group: The ranks.
        latency: Seconds from a signal to the agreement to act on it, at most.
    """

    group: Group
    latency: float
    gap: int = 0
    """Polls from the last consensus to the next, the same on every rank; 0 before the first."""
    completed: int = 0
    """How many have been completed in this run."""
    posted_poll: int = 0
    """Number of the poll at which the last one was posted."""
    disagreed: bool = False
    """Whether the ranks' calls have differed; they may have polled unequally often since."""
    unlike_part: RankError | None = None
    """Raised on this rank for another call where others ended a part: they do not wait for it."""
    _pending: Pending | None = None
    _call: Call = field(default_factory=lambda: Call(Kind.START))
    _posted_at: float = 0.0
    _poll_seconds: float = 0.0
    _cost: float = 0.0

    @property
    def outstanding(self) -> bool:
        """Whether one was posted and not completed."""
        return self._pending is not None

    def post(self, call: Call, flags: Flags = NONE, began: float | None = None) -> None:
        """Start the next consensus; returns at once. Collective, as is every call here.

        Args:
            call: What this rank calls.
            flags: What it has to say.
            began: Monotonic time since when this consensus costs something; None: now.
        """
        now = time.monotonic() if began is None else began
        if call.polls > self.posted_poll and self._posted_at > 0:
            self._poll_seconds = (now - self._posted_at) / (call.polls - self.posted_poll)
        self.posted_poll, self._posted_at = call.polls, now
        self.begin(call, flags)
        self._cost = time.monotonic() - now

    def restart_clock(self, polls: int) -> None:
        """Leave the time up to now, which a checkpoint took, out of what a poll takes."""
        self.posted_poll, self._posted_at = polls, time.monotonic()

    def complete(self, timeout: float | None = None) -> Outcome:
        """Wait for all ranks to have posted theirs; return what they decided.

        Args:
            timeout: Seconds to wait at most; None waits as long as it takes.

        Raises:
            RankError: on all ranks, when the calls do not belong together; names them. Nothing is
                outstanding afterwards.
            TimeoutError: not every rank came in time; the consensus stays outstanding.
        """
        if self._pending is None:
            raise RuntimeError("no consensus is outstanding")
        began = time.monotonic()
        largest = self._pending.wait(timeout)
        self._cost += time.monotonic() - began
        self._pending = None
        self.completed += 1
        if differs(largest):
            calls = self.group.allgather((self._call, sys.argv[0]))
            error = mismatch(calls)
            self.disagreed = True
            if self._call.kind is not Kind.PART and any(c.kind is Kind.PART for c, _ in calls):
                self.unlike_part = error
            raise error
        return decode(largest)

    def agree(self, call: Call, flags: Flags = NONE, timeout: float | None = None) -> Outcome:
        """Do one consensus at once, outside the rhythm of polls. Raises as `complete` does."""
        self.begin(call, flags)
        return self.complete(timeout)

    def begin(self, call: Call, flags: Flags) -> None:
        """Start one outside the rhythm of polls; returns at once."""
        self._call = call
        self.group.where = str(call)
        record = encode(call, flags, self._poll_seconds, self._cost)
        self._pending = self.group.begin_consensus(record)

    def choose_gap(self, outcome: Outcome) -> int:
        """Choose, from what all ranks know, how many polls later the next one starts.

        The smallest gap that keeps the cost at a thousandth of the run time; at most double the
        one before; and never more than brings a signal to effect within the latency, which takes
        the gap and one poll more.
        """
        doubled = max(1, 2 * self.gap)
        by_latency = by_cost = doubled
        if outcome.poll_seconds > 0:
            by_cost = math.ceil(
                min(outcome.cost_seconds / (RUN_TIME_SHARE * outcome.poll_seconds), FREE)
            )
            by_latency = int(min(self.latency / outcome.poll_seconds, FREE)) - 1
        self.gap = max(1, min(by_cost, doubled, by_latency))
        return self.gap


def site(frame: FrameType) -> str:
    """Name a call for people and for comparison, as in ``relax (heat2d.py:81)``."""
    code = frame.f_code
    return f"{code.co_qualname} ({code.co_filename.rpartition('/')[2]}:{frame.f_lineno})"


def encode(call: Call, flags: Flags, poll_seconds: float, cost_seconds: float) -> list[int]:
    """Return the record of ``call``; see the module."""
    neutral = call.kind in NEUTRAL_KINDS
    record: list[int] = []
    for value in (call.kind, call.polls, _number(call.step), _digest(call.site)):
        record += [NEUTRAL, NEUTRAL] if neutral else [value, -value]
    record += [
        call.kind not in (Kind.LEAVING, Kind.FAILED),
        call.kind is Kind.LEAVING,
        call.kind is Kind.FAILED,
        int(poll_seconds * 1e9),
        int(cost_seconds * 1e9),
    ]
    return [int(value) for value in (*record, *(flag in flags for flag in Flags))]


def differs(largest: Sequence[int]) -> bool:
    """Whether the ranks that are neither leaving nor failed made different calls."""
    return largest[0] != NEUTRAL and any(largest[i] != -largest[i + 1] for i in range(0, 8, 2))


def decode(largest: Sequence[int]) -> Outcome:
    """Read a reduced record."""
    flags = NONE
    for flag, value in zip(Flags, largest[13:], strict=True):
        if value:
            flags |= flag
    return Outcome(
        flags,
        active=bool(largest[8]),
        leaving=bool(largest[9]),
        failed=bool(largest[10]),
        poll_seconds=largest[11] / 1e9,
        cost_seconds=largest[12] / 1e9,
    )


def mismatch(calls: Sequence[tuple[Call, str]]) -> RankError:
    """Name the calls that should have been the same.

    Args:
        calls: Of each rank, and the program that it runs.
    """
    ranks_of: dict[str, list[int]] = {}
    for rank, (call, _) in enumerate(calls):
        ranks_of.setdefault(str(call), []).append(rank)
    named = "; ".join(f"{_ranks(ranks)}: {call}" for call, ranks in ranks_of.items())
    advice = "call poll and checkpoint equally often, at the same place, on every rank"
    programs: dict[str, list[int]] = {}
    for rank, (_, program) in enumerate(calls):
        programs.setdefault(program, []).append(rank)
    if len(programs) > 1:
        run = ", ".join(f"{name} on {_ranks(ranks)}" for name, ranks in programs.items())
        advice = (
            f"they run different programs, {run}: give each a communicator of its ranks alone "
            "(Split) and a directory"
        )
    elif all(call.kind in (Kind.POLL, Kind.LEAVING) for call, _ in calls):
        advice += "; a task farm polls between batches, or is made a sauerkraut.mpi.TaskPool"
    return RankError(
        f"ranks disagree: {named} ({advice})",
        {rank: str(call) for rank, (call, _) in enumerate(calls)},
    )


def _ranks(ranks: Sequence[int]) -> str:
    shown = ", ".join(map(str, ranks[:4])) + (f" and {len(ranks) - 4} more" * (len(ranks) > 4))
    return f"rank {shown}" if len(ranks) == 1 else f"ranks {shown}"


def _number(step: float | None) -> int:
    """A step as a 62-bit integer: small whole numbers as they are, all else by digest."""
    if step is None:
        return -(2**62)
    if abs(step) < 2**48 and step == int(step):
        return int(step)
    return 2**48 + _digest(repr(float(step))) // 2


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 2
