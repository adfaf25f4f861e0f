"""States as epochs of a checkpoint directory: handler "hdf5", on one process or on all ranks.

Each commit is an epoch of the store: per rank the arrays of the state as typed datasets and the
rest as a stream, below ``/ranks/<rank>/flow``, and for all the record of the run.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sauerkraut import commands, storage
from sauerkraut.checkpoint.agreement import agreed, raise_interrupt, shared, together
from sauerkraut.checkpoint.reading import NFS_WAIT
from sauerkraut.checkpoint.reports import Reports
from sauerkraut.checkpoint.store import Store
from sauerkraut.errors import (
    CorruptCheckpoint,
    FlowError,
    NoCheckpoint,
    RankError,
    SauerkrautError,
    WorldSizeMismatch,
)
from sauerkraut.flow import common, states
from sauerkraut.flow.record import Failure, Record
from sauerkraut.flow.stores import Commit, History, State
from sauerkraut.group import Group
from sauerkraut.nonsense import NONSENSE, wrong
from sauerkraut.settings import Settings
from sauerkraut.storage import About, Array, Manifest, Piece, Stream, Trust, catalog
from sauerkraut.wording import counted

KEY = "flow"
"""What the record is called in `About.more`, and where streams and arrays lie in a shard."""
FAILED = "step-failed"
"""The event of a step that did not finish."""


class Epochs:
    """The `StepStore` of a checkpoint directory. Every method is collective.

    Args:
        path: The directory.
        group: The ranks.
        keep: How many runs that finished stay, beside the one at work.
        shared_keys: Keys whose values are the same on every rank; stored once.
        reports: Told what a person should know.
    """

    def __init__(
        self,
        path: Path,
        group: Group,
        *,
        keep: int,
        shared_keys: Sequence[str],
        reports: Reports,
    ) -> None:
        self.where = str(path)
        self._directory = path.absolute()
        self._group = group
        self._keep = keep
        self._shared = tuple(shared_keys)
        self._reports = reports
        self._settings = Settings.from_environment()
        self._trust = Trust()
        self._store: Store | None = None
        self._owner: _Owner | None = None
        self._committed: list[tuple[int, Record]] = []
        self._before = 0
        """Number of the newest run when the directory was taken."""
        self._attempt: str | None = None
        self._process = os.getpid()
        self._incarnation, self._mode = "", 0  # of lines of the log, on every rank

    def read(self) -> History:
        """See `StepStore.read`."""
        with agreed(self._group, "key file"):
            self._trust = Trust.of(self._settings)
        found, failure, notes = shared(self._group, f"looking at {self.where}", self._look)
        self._attempt = found[0][0].epoch.attempt if found else None
        self._committed = [(each.epoch.number, record) for each, record in reversed(found)]
        commits = tuple(self._commit_of(manifest, record) for manifest, record in found)
        return History(commits, failure, notes)

    def open(self) -> History:
        """See `StepStore.open`."""
        store = self._take()
        try:
            self._incarnation, self._mode = shared(self._group, "opening", self._tell_log)
            history = self.read()
            self._before = 0 if history.newest is None else history.newest.run
            store.follow(self._attempt)
        except BaseException:
            self.close()
            raise
        self._owner = _Owner(store, self._settings.owner_touch) if self._group.rank == 0 else None
        return history

    def _take(self) -> Store:
        store = Store(
            self._directory,
            self._group,
            self._settings,
            keep=self._keep,
            share=None,
            reports=self._reports,
        )
        try:
            store.take()
        except BaseException:
            store.release()  # it may be this very flow that has the directory: it keeps its own
            raise
        self._store, self._process = store, os.getpid()
        return store

    def _tell_log(self) -> tuple[str, int]:
        assert self._store is not None, "after take()"
        ownership = self._store.ownership
        return ownership.incarnation.id, ownership.modes.file

    def commit(self, state: State, record: Record) -> None:
        """See `StepStore.commit`."""
        assert self._store is not None, "after open()"
        common.check(self._group, state, self._shared)
        captured: states.Captured | None = None
        piece = Piece(self._group.rank, ())

        def capture() -> int:
            nonlocal captured, piece
            own = state if self._group.rank == 0 else common.without(state, self._shared)
            captured = states.capture(own, self._settings.block_threshold)
            piece = _piece(self._group.rank, captured)
            return piece.nbytes

        try:
            self._store.wait_swept()
            sizes = together(self._group, "storing the state", capture)
            self._store.keep = self._kept(record)
            epoch = self._store.write(piece, _about(record), sum(sizes))
        except RankError as error:
            raise_interrupt(error)
            raise
        finally:
            if captured is not None:
                captured.release()
        self._committed.append((epoch.number, record))

    def failed(self, record: Record, *, alone: bool = False) -> None:
        """See `StepStore.failed`: a line of the log."""
        if self._store is not None and record.failure is not None:
            newest = self._committed[-1][0] if self._committed else None
            failure = {n: getattr(record.failure, n) for n in Failure.__slots__}
            told = {"epoch": newest, "run": record.run, "failure": failure}
            if alone:
                storage.events.append_line(
                    self._directory, self._mode, self._incarnation, FAILED, told
                )
            else:
                self._store.event(FAILED, **told)

    def close(self) -> None:
        """See `StepStore.close`."""
        if self._owner is not None:
            self._owner.stop()
            self._owner = None
        if self._store is not None:
            if os.getpid() == self._process:
                self._store.release()
            self._store = None

    def reset(self, forget: Callable[[], object] | None = None) -> None:
        """Forget what is stored: every epoch, damaged ones included.

        Args:
            forget: Called as well, before another run can have the directory.

        Raises:
            NoCheckpoint: nothing is; the directory is left as it is.
            FlowError: checkpoints of another program are.
            DirectoryOwned, StorageError: see `open`.
        """
        with contextlib.suppress(CorruptCheckpoint):
            self.read()
        if not catalog.ever_committed(self._directory):
            raise NoCheckpoint(f"{self.where}: nothing is stored there")
        store = self._take()
        try:
            store.start_over()
            if forget is not None:
                forget()
        finally:
            self.close()

    def _look(self) -> tuple[list[tuple[Manifest, Record]], Failure | None, tuple[str, ...]]:
        """What rank 0 sees, newest first."""
        found: list[tuple[Manifest, Record]] = []
        notes: list[str] = []
        try:
            entries = catalog.committed(self._directory)
        except NoCheckpoint:
            return [], None, ()
        others = 0
        for entry in entries:
            try:
                manifest = catalog.read_manifest(entry.path, self._trust)
                record = manifest.about.more.get(KEY)
                if record is None:
                    others += 1
                    continue
                found.append((manifest, Record.of_json(record)))
            except CorruptCheckpoint as error:
                notes.append(f"{error}: passed over")
            except NONSENSE as error:
                notes.append(f"{entry.path}: no record that this version reads: {wrong(error)}")
        if notes and not found:
            raise CorruptCheckpoint(f"{self.where}: no epoch can be read: {notes[0]}")
        if others:
            raise FlowError(
                f"{self.where} holds checkpoints of another program: give the flow a directory of "
                "its own"
            )
        return found, self._failure(found), tuple(notes)

    def _failure(self, found: Sequence[tuple[Manifest, Record]]) -> Failure | None:
        """How the newest run ended, by the log, which is no evidence and may be torn."""
        if not found or found[0][1].finished:
            return None
        newest = found[0][0].epoch.number
        for line in reversed(storage.events.read(self._directory)):
            if line.get("event") == FAILED and line.get("epoch") == newest:
                try:
                    return Failure(**line["failure"])
                except (KeyError, TypeError):
                    return None
        return None

    def _kept(self, record: Record) -> set[int]:
        """Epochs that stay beside that of ``record``: what each step of certain runs saw last.

        Of its run, of the last that finished, and, while steps may take results from there, of the
        one that was the newest when this one began.
        """
        finished = sorted({each.run for _, each in self._committed if each.finished})
        runs = {record.run, *finished[-self._keep :]}
        if not record.finished:
            runs.add(self._before)
        last = {_place(each): number for number, each in self._committed if each.run in runs}
        last.pop(_place(record), None)  # the one to come takes its place
        return set(last.values())

    def _commit_of(self, manifest: Manifest, record: Record) -> Commit:
        return Commit(
            record,
            lambda touch_files: self._load(manifest, touch_files=touch_files),
            manifest.epoch.bytes,
        )

    def _load(self, manifest: Manifest, *, touch_files: bool) -> State:
        group, path = self._group, manifest.epoch.path
        if manifest.world_size != group.size:
            raise WorldSizeMismatch(
                f"{counted(manifest.world_size, 'rank')} wrote {path}, "
                f"this job has {group.size}: start it with {manifest.world_size}, "
                "or give run() a state and checkpoint=0"
            )

        state: State = {}

        def read() -> None:
            nonlocal state
            seal = manifest.seals[group.rank]
            with storage.Shard.open(path / seal.file, self._trust, seal=seal, wait=NFS_WAIT) as one:
                state = _state(one.piece(), touch_files=touch_files)

        together(group, f"reading {path.name}", read)
        return common.spread(group, state, self._shared)


class _Owner:
    """Shows, while a step takes hours, that the owner of the directory lives. Rank 0 only."""

    def __init__(self, store: Store, period: float) -> None:
        self._store = store
        self._period = period
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._touch, name="sauerkraut owner", daemon=True)
        self._thread.start()

    def _touch(self) -> None:
        while not self._stop.wait(self._period):
            try:
                self._store.touch(0.0)
            except SauerkrautError:  # whatever it is, the next commit meets it, too
                return

    def stop(self) -> None:
        """Return when nothing is touched any more."""
        self._stop.set()
        self._thread.join()


def _place(record: Record) -> tuple[int, int, bool]:
    return record.run, record.index, record.finished


def _about(record: Record) -> About:
    return About(
        step=len(record.steps) if record.finished else record.index,
        of=len(record.steps),
        command=commands.of_this_process(),
        working_directory=str(Path.cwd()),
        more={KEY: record.to_json()},
    )


def _piece(rank: int, captured: states.Captured) -> Piece:
    streams = [Stream(f"{KEY}/objects", captured.stream)]
    if captured.control:
        streams.append(Stream(f"{KEY}/control", captured.control))
    arrays = tuple(
        Array(f"{KEY}/arrays/{i}", each.memory, each.dtype, each.shape, each.path)
        for i, each in enumerate(captured.blocks)
    )
    return Piece(rank, tuple(streams), arrays)


def _state(piece: Piece, *, touch_files: bool) -> State:
    streams: dict[str, Any] = {each.name: each.data for each in piece.streams}
    control = bytes(streams.get(f"{KEY}/control", b""))
    arrays = {each.name: each.data for each in piece.arrays}
    blocks = [arrays[f"{KEY}/arrays/{i}"] for i in range(len(arrays))]
    return states.restore(
        control, bytes(streams[f"{KEY}/objects"]), blocks, touch_files=touch_files
    )
