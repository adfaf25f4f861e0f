"""Files of MPI: opened again, cut back to what they held, at the same positions and views.

What holds of ordinary files holds of these (`objects.reducers.files`), once per file and not once
per rank: one that is read must be unchanged; one that is written is synced when all ranks have
captured, and loses at the restart what was written after that.
"""

from __future__ import annotations

import functools
import os
import pickle
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mpi4py import MPI

from sauerkraut.checkpoint.agreement import agreed, together
from sauerkraut.errors import ResumeError, SauerkrautError, StorageError
from sauerkraut.mpi.files import Opening, opening_of, remember
from sauerkraut.mpi.handles.attributes import info_of
from sauerkraut.mpi.handles.members import Members
from sauerkraut.mpi.handles.memory import attributes_of, empty
from sauerkraut.mpi.handles.shells import Shells, Waiting, current
from sauerkraut.objects import thawing
from sauerkraut.objects.freezing import Reduced, refuse

if TYPE_CHECKING:
    from sauerkraut.group import Group
    from sauerkraut.mpi.handles.table import Table

_AGAIN = "close it before the checkpoint and open it again in on_restart"
_PLAIN = (
    "it was opened before the Checkpointer was there, and MPI does not tell on what: open it by "
    f"File.Open of sauerkraut.mpi.files, which remembers it, or {_AGAIN}"
)
_MAKING = MPI.MODE_CREATE | MPI.MODE_EXCL | MPI.MODE_APPEND
_WRITING = MPI.MODE_WRONLY | MPI.MODE_RDWR
_COARSE = 0.05  # seconds that the clock of MPICH, C's time(), may be behind
_open = MPI.File.Open  # as it is before it notes its calls


@dataclass(frozen=True)
class Description:
    """A file, as one rank has it open."""

    members: tuple[int, ...]
    opening: Opening
    view: tuple[int, bytes, bytes, str]
    """What ``Get_view`` tells; data types as pickles of mpi4py's."""
    position: int
    """In etypes of the view."""
    atomic: bool
    fatal: bool
    """Whether errors end the job."""
    hints: dict[str, str]
    unchanged: tuple[int, int] | None
    """Size and time of a file that is only read, looked at by the lowest member."""

    @property
    def signature(self) -> tuple[Any, ...]:
        """What is equal on all members."""
        return (self.members, (), self.opening.key)

    @property
    def writes(self) -> bool:
        """Whether the file may be written."""
        return bool(self.opening.amode & _WRITING)


class State(NamedTuple):
    """What all members share of a file at the checkpoint."""

    place: int
    """In one order of all."""
    size: int
    """Bytes."""
    shared: int
    """The shared position, in etypes."""


# -------------------------------------------------------------------- capture


def describe(file: MPI.File, members: Members) -> Description:
    """Ask a file what it is. Local.

    Raises:
        CaptureError: nobody remembers what it was opened on, or it cannot be opened again.
    """
    opening = opening_of(file)
    if opening is None:
        raise refuse(file, _PLAIN)
    if opening.amode & MPI.MODE_SEQUENTIAL:
        raise refuse(file, f"in MODE_SEQUENTIAL nothing brings it to its position; {_AGAIN}")
    handler = file.Get_errhandler()
    if handler not in (MPI.ERRORS_RETURN, MPI.ERRORS_ARE_FATAL):
        raise refuse(file, f"it has an error handler of its own; {_AGAIN}")
    ranks = members.holding(file)
    unchanged = None
    if _looks(ranks, opening, members):
        try:
            status = Path(opening.path).stat()
        except OSError as error:
            raise refuse(file, f"the file {opening.path} has no name any more; {_AGAIN}") from error
        if not opening.amode & _WRITING:
            unchanged = (status.st_size, status.st_mtime_ns)
    return Description(
        ranks,
        replace(opening),
        _view_of(file),
        file.Get_position(),
        file.Get_atomicity(),
        handler == MPI.ERRORS_ARE_FATAL,
        info_of(file),
        unchanged,
    )


def _looks(ranks: Sequence[int], opening: Opening, members: Members) -> bool:
    """Whether it is for this rank to look at the file itself."""
    return ranks[0] == members.comm.Get_rank() and Path(opening.path).is_absolute()


def _view_of(file: MPI.File) -> tuple[int, bytes, bytes, str]:
    displacement, etype, filetype, datarep = file.Get_view()
    pickled = pickle.dumps(etype, protocol=5), pickle.dumps(filetype, protocol=5)
    _free(etype)
    _free(filetype)
    return displacement, *pickled, datarep


def _free(datatype: MPI.Datatype) -> None:
    if not datatype.is_predefined:
        datatype.Free()


def reduce(file: MPI.File, table: Table) -> Reduced:
    """What is written of a file: an empty one, then its number and what it is."""
    number = table.files.number_of(file)
    state = (number, table.files.description_of(number), attributes_of(file))
    return (empty, (type(file),), state, None, None, keep)


def settle(table: Table, places: Mapping[int, int], shared: set[str]) -> dict[int, State]:
    """Sync what is written, and see how long the files are. Collective over all ranks.

    Args:
        table: Of this rank; all ranks have captured, and none writes.
        places: Number of a file on this rank -> its place in one order of all.
        shared: Keys of the files of which any rank has used the shared position.

    Raises:
        RankError: on every rank; a StorageError, where a file could not be synced.
    """
    described = table.files.descriptions

    def sync(number: int) -> None:
        if described[number].writes:
            table.files.handles[number].Sync()

    phase = "capture: files of MPI"
    _on_each(
        table.group,
        places,
        sync,
        phase,
        lambda number, why: StorageError(
            f"cannot sync {described[number].opening.path} (requests of files must be complete): "
            f"{why}"
        ),
    )

    def facts() -> dict[str, tuple[int, int]]:
        found = {}
        for number in places:
            file, opening = table.files.handles[number], described[number].opening
            at = opening.shared_start
            if opening.key in shared:
                at = MPI.File.Get_position_shared(file)
            found[opening.key] = (file.Get_size(), at)
        return found

    known = together(table.group, phase, facts)
    states = {}
    for number, place in places.items():
        key = described[number].opening.key
        sizes, shared_positions = zip(*(each[key] for each in known if key in each), strict=True)
        states[number] = State(place, max(sizes), max(shared_positions))
    return states


