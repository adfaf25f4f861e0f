"""Python stacks of other ranks: had by signal and datagram, so that also a rank in C code answers.

`faulthandler` writes the stack of this process in a signal handler, which needs no GIL. A thread
of the native core, which needs none either, sends the signal when another rank asks.
"""

from __future__ import annotations

import faulthandler
import linecache
import os
import re
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from sauerkraut import _native

_TITLE = re.compile(
    r"(?P<kind>Stack|Current thread|Thread)( 0x[0-9a-f]+)?(?P<name> \[.*\])? \(most"
)
_OURS = f'  File "{Path(__file__).parents[1]}{os.sep}'
_FRAME = re.compile(r'  File "(?P<file>.*)", line (?P<line>\d+|\?\?\?) in (?P<function>.*)')


class StackSignals(NamedTuple):
    """Signals at which `faulthandler` writes stacks of this process to a file in memory."""

    descriptor: int
    one_thread: int
    """The thread that gets it."""
    all_threads: int


_installed: StackSignals | None = None


def signals() -> StackSignals:
    """Those of this process, installed at the first call: the last ones that nobody uses.

    A child that this process forks has none: it is no rank, and answers for nobody.

    Raises:
        OSError: there are none, or no file in memory.
    """
    global _installed
    if _installed is not None:
        return _installed
    free = [
        number
        for number in range(signal.SIGRTMAX - 1, signal.SIGRTMIN, -1)
        if signal.getsignal(number) is signal.SIG_DFL
    ]
    if len(free) < 2:
        raise OSError("no real-time signal is free")
    made = StackSignals(os.memfd_create("sauerkraut stacks", os.MFD_CLOEXEC), free[0], free[1])
    for number in made[1:]:
        _native.count_signal(number)
        faulthandler.register(
            number, file=made.descriptor, all_threads=number == made.all_threads, chain=True
        )
    _installed = made
    return made


def _in_child() -> None:
    """Take the handlers back: they would write to the file of the parent."""
    global _installed
    if _installed is None:
        return
    for number in (_installed.one_thread, _installed.all_threads):
        faulthandler.unregister(number)  # else it stays as it is when it is registered anew
        signal.signal(number, signal.SIG_DFL)
    os.close(_installed.descriptor)
    _installed = None


os.register_at_fork(after_in_child=_in_child)


def readable(written: str) -> str:
    """What `faulthandler` wrote, as a traceback reads: the innermost frame last, with its source.

    Frames of this package are left out where there are others.
    """
    threads: list[list[str]] = []
    titles: list[str] = []
    told: list[str] = []
    for line in written.splitlines():
        frame = _FRAME.fullmatch(line)
        if title := _TITLE.match(line):
            titles.append(f"  {title['kind']}{title['name'] or ''}:")
            threads.append([])
        elif frame is not None and threads:
            threads[-1].insert(0, line)
        elif line:
            told.append(f"  {line.strip()}")
    lines = []
    for title_of, stack in zip(titles, threads, strict=True):
        others = [line for line in stack if not line.startswith(_OURS)] or stack
        lines += [title_of] if len(threads) > 1 else []
        lines += map(_shown, others)
    return "\n".join([*lines, *told])


def _shown(line: str) -> str:
    frame = _FRAME.fullmatch(line)
    assert frame is not None, "it was one before"
    file, number, function = frame["file"], frame["line"], frame["function"]
    shown = f'  File "{file}", line {number}, in {function}'
    source = linecache.getline(file, int(number)).strip() if number.isdecimal() else ""
    return f"{shown}\n    {source}" if source else shown


def report(stacks: Mapping[int, str], hosts: Mapping[int, str], silent: Iterable[int]) -> str:
    """Stacks for people, ranks that stand alike together.

    Args:
        stacks: What each rank answered.
        hosts: Of each rank.
        silent: Those that did not answer.
    """
    alike: dict[str, list[int]] = {}
    for rank, stack in sorted(stacks.items()):
        alike.setdefault(readable(stack), []).append(rank)
    parts = [f"{named(ranks, hosts)}:\n{stack}" for stack, ranks in alike.items()]
    if missing := sorted(silent):
        parts.append(f"{named(missing, hosts)}: no answer")
    return "\n".join(parts)


def named(ranks: Iterable[int], hosts: Mapping[int, str]) -> str:
    """Ranks by host: ``rank 0 on a; ranks 1, 2 on b``."""
    by_host: dict[str, list[str]] = {}
    for rank in ranks:
        by_host.setdefault(hosts[rank], []).append(str(rank))
    return "; ".join(
        f"rank{'s' * (len(numbers) > 1)} {', '.join(numbers)} on {host}"
        for host, numbers in by_host.items()
    )
