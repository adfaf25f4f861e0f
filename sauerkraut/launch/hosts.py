"""The hosts that a launcher is told, which of them fail, and the command without those.

Only the hosts of the command's own list are known: those that a scheduler hands to the launcher are
the scheduler's. A host has failed when the launcher cannot start ``true`` there.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sauerkraut.errors import StorageError
from sauerkraut.launch.command import Command, Kind

PROBE_TIME = 20.0
"""Seconds a launcher has to start ``true`` on a host."""
AT_ONCE = 8
_LISTS: Mapping[Kind, tuple[str, ...]] = {
    "openmpi": ("--host", "-host", "-H"),
    "hydra": ("-hosts", "--hosts", "-host", "--host"),
}
_FILES: Mapping[Kind, tuple[str, ...]] = {
    "openmpi": ("--hostfile", "-hostfile", "--machinefile", "-machinefile"),
    "hydra": ("-f", "-hostfile", "--hostfile", "-machinefile", "--machinefile"),
}


@dataclass(frozen=True, slots=True)
class Host:
    """One entry of a list of hosts."""

    name: str
    slots: int
    """How many ranks it takes; 1 where the list does not say."""
    text: str
    """The entry as it was written."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """The list of hosts in a command."""

    entries: tuple[Host, ...]
    option: str
    """The option that gives the list itself or, with ``in_file``, a file with it."""
    start: int
    """Index of the option's first word in the command ..."""
    stop: int
    """... and of the first word after it."""
    in_file: bool

    @classmethod
    def of(cls, command: Command) -> Hosts | None:
        """The list of a command; None where it has none, or more than one.

        Nor where it is not known which word is the program: a probe would start that.
        """
        if command.program == len(command.words):
            return None
        found = []
        for index in range(command.launcher + 1, command.program):
            option, equals, value = command.words[index].partition("=")
            lists, files = _LISTS.get(command.kind, ()), _FILES.get(command.kind, ())
            if option not in (*lists, *files):
                continue
            stop = index + (1 if equals else 2)
            if not equals:
                value = "".join(command.words[index + 1 : stop])
            entries = _listed(value) if option in lists else _read(Path(value), command.kind)
            found.append(cls(entries, option, index, stop, option in files))
        return found[0] if len(found) == 1 and found[0].entries else None

    def has_spares(self, ranks: int | None) -> bool:
        """Whether the job needs not all of them."""
        return ranks is not None and sum(host.slots for host in self.entries) > ranks

    def ranks_left(self, ranks: int, before: Hosts) -> int:
        """How many of ``ranks`` these hosts take, which are left of those ``before``."""
        left, total = (sum(host.slots for host in each.entries) for each in (self, before))
        return min(ranks, left if total >= ranks else ranks * left // total)

    def without(self, failed: set[str]) -> Hosts:
        """The list without some of its hosts."""
        kept = tuple(host for host in self.entries if host.name not in failed)
        return Hosts(kept, self.option, self.start, self.stop, self.in_file)

    def put_into(self, command: Command, directory: Path) -> Command:
        """Give ``command``, which had a longer list, this one; a file of it goes to a directory."""
        if not self.in_file:
            text = ",".join(host.text for host in self.entries)
            return command.replacing(self.start, self.stop, (self.option, text))
        path = directory / f"hosts-{secrets.token_hex(4)}"
        path.write_text("".join(f"{host.text}\n" for host in self.entries), "utf-8")
        return command.replacing(self.start, self.stop, (self.option, str(path)))


def failed(command: Command, hosts: Hosts, environment: Mapping[str, str]) -> set[str]:
    """Names of the hosts on which the launcher cannot start a program; slow ones count as such."""
    names = list(dict.fromkeys(host.name for host in hosts.entries))
    found: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="sauerkraut-") as scratch:
        for first in range(0, len(names), AT_ONCE):
            probes = {}
            for name in names[first : first + AT_ONCE]:
                one = hosts.without(set(names) - {name})
                probe = one.put_into(command, Path(scratch)).probe()
                probes[name] = _start(probe, environment)
            deadline = time.monotonic() + PROBE_TIME
            found |= {name for name, probe in probes.items() if not _succeeds(probe, deadline)}
    return found


def _start(command: Command, environment: Mapping[str, str]) -> subprocess.Popen[bytes] | None:
    try:
        return subprocess.Popen(
            command.words,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
    except OSError:
        return None


def _succeeds(probe: subprocess.Popen[bytes] | None, deadline: float) -> bool:
    if probe is None:
        return False
    with suppress(subprocess.TimeoutExpired):
        return probe.wait(max(0.0, deadline - time.monotonic())) == 0
    with suppress(ProcessLookupError):
        os.killpg(probe.pid, signal.SIGKILL)
    probe.wait()
    return False


def _listed(text: str) -> tuple[Host, ...]:
    return tuple(_entry(each, each) for each in text.split(",") if each)


def _read(path: Path, kind: Kind) -> tuple[Host, ...]:
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError as error:
        raise StorageError(f"cannot read the hosts in {path}: {error.strerror}") from error
    entries = []
    for line in lines:
        words = line.partition("#")[0].split()
        if not words:
            continue
        slots = re.search(r"\bslots\s*=\s*(\d+)", line)
        text = f"{words[0]}:{slots[1]}" if slots and kind == "openmpi" else words[0]
        entries.append(_entry(text, line))
    return tuple(entries)


def _entry(text: str, written: str) -> Host:
    name, _, slots = text.rpartition(":")
    if not name or not slots.isdecimal():
        return Host(text, 1, written)
    return Host(name, int(slots), written)
