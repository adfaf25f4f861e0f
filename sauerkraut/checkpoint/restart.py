"""How a run begins: afresh, inside its newest epoch, or at its recorded end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sauerkraut.checkpoint.agreement import agreed, refuse_unlike
from sauerkraut.checkpoint.reading import Stored
from sauerkraut.checkpoint.records import Epoch, Restart
from sauerkraut.checkpoint.reports import Reports
from sauerkraut.checkpoint.state import State
from sauerkraut.checkpoint.store import Store
from sauerkraut.errors import CodeChanged, ResumeError
from sauerkraut.group import Group, Handles
from sauerkraut.storage.epoch import Back


@dataclass(frozen=True, slots=True)
class Start:
    """What a run begins with."""

    restart: Restart | None = None
    """None: a fresh start."""
    epoch: Epoch | None = None
    """The epoch it came from."""
    finished: bool = False
    """The run has finished before; ``value`` is what it returned."""
    value: Any = None
    requests: tuple[str, ...] = ()
    """Ids of requests that the epoch satisfied."""
    back: Back | None = None
    """What it says to go back to, and so do those that follow."""


def begin(
    group: Group,
    store: Store,
    state: State,
    reports: Reports,
    *,
    fresh: bool,
    same_arguments: bool,
    on_restart: Sequence[Callable[[Restart], object]],
) -> Start:
    """Take the directory and bring back its newest epoch, if it has one. Collective.

    Where a function on its stack has changed, and it says which epoch to go back to, it is that.
    Nothing of the program is touched before all ranks have read their pieces whole and have found
    that they fit this start; no frame is built before all else is back.

    Raises:
        RankError: on every rank, and of the class of what was refused; no frame ran.
    """
    _same_everywhere(group, state, fresh=fresh, on_restart=len(on_restart))
    store.take()
    if fresh:
        store.start_over()
    stored = store.newest()
    if stored is None:
        store.event("start")
        return Start()
    began = time.monotonic()
    try:
        handles = _read(group, state, stored, same_arguments=same_arguments)
    except CodeChanged as changed:
        stored, handles, back = _go_back(
            group, store, state, stored, changed, same_arguments=same_arguments
        )
        told = str(changed).partition("\n")[0]
        reports.warn(f"{told}: {back.part} begins at its start, in epoch {back.epoch}")
    restart = Restart.of(stored.manifest)
    reading = _reading(stored)
    if stored.manifest.about.final:
        return _finished(group, store, state, reports, stored, restart)
    with agreed(group, f"{reading}: roots and globals"):
        state.restore()
    _rebuild(group, handles, stored, reading)
    with agreed(group, f"{reading}: providers"):
        state.providers.load(stored.piece)
    for fn in on_restart:
        with agreed(group, f"{reading}: on_restart"):
            fn(restart)
    with agreed(group, f"{reading}: process state"):
        state.restore_process()
    seconds = time.monotonic() - began
    store.event("restart", epoch=restart.epoch, step=restart.step, seconds=round(seconds, 6))
    step = "" if restart.step is None else f" at step {restart.step:.12g}"
    reports.tell(f"restart {restart.count}: going on from epoch {restart.epoch}{step}")
    about = stored.manifest.about
    return Start(restart, stored.manifest.epoch, requests=about.requests, back=about.back)


def _read(group: Group, state: State, stored: Stored, *, same_arguments: bool) -> Handles | None:
    """Bring the objects of an epoch into this process, if it fits; but for the end of a run.

    Returns:
        The handles of MPI in it.
    """
    with agreed(group, _reading(stored)):
        state.check(stored, same_arguments=same_arguments)
    if stored.manifest.about.final:
        return None
    handles = group.handles()
    with agreed(group, _reading(stored)):
        state.read(stored, handles)
        _prepare(handles, stored)
    return handles


def _go_back(
    group: Group,
    store: Store,
    state: State,
    stored: Stored,
    changed: CodeChanged,
    *,
    same_arguments: bool,
) -> tuple[Stored, Handles | None, Back]:
    """Read the newest epoch that fits of those to go back to; raises ``changed`` without one."""
    while (earlier := store.before(stored)) is not None:
        back = stored.manifest.about.back
        assert back is not None, "it led there"
        try:
            return earlier, _read(group, state, earlier, same_arguments=same_arguments), back
        except CodeChanged:
            stored = earlier
        except ResumeError:
            break
    raise changed


def _reading(stored: Stored) -> str:
    return f"restarting from epoch {stored.manifest.epoch.number}"


def _same_everywhere(group: Group, state: State, *, fresh: bool, on_restart: int) -> None:
    """Note the arguments, and refuse a start that the ranks make in different ways."""
    with agreed(group, "arguments of run"):
        state.note_arguments()
    told = {
        "fresh": str(fresh),
        "providers": ", ".join(state.providers.names) or "none",
        "providers with a layout": ", ".join(state.providers.with_layout) or "none",
        "functions given to on_restart": str(on_restart),
    }
    refuse_unlike(group, "run", told)


def _prepare(handles: Handles | None, stored: Stored) -> None:
    """Look at the handles of MPI that were read. They are stored by all ranks, or by none."""
    if handles is not None and (streams := _of_handles(stored)):
        handles.prepare(bytes(streams[0]))


def _rebuild(group: Group, handles: Handles | None, stored: Stored, phase: str) -> None:
    """Make the handles of MPI again."""
    if handles is not None and _of_handles(stored):
        handles.rebuild()
        with agreed(group, f"{phase}: handles of MPI"):
            handles.dress()


def _of_handles(stored: Stored) -> list[Any]:
    return [each.data for each in stored.piece.streams if each.name == "handles"]


def _finished(
    group: Group, store: Store, state: State, reports: Reports, stored: Stored, restart: Restart
) -> Start:
    """Bring back the end of a run: its value, roots, globals and process state."""
    store.complete(stored.manifest.epoch)
    phase = f"reading the end of the run, epoch {restart.epoch}"
    handles = group.handles()
    with agreed(group, phase):
        state.read(stored, handles)
        _prepare(handles, stored)
    with agreed(group, phase):
        state.restore()
    _rebuild(group, handles, stored, phase)
    with agreed(group, phase):
        state.providers.load(stored.piece)
        state.restore_process()
    reports.tell(
        f"this run has finished (epoch {restart.epoch}): returning its recorded value; "
        "fresh=True starts anew"
    )
    return Start(restart, stored.manifest.epoch, finished=True, value=state.value)
