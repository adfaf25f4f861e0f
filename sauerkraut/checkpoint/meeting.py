"""Where the ranks meet outside of runs: at the start of one, at `close`, at the end of the program.

All Checkpointers of one communicator meet at one place, that of the first of them that is open and
not running. So calls to different ones on different ranks meet in an error that names both, and
not in two collectives that wait for each other.
"""

from __future__ import annotations

import atexit
import os
from typing import Any

from sauerkraut.checkpoint.consensus import Call, Consensus, Kind
from sauerkraut.errors import RankError
from sauerkraut.group import Group

EXIT_SLICE = 5.0  # seconds of waiting at the end of the program, between two looks

_open: list[Meeting] = []
"""Those of several ranks, in the order they were made; of one communicator, alike on all ranks."""


class Meeting:
    """The open Checkpointer of one rank, as the other ranks meet it.

    Args:
        group: The ranks.
        comm: What the group was made of; it decides which Checkpointers meet at one place.
        name: What a person knows the Checkpointer by.
    """

    def __init__(self, group: Group, comm: Any, name: str) -> None:
        self.running = False
        """Whether the function given to ``run`` runs: its polls have the group to themselves."""
        self.closed = False
        self._group = group
        self._comm = comm
        self._name = name
        self._process = os.getpid()
        if group.size > 1:
            _open.append(self)
            atexit.register(self._at_exit)

    @property
    def forked(self) -> bool:
        """Whether this process was forked since: then it is no rank."""
        return os.getpid() != self._process

    def refuse_forked(self, name: str) -> None:
        """Refuse a call by a process that is no rank; raises RuntimeError."""
        if self.forked:
            raise RuntimeError(
                f"{name}: this process was forked inside of run, and its parent has the run: "
                "leave it with os._exit, or use multiprocessing"
            )

    def agree(self, kind: Kind) -> None:
        """Agree that all ranks start, or close, this one. Collective.

        Raises:
            RankError: on every rank, when they do not; names what each calls.
        """
        Consensus(self._place(), 0.0).agree(self._call(kind))

    def end(self) -> None:
        """Free the private communicator; collective."""
        self.closed = True
        atexit.unregister(self._at_exit)
        if self in _open:
            _open.remove(self)
        if self._group is not self._comm:
            self._group.close()

    def _at_exit(self) -> None:
        """Do as `close` does where the program ends without it: other ranks may wait for this one.

        A rank that ended early would be waited for in silence. Like this, whatever the others
        call meets in an error there; then this one waits for their end, as `MPI_Finalize` would.
        """
        if self._group.ended or self.forked:
            return
        consensus = Consensus(self._place(), 0.0)
        while not self.closed:
            if not consensus.outstanding:
                consensus.post(self._call(Kind.CLOSE))
            try:
                # in slices: a rank that writes results for long is none to complain of
                consensus.complete(EXIT_SLICE)
            except (TimeoutError, RankError):
                continue
            self.closed = True

    def _call(self, kind: Kind) -> Call:
        open_here = self._open_here()
        if len(open_here) < 2 or self not in open_here:
            return Call(kind)
        return Call(kind, site=f"Checkpointer {open_here.index(self) + 1} ({self._name})")

    def _place(self) -> Group:
        return next((each._group for each in self._open_here() if not each.running), self._group)

    def _open_here(self) -> list[Meeting]:
        """The open ones of this communicator, in the same order on every rank."""
        return [each for each in _open if each._comm == self._comm and not each.closed]
