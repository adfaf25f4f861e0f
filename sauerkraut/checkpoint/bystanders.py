"""Threads and child processes beside the captured stack, which a restart would not bring back.

Those that were there when the function given to ``run`` was called are none: what starts them runs
before ``run``, and so at every start. Nor are daemon threads of installed packages, which keep no
work of the program's own and start again with the package.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from collections.abc import Collection, Iterator
from pathlib import Path
from types import MethodType
from typing import Any

from sauerkraut.errors import CaptureError
from sauerkraut.objects.project import is_project
from sauerkraut.storage.incarnation import state_of

SHOWN = 60
"""Characters of a command that are shown."""


class Bystanders:
    """The threads and child processes of this process that are there now, and need not be named."""

    def __init__(self) -> None:
        self._threads = set(map(id, threading.enumerate()))
        self._kept = threading.enumerate()  # so that no other thread gets the id of one
        self._processes = dict(_children())

    def refuse_others(self, allowed: Collection[str]) -> None:
        """Refuse to capture while threads or child processes run that came after these.

        Args:
            allowed: "threads", "processes": those that the program starts again itself.

        Raises:
            CaptureError: names each.
        """
        if "threads" not in allowed:
            threads = [each for each in threading.enumerate() if self._is_lost(each)]
            _refuse("threads", "thread", [_named(each) for each in threads])
        if "processes" not in allowed:
            new = [pid for pid, start in _children() if self._processes.get(pid) != start]
            _refuse("processes", "child process", [f"{pid} ({_command(pid)})" for pid in new])

    def _is_lost(self, thread: threading.Thread) -> bool:
        if thread is threading.current_thread() or id(thread) in self._threads:
            return False
        if isinstance(thread, threading._DummyThread):  # made by C code that called Python
            return False
        return not thread.daemon or is_project(_origin(thread)[0])


def _refuse(kind: str, one: str, names: list[str]) -> None:
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise CaptureError(
            f"a restart would not bring back {one} {', '.join(names[:3])}{more}: let it end before "
            f'the checkpoint, or start it again in on_restart and allow=("{kind}",)'
        )


def _origin(thread: threading.Thread) -> tuple[str, str]:
    """Module and qualified name of what a thread runs."""
    runs: Any = getattr(thread, "_target", None) or getattr(thread, "function", None)
    if runs is None or type(thread).run not in (threading.Thread.run, threading.Timer.run):
        runs = type(thread)
    while isinstance(runs, (functools.partial, MethodType)):
        runs = runs.func if isinstance(runs, functools.partial) else runs.__func__
    if not hasattr(runs, "__qualname__"):
        runs = type(runs)
    return str(runs.__module__), str(runs.__qualname__)


def _named(thread: threading.Thread) -> str:
    return f"{thread.name!r} running {'.'.join(_origin(thread))}"


def _children() -> Iterator[tuple[int, int]]:
    """Process number and start time of each child that runs, but for helpers of Python itself."""
    pids: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # the thread has ended, or this kernel does not tell
            pids.update(map(int, (task / "children").read_text().split()))
    multiprocessing: Any = sys.modules.get("multiprocessing.process")
    if multiprocessing is not None:  # those of a fork server are its children, not ours
        pids.update(each.pid for each in multiprocessing.active_children())
    for pid in pids - _helpers():
        state = state_of(pid)
        if state is not None and state[0] not in "ZX":  # has ended, and was not waited for
            yield pid, state[1]


def _helpers() -> set[int]:
    """Processes that the standard library keeps for itself, once something has asked for them."""
    places = {
        "multiprocessing.resource_tracker": ("_resource_tracker", "_pid"),
        "multiprocessing.forkserver": ("_forkserver", "_forkserver_pid"),
    }
    found = set()
    for module, (name, attribute) in places.items():
        holder = getattr(sys.modules.get(module), name, None)
        found.add(getattr(holder, attribute, None))
    return {pid for pid in found if isinstance(pid, int)}


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if not any(words):  # the kernel is still starting it
            words = [Path(f"/proc/{pid}/comm").read_bytes()]
    except OSError:
        return "ended"
    text = b" ".join(words).decode(errors="replace").strip()
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
