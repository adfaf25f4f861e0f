"""One value of each rank for all of them, while tasks go on running."""

from __future__ import annotations

import pickle
import time
from array import array
from itertools import accumulate, pairwise
from typing import Any

from mpi4py import MPI

from sauerkraut.mpi import wire


class Gathering:
    """Gives every rank the values of all, pickled. Collective to begin, and to complete.

    Args:
        comm: The ranks; nothing else collective is begun on it until this is complete.
        value: That of this rank.
    """

    def __init__(self, comm: MPI.Intracomm, value: object) -> None:
        self._comm = comm
        self._data = pickle.dumps(value, 5)
        self._own = array("q", [len(self._data)])
        self._lengths = array("q", bytes(8 * comm.Get_size()))
        sent, received = [self._own, MPI.INT64_T], [self._lengths, MPI.INT64_T]
        self._request: MPI.Request = comm.Iallgather(sent, received)
        self._received: bytearray | None = None

    def test(self) -> list[Any] | None:
        """Go on with it; the values in the order of ranks, once they are here."""
        if not self._request.Test():
            return None
        if self._received is None:
            lengths = self._lengths.tolist()
            starts = list(accumulate(lengths[:-1], initial=0))
            self._received = bytearray(sum(lengths))
            received = [self._received, lengths, starts, MPI.BYTE]
            self._request = self._comm.Iallgatherv([self._data, MPI.BYTE], received)
            if not self._request.Test():
                return None
        view = memoryview(self._received)
        ends = accumulate(self._lengths, initial=0)
        return [pickle.loads(view[begin:end]) for begin, end in pairwise(ends)]

    def wait(self) -> list[Any]:
        """The values in the order of ranks."""
        began = time.monotonic()
        while (found := self.test()) is None:
            wire.rest(time.monotonic() - began)
        return found
