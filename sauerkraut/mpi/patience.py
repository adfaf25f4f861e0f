"""Who is missing when ranks wait long: the waiting ranks tell each other where they stand.

Nothing is sent before a wait has lasted ``patience`` seconds. Then the waiting rank sends one small
message to every other rank; ranks that wait too answer, and those that stay silent are missing.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from typing import NamedTuple

from mpi4py import MPI

from sauerkraut.mpi import wire
from sauerkraut.mpi.watch import Watch
from sauerkraut.settings import Settings

LISTEN_AFTER = 1.0  # seconds of waiting before a rank looks whether others ask
ANSWER_TIME = 1.0  # seconds from asking to reporting
LOST = 86  # exit status: ranks lost, restart
MOST_SHOWN = 16  # missing ranks whose stacks are shown


class Standing(NamedTuple):
    """Where a waiting rank stands."""

    operation: int
    kind: str
    where: str
    asks: bool


class Patience:
    """Counts the collective operations of one rank and reports long waits for one of them."""

    def __init__(
        self,
        comm: MPI.Intracomm,
        settings: Settings,
        watch: Watch | None,
        abort: Callable[[int], object],
    ) -> None:
        self.operation = 0
        self._comm = comm
        self._rank = comm.Get_rank()
        self._settings = settings
        self._abort = abort
        self._watch = watch
        self._sent: list[MPI.Request] = []
        self._heard: dict[int, Standing] = {}
        self._current = -1
        self._ask_at = 0.0
        self._report_at: float | None = None

    def waiting(self, kind: str, where: str, waited: float) -> None:
        """Called in every slice of a wait of ``waited`` seconds so far; cheap until it is long."""
        if waited < min(LISTEN_AFTER, self._settings.patience):
            return
        if self._current != self.operation:
            self._current = self.operation
            self._ask_at = self._settings.patience
            self._report_at = None
            self._heard = {}
        own = Standing(self.operation, kind, where, asks=False)
        self._listen(own)
        if waited >= self._ask_at and self._report_at is None:
            self._ask_at *= 2
            self._report_at = waited + ANSWER_TIME
            for peer in range(self._comm.Get_size()):
                if peer != self._rank:
                    self._send(peer, own._replace(asks=True))
        if self._report_at is not None and waited >= self._report_at:
            self._report_at = None
            self._report(own, waited)
        give_up = self._settings.give_up
        if give_up is not None and waited >= give_up:
            self._say(f"gave up after {waited:.0f} s at {where or kind}; ending the job")
            self._abort(LOST)

    def close(self) -> None:
        """Take in what is under way, so that the duplicate can be freed."""
        self._listen(None)
        self._sent = [request for request in self._sent if not request.Test()]

    def _listen(self, own: Standing | None) -> None:
        status = MPI.Status()
        while self._comm.Iprobe(MPI.ANY_SOURCE, wire.WHO_WAITS, status):
            peer = status.Get_source()
            data = bytearray(status.Get_count(MPI.BYTE))
            self._comm.Recv([data, MPI.BYTE], peer, wire.WHO_WAITS)
            standing: Standing = pickle.loads(data)
            if own is None:
                continue
            if standing.operation == own.operation:
                self._heard[peer] = standing
            if standing.asks:
                self._send(peer, own)

    def _send(self, peer: int, standing: Standing) -> None:
        self._sent = [request for request in self._sent if not request.Test()]
        self._sent.append(
            self._comm.Isend([pickle.dumps(standing, protocol=5), MPI.BYTE], peer, wire.WHO_WAITS)
        )

    def _report(self, own: Standing, waited: float) -> None:
        others = [rank for rank in range(self._comm.Get_size()) if rank != self._rank]
        missing = [rank for rank in others if rank not in self._heard]
        watch = self._watch
        gone = [rank for rank in missing if watch is not None and watch.is_gone(rank)]
        elsewhere = {r: s for r, s in self._heard.items() if s.kind != own.kind}
        if self._rank == min([self._rank, *self._heard]):
            places = {self._rank: own, **self._heard}
            stand = "; ".join(f"rank {r} at {s.where or s.kind}" for r, s in sorted(places.items()))
            names = ", ".join(map(str, missing)) or "none"
            self._say(f"waited {waited:.0f} s; missing ranks: {names}; waiting: {stand}")
            reached = [rank for rank in missing if rank not in gone][:MOST_SHOWN]
            if watch is not None and reached:
                self._say(f"where they are now:\n{watch.stacks(reached)}")
        if gone:
            self._say(f"rank {gone[0]} is gone; ending the job")
            self._abort(LOST)
        if elsewhere:
            rank, standing = next(iter(elsewhere.items()))
            self._say(
                f"rank {rank} waits at {standing.where or standing.kind}, this one at "
                f"{own.where or own.kind}: they can never meet; ending the job"
            )
            self._abort(LOST)

    def _say(self, text: str) -> None:
        sys.stderr.write(f"sauerkraut: rank {self._rank}: {text}\n")
        sys.stderr.flush()
