"""One running ``mpiexec``: its ranks found by PID, killed, waited for, and what it checkpointed.

A job that is killed cannot tidy up: what launcher and ranks leave in TMPDIR and in shared memory is
removed here, by name, once they are gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from sauerkraut.launch.mpiexec import Launcher

Victim = Literal["rank", "all", "mpiexec"]


class Job:
    """A program started on `ranks` ranks; on leaving the ``with`` block no process of it is left.

    Args:
        launcher: What starts it.
        ranks: How many ranks.
        command: The program and its arguments, as each rank runs it.
        cwd: Working directory.
        output: File that standard output and error are appended to.
        environment: Variables set beside the caller's.
        under: Words before those of the launcher, such as ``setpriv --reuid=1000``; the first
            program must become the launcher and keep its PID.
        user: Who owns the temporary directory of the job, by number; None: the caller.
    """

    def __init__(
        self,
        launcher: Launcher,
        ranks: int,
        command: Sequence[str],
        *,
        cwd: str | Path,
        output: str | Path,
        environment: Mapping[str, str] | None = None,
        under: Sequence[str] = (),
        user: int | None = None,
    ) -> None:
        self.command = list(command)
        self.ranks = ranks
        self._pids: dict[int, str] = {}
        self._output = Path(output)
        self._shared_memory: set[str] = set()
        self._temporary = tempfile.mkdtemp(prefix="job-")
        if user is not None:
            os.chown(self._temporary, user, user)
        with self._output.open("ab") as out:
            self._process = subprocess.Popen(
                [*under, *launcher.command(ranks), *command],
                cwd=cwd,
                env={
                    **os.environ,
                    "TMPDIR": self._temporary,
                    **launcher.environment,
                    **(environment or {}),
                },
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def status(self) -> int | None:
        """Exit status of ``mpiexec``, None while it runs; never evidence for a finished run."""
        return self._process.poll()

    def said(self) -> str:
        """Standard output and error of this and of earlier jobs with the same output file."""
        return self._output.read_text(errors="replace")

    def wait(self, timeout: float) -> int:
        """Wait for ``mpiexec``; its exit status.

        Raises:
            subprocess.TimeoutExpired: It still runs after `timeout` seconds.
        """
        return self._process.wait(timeout)

    def rank_pids(self) -> list[int]:
        """The PIDs of the ranks that live now, in the order of their start."""
        if len(self._pids) < self.ranks:  # known ones stay known when their launcher is gone
            self._find_ranks()
        return [pid for pid, start in self._pids.items() if _started(pid) == start]

    def kill(self, victim: Victim, chance: random.Random) -> list[int]:
        """SIGKILL one rank by `chance`, all ranks, or ``mpiexec``; the PIDs that were alive."""
        pids = self.rank_pids()
        if victim == "mpiexec":
            targets = [self._process.pid] if self._process.poll() is None else []
        elif victim == "rank":
            targets = [chance.choice(pids)] if pids else []
        else:
            targets = pids
        self._find_shared_memory(pids)
        return [pid for pid in targets if _killed(pid)]

    def end(self, patience: float = 30.0) -> None:
        """Kill what is left of the job and wait until it is gone.

        Raises:
            TimeoutError: A rank is still there after `patience` seconds.
        """
        pids = self.rank_pids()
        self._find_shared_memory(pids)
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(patience)
        deadline = time.monotonic() + patience
        while pids:
            for pid in pids:
                _killed(pid)
            if time.monotonic() > deadline:
                raise TimeoutError(f"ranks {pids} survived SIGKILL for {patience} s")
            time.sleep(0.02)
            pids = self.rank_pids()
        shutil.rmtree(self._temporary, ignore_errors=True)
        for path in self._shared_memory:
            Path(path).unlink(missing_ok=True)

    def _find_ranks(self) -> None:
        parents, words = _processes()
        family = {self._process.pid}
        while born := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= born
        wanted = [word.encode() for word in self.command]
        for pid in sorted(family - self._pids.keys()):
            if words.get(pid) == wanted and (start := _started(pid)):
                self._pids[pid] = start

    def _find_shared_memory(self, pids: Iterable[int]) -> None:
        """Note the files in /dev/shm that ranks map; nobody else knows their names."""
        for pid in pids:
            with contextlib.suppress(OSError):
                maps = Path(f"/proc/{pid}/maps").read_text()
                self._shared_memory.update(re.findall(r"(/dev/shm/\S+)$", maps, re.MULTILINE))


def events(directory: str | Path) -> list[dict[str, Any]]:
    """The events of a checkpoint directory, oldest first; a torn line is left out."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for line in (Path(directory) / "events.jsonl").read_bytes().splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
    return found


def _killed(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _processes() -> tuple[dict[int, int], dict[int, list[bytes]]]:
    """Parent and command line of every process that can be read."""
    parents, words = {}, {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parents[int(entry.name)] = int(_stat(int(entry.name))[1])
                line = Path(entry.path, "cmdline").read_bytes()
                words[int(entry.name)] = line.rstrip(b"\0").split(b"\0")
    return parents, words


def _stat(pid: int) -> list[str]:
    """The fields of ``/proc/PID/stat`` after the name: state, parent, ..."""
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()


def _started(pid: int) -> str:
    """Start time of a process, told apart from a later one of the same PID; "" when it is gone."""
    try:
        fields = _stat(pid)
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
