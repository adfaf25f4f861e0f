"""One start of the job: who it is, and whether a recorded one still lives on this host."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sauerkraut.settings import Settings
from sauerkraut.storage import layout

_NAMELESS = ("localhost", "localhost.localdomain", "")
_ENDED = ("Z", "X", "x")
_JOB_ID = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")


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
        pid = os.getpid()
        state = state_of(pid)
        return cls(
            host=os.uname().nodename,
            boot_id=Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip(),
            pid_namespace=str(Path("/proc/self/ns/pid").readlink()),
            pid=pid,
            start_time=0 if state is None else state[1],
        )

    def is_gone(self) -> bool | None:
        """Whether it has ended; None where that cannot be seen (other host or pids)."""
        here = Process.this()
        if self.boot_id != here.boot_id:
            # The same name with another boot is this host before it was started anew, where the
            # name tells hosts apart at all.
            return True if self.host == here.host and self.host not in _NAMELESS else None
        if self.pid_namespace != here.pid_namespace:
            return None
        state = state_of(self.pid)
        return state is None or state[0] in _ENDED or state[1] != self.start_time


def state_of(pid: int) -> tuple[str, int] | None:
    """State letter and start time of a process; None when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(")") + 2 :].split()  # the name before it may hold anything
    return fields[0], int(fields[19])


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
        """Make a new incarnation from the environment (scheduler, supervisor) on rank 0.

        Args:
            processes: `Process.this` of every rank, rank 0 first; those on other hosts are left
                out. Empty: this process alone.
        """
        first, *others = tuple(processes) or (Process.this(),)
        beside = [p for p in others if (p.host, p.boot_id) == (first.host, first.boot_id)]
        count = os.environ.get("SLURM_RESTART_COUNT", "")  # unset on the first run
        return cls(
            id=layout.new_id(),
            processes=(first, *beside),
            job_id=next((os.environ[name] for name in _JOB_ID if os.environ.get(name)), None),
            restart_count=int(count) if count.isdecimal() else 0,
            supervisor=Settings.from_environment().supervisor,
        )