# -------------------------------------------------------------------- restart


def keep(shell: MPI.File, state: tuple[int, Description, dict[str, Any] | None]) -> None:
    """Note a file that is to be opened when all ranks are ready.

    Raises:
        ResumeError: it was being read, and has changed.
    """
    number, this, attributes = state
    if attributes:
        shell.__dict__.update(attributes)
    remember(shell, this.opening)
    shells = current()
    if number not in shells.files and this.unchanged is not None:
        status = _status(this.opening.path, "reading")
        thawing.current().compare(
            f"{this.opening.path}, open for reading,", status, *this.unchanged
        )
    shells.take(shells.files, number, this, shell)
    types = shells.files[number].types
    if not types:
        _, etype, filetype, _ = this.view
        types += [pickle.loads(each).Commit() for each in (etype, filetype)]


def refuse_shorter(shells: Shells, states: Mapping[int, State]) -> None:
    """Look at the files that are to be written. Local.

    Raises:
        ResumeError: one is gone, or shorter than it was.
    """
    for number, state in states.items():
        this: Description = shells.files[number].description
        if this.writes and _looks(this.members, this.opening, shells.members):
            status = _status(this.opening.path, "writing")
            thawing.refuse_shorter(this.opening.path, status.st_size, state.size)


def _status(path: str, doing: str) -> os.stat_result:
    try:
        return Path(path).stat()
    except OSError as error:
        raise ResumeError(f"the file {path} was open for {doing}: {error}") from error


def rebuild(group: Group, shells: Shells, states: Mapping[int, State]) -> None:
    """Open all files again as they were. Collective over all ranks.

    Args:
        group: The ranks.
        shells: Have the files.
        states: Of the files of this rank, by number.

    Raises:
        RankError: on every rank; a ResumeError, where that did not succeed.
    """
    places = {number: state.place for number, state in states.items()}
    opened: dict[str, int] = {}  # path -> second

    def open_again(number: int) -> None:
        waiting = shells.files[number]
        this: Description = waiting.description
        # Each has its own: Open MPI names what holds a shared position by path and communicator.
        comm = shells.make_comm(this.members, places[number])
        info = MPI.Info.Create(this.opening.hints)
        try:
            if comm.Get_rank() == 0:
                _wait_for_another_second(opened.get(this.opening.path, 0))
            amode = this.opening.amode & ~_MAKING
            waiting.made = _open(comm, this.opening.path, amode, info)
            opened[this.opening.path] = int(time.time())
        finally:
            info.Free()

    def told(number: int, why: MPI.Exception) -> ResumeError:
        path = shells.files[number].description.opening.path
        return ResumeError(f"the file {path} was open, and cannot be opened again: {why}")

    phase = "opening files of MPI"
    _on_each(group, places, open_again, phase, told)
    for step in (cut, see, set_atomicity, share):
        _on_each(group, places, functools.partial(_take, step, shells, states), phase, told)
    shells.fill(shells.files)


def _wait_for_another_second(than: int) -> None:
    """MPICH names what holds a shared position by path, process and second of the opening."""
    while int(time.time() - _COARSE) <= than:
        time.sleep(0.01)


def _take(
    step: Callable[[MPI.File, Waiting, State], None],
    shells: Shells,
    states: Mapping[int, State],
    number: int,
) -> None:
    waiting = shells.files[number]
    step(waiting.made, waiting, states[number])


# One collective call in each, and all ranks agree after it: a member that fails in it keeps none of
# the others waiting in the next one.


def cut(file: MPI.File, waiting: Waiting, state: State) -> None:
    """Take away what was written since."""
    if waiting.description.writes:
        file.Set_size(state.size)


def see(file: MPI.File, waiting: Waiting, _: State) -> None:
    """Set view and position of this rank."""
    displacement, *_types, datarep = waiting.description.view
    etype, filetype = waiting.types
    file.Set_view(displacement, etype, filetype, datarep)
    for each in waiting.types:
        _free(each)
    file.Seek(waiting.description.position)


def set_atomicity(file: MPI.File, waiting: Waiting, _: State) -> None:
    """Let what members write be seen at once, where it was."""
    if waiting.description.atomic:
        file.Set_atomicity(True)


def share(file: MPI.File, waiting: Waiting, state: State) -> None:
    """Set the position that members share."""
    if state.shared:
        file.Seek_shared(state.shared)
    if waiting.description.fatal:
        file.Set_errhandler(MPI.ERRORS_ARE_FATAL)


def _on_each(
    group: Group,
    places: Mapping[int, int],
    step: Callable[[int], None],
    phase: str,
    told: Callable[[int, MPI.Exception], SauerkrautError],
) -> None:
    """Take a step on each file, in the order of all; one that fails lets none wait.

    Raises:
        RankError: on every rank.
    """
    failed: SauerkrautError | None = None
    for number in sorted(places, key=lambda each: places[each]):
        try:
            step(number)
        except MPI.Exception as error:
            failed = failed or told(number, error)
    with agreed(group, phase):
        if failed is not None:
            raise failed
