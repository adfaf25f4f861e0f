"""What watches over the ranks while their programs compute: a thread of each, apart from MPI.

Each rank's thread answers others that ask where it stands. Where the job has several nodes, or
SAUERKRAUT_NODE_TIMEOUT is set, one rank of each node also beats, and rank 0's thread watches.
Datagrams between them are sealed with a key that the ranks share by MPI.

One thread does for all groups of the same ranks, however many are made and never closed.
"""

from __future__ import annotations

import atexit
import logging
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from mpi4py import MPI

from sauerkraut import _native
from sauerkraut.errors import RankError
from sauerkraut.mpi import stacks
from sauerkraut.settings import Settings
from sauerkraut.storage import Process

logger = logging.getLogger("sauerkraut")

NODE_TIMEOUT = 60.0  # seconds, where there are several nodes
ANSWER_TIME = 2.0  # seconds that a rank has to say where it stands
MOST_ASKED = 256  # ranks: of larger jobs those with the lowest numbers, and all that are named


class Station(NamedTuple):
    """Where one rank is, and how it is reached beside MPI."""

    process: Process
    network: str
    """Of several on one machine, as containers have."""
    addresses: tuple[str, ...]
    port: int
    """0: it cannot be reached."""
    key: bytes
    """Rank 0's counts."""
    node_timeout: float | None
    """Rank 0's counts."""

    @property
    def node(self) -> tuple[str, ...]:
        """What is the same for ranks that see each other's processes."""
        process = self.process
        return (process.host, process.boot_id, process.pid_namespace, self.network)


