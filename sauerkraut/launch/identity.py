"""Who supervises: an id in the environment of all that a supervisor starts, and in OWNER.

It names the supervising process itself, so that anybody on its host can see whether it has ended,
and find by the environment what it started. Nobody else has it: host, boot, pid and start time.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from sauerkraut.storage import Process

VARIABLE = "SAUERKRAUT_SUPERVISOR"


def of_this_process() -> str:
    """Id of the calling process as a supervisor."""
    this = Process.this()
    parts = (this.host, this.boot_id, this.pid_namespace, str(this.pid), str(this.start_time))
    return "/".join(parts)


def supervising(supervisor: str) -> Process | None:
    """The process that an id names; None for one that `of_this_process` did not make."""
    parts = supervisor.split("/")
    if len(parts) != 5 or not (parts[3].isdecimal() and parts[4].isdecimal()):
        return None
    host, boot_id, namespace, pid, start = parts
    return Process(host, boot_id, namespace, int(pid), int(start))


def started_by(supervisor: str) -> list[int]:
    """PIDs on this host that have the id in their environment, but for the calling process."""
    wanted = f"{VARIABLE}={supervisor}".encode()
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with suppress(OSError):  # gone meanwhile, or of another user
                if wanted in Path(entry.path, "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return sorted(found)
