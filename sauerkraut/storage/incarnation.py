"""One start of the job: who it is, and whether a recorded one still lives on this host."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Process:
    """A process, told apart from later ones with the same pid. Picklable."""

    host: str
    boot_id: str
    pid_namespace: str
    pid: int
    start_time: int
    """Clock ticks after boot."""

    @classmethod
    def this(cls) -> Process:
        """Describe the calling process."""
        raise NotImplementedError

    def is_gone(self) -> bool | None:
        """Whether it has ended; None where that cannot be seen (other host or pids)."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Incarnation:
    """One start of the job, as rank 0 writes it to OWNER."""

    id: str
    processes: tuple[Process, ...]
    """Rank 0 first, then the ranks on its host."""
    job_id: str | None = None
    restart_count: int = 0
    supervisor: str | None = None

    @classmethod
    def of_this_job(cls, processes: Iterable[Process] = ()) -> Incarnation:
        """Make a new incarnation from the environment (Slurm, a supervisor) on rank 0.

        Args:
            processes: `Process.this` of every rank, rank 0 first; those on other hosts are left
                out. Empty: this process alone.
        """
        raise NotImplementedError