class Watch:
    """The watch of one rank, see `of`; making one is collective over ``comm``."""

    def __init__(self, comm: MPI.Intracomm, settings: Settings) -> None:
        self._rank = comm.Get_rank()
        self._native: _native.Watch | None = None
        self._users = 0
        signals: stacks.StackSignals | None = None
        try:
            signals = stacks.signals()
            self._native = _native.Watch()
        except OSError as error:  # the other ranks must hear that nobody answers here
            logger.debug("rank %d: nothing watches over it: %s", self._rank, error)
        self._stations = _gather(comm, 0 if self._native is None else self._native.port, settings)
        self._key = self._stations[0].key
        self._ranks = comm.Get_group()
        if self._native is not None and signals is not None:
            self._prepare_beats(self._native)
            try:
                self._native.start(self._key, self._rank, signals)
            except OSError as error:  # no more threads
                logger.debug("rank %d: nothing watches over it: %s", self._rank, error)
        atexit.register(self.close)
        _watching.append(self)

    @classmethod
    def of(cls, comm: MPI.Intracomm, settings: Settings) -> Watch:
        """The watch of this rank, to be given back with `release`. Collective over ``comm``.

        The one that another group of the same ranks has made, where there is one.

        Args:
            comm: The ranks, more than one.
            settings: ``node_timeout``; that of rank 0 counts, and the first of several.

        Raises:
            RankError: on every rank: one of them cannot tell where it is.
        """
        ranks = comm.Get_group()
        found = (each for each in _watching if MPI.Group.Compare(each._ranks, ranks) == MPI.IDENT)
        watch = next(found, None)
        ranks.Free()
        if watch is None:
            watch = cls(comm, settings)
        elif watch._native is not None:
            watch._native.answer_for_caller()
        watch._users += 1
        return watch

    @property
    def processes(self) -> list[Process]:
        """Of each rank."""
        return [station.process for station in self._stations]

    @property
    def lost(self) -> bool:
        """Whether a node is lost: the job is to end with 86, and soon does by itself."""
        return self._native is not None and self._native.lost

    def agreed(self) -> None:
        """Note that all ranks have come to an agreement: every node lives."""
        if self._native is not None:
            self._native.agreed()

    def is_gone(self, rank: int) -> bool:
        """Whether the process of a rank is known to have ended."""
        process = self.processes[rank]
        # Another host may have the same name: only here it can be seen.
        here = process.boot_id == self.processes[self._rank].boot_id
        if here and process.is_gone() is True:
            return True
        return self._native is not None and self._native.is_gone(rank)

    def stacks(self, ranks: Iterable[int] | None = None, *, all_threads: bool = False) -> str:
        """Where ranks are now, as lines for people; not collective.

        They get a signal, and their programs go on.

        Args:
            ranks: Which; None: all but this one.
            all_threads: Not only the thread that made the communicator. For ranks that are about
                to end: `faulthandler` reads threads that run meanwhile at its own risk.
        """
        others = [rank for rank in range(len(self._stations)) if rank != self._rank]
        asked = others[:MOST_ASKED] if ranks is None else list(ranks)
        places = {
            rank: (self._addresses(rank), self._stations[rank].port)
            for rank in asked
            if self._stations[rank].port
        }
        try:
            answers = _native.ask_stacks(self._key, self._rank, places, all_threads, ANSWER_TIME)
        except OSError:  # no socket for the question
            answers = {}
        written = {rank: text.decode("utf-8", "replace") for rank, text in answers.items()}
        hosts = {rank: station.process.host for rank, station in enumerate(self._stations)}
        return stacks.report(written, hosts, set(asked) - set(answers))

    def release(self) -> None:
        """End it with the last of its users; as with making one, all ranks do so alike."""
        self._users -= 1
        if not self._users:
            self.close()

    def close(self) -> None:
        """End the thread, and tell rank 0 that this rank is not lost; not collective."""
        atexit.unregister(self.close)
        if self in _watching:
            _watching.remove(self)
            if not MPI.Is_finalized():
                self._ranks.Free()
        if self._native is not None:
            self._native.stop()

    def _addresses(self, rank: int) -> list[str]:
        """Those of a rank, as this one reaches it."""
        station, own = self._stations[rank], self._stations[self._rank]
        here = (station.process.boot_id, station.network) == (own.process.boot_id, own.network)
        return ["127.0.0.1"] if here else [each for each in station.addresses if each[:4] != "127."]

    def _prepare_beats(self, native: _native.Watch) -> None:
        """Have it beat, and on rank 0 watch, where that is wanted."""
        nodes: dict[tuple[str, ...], list[int]] = {}
        for rank, station in enumerate(self._stations):
            nodes.setdefault(station.node, []).append(rank)
        first = self._stations[0]
        timeout = first.node_timeout
        if timeout is None:
            timeout = NODE_TIMEOUT if len(nodes) > 1 else 0.0
        if timeout <= 0 or not first.port:
            return
        own = nodes[self._stations[self._rank].node]
        processes = [(rank, self._stations[rank].process) for rank in own]
        native.beat(
            timeout,
            (self._addresses(0), first.port),
            [(rank, process.pid, process.start_time) for rank, process in processes],
            [] if self._rank else [(node[0], ranks) for node, ranks in nodes.items()],
        )


_watching: list[Watch] = []
"""Those that were not closed, in the order they were made; the same on all ranks that share one."""


def _gather(comm: MPI.Intracomm, port: int, settings: Settings) -> list[Station]:
    """Where each rank is. Collective.

    Raises:
        RankError: on every rank: one of them cannot tell.
    """
    told: Station | str
    try:
        told = Station(
            Process.this(),
            _network(),
            tuple(_native.own_addresses()),
            port,
            secrets.token_bytes(16),
            settings.node_timeout,
        )
    except OSError as error:  # the others wait for this rank to say something
        told = f"{type(error).__name__}: {error}"
    gathered: list[Station | str] = comm.allgather(told)
    problems = {rank: each for rank, each in enumerate(gathered) if isinstance(each, str)}
    if problems:
        rank, problem = next(iter(problems.items()))
        raise RankError(f"rank {rank} cannot tell where it is: {problem}", problems)
    return [each for each in gathered if not isinstance(each, str)]


def _network() -> str:
    """What network of this machine the process sees; "" where there is only one."""
    try:
        return str(Path("/proc/self/ns/net").readlink())
    except OSError:
        return ""
