"""States in one local file: handler "local"."""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sauerkraut.errors import CorruptCheckpoint, ResumeError, StorageError
from sauerkraut.flow import appending, gumly, journal, states
from sauerkraut.flow.appending import Writer
from sauerkraut.flow.journal import Contents, Frame
from sauerkraut.flow.lock import Lock
from sauerkraut.flow.record import Record, StepRecord
from sauerkraut.flow.stores import Commit, History, State
from sauerkraut.nonsense import NONSENSE, wrong
from sauerkraut.settings import Settings
from sauerkraut.storage import Trust, disk
from sauerkraut.storage.disk import File


class LocalFile:
    """The `StepStore` of one file.

    Args:
        path: Made with the first commit.
        keep: How many runs that finished stay, beside the one at work.
        only_look: Run nothing that the file holds; of one of Gumly's, plain values are read.
    """

    def __init__(self, path: Path, keep: int = 1, *, only_look: bool = False) -> None:
        self.where = str(path)
        self._path = Path(os.path.realpath(path))  # a link stays a link
        self._keep = keep
        self._only_look = only_look
        self._settings = Settings.from_environment()
        self._trust = Trust()
        self._frames: list[tuple[Frame, Record]] = []
        self._runs: set[int] = set()
        self._end = 0
        self._enough = 0  # size of the file up to which it need not be asked what of it is needed
        self._lock: Lock | None = None
        self._found: File | None = None  # the file that was opened; commits may replace it
        self._writer: Writer | None = None
        self._must_replace = True

    def read(self) -> History:
        """See `StepStore.read`."""
        return self._look(None)

    def _look(self, found: File | None) -> History:
        """What the file holds; states are read from ``found``, or from the file as it is then."""
        self._trust = Trust.of(self._settings)
        self._refuse_other_kinds()
        contents = journal.read(self._path, self._trust)
        self._frames, self._runs, self._enough = [], set(), 0
        self._must_replace = contents is None or not contents.frames or bool(contents.passed_over)
        if contents is None:
            return History()
        if not contents.frames:
            return self._of_gumly(contents)
        for frame in contents.frames:
            try:
                steps = [StepRecord.of_line(line) for line in frame.lines]
                self._frames.append((frame, Record.of_head(frame.record, steps)))
            except NONSENSE as error:
                raise CorruptCheckpoint(
                    f"{self.where}: the frame at byte {frame.start} holds no record that this "
                    f"version reads: {wrong(error)}"
                ) from error
        self._end = contents.end
        self._runs = {record.run for _, record in self._frames}
        commits = [(frame, record) for frame, record in self._frames if frame.parts]
        note = (
            f"{self.where}: {contents.passed_over} bytes are no whole record, as a run leaves "
            "that ends while it writes, or damage does: passed over"
        )
        newest = self._frames[-1][1]
        return History(
            tuple(self._commit_of(frame, record, found) for frame, record in reversed(commits)),
            newest.failure,
            (note,) if contents.passed_over else (),
        )

    def open(self) -> History:
        """See `StepStore.open`."""
        self.take()
        try:
            if self._path.exists():
                self._found = File.open(self._path)
            history = self._look(self._found)
        except BaseException:
            self.close()
            raise
        return history

    def reset(self, forget: Callable[[], object] | None = None) -> None:
        """Forget what is stored: remove the file.

        Args:
            forget: Called as well, before another run can have the file.

        Raises:
            DirectoryOwned: a run is using it.
            CorruptCheckpoint: it is no file of a flow: it stays.
            StorageError: it could not be removed.
        """
        self.take()
        try:
            contents = journal.read(self._path, self._trust)
            if contents is not None and not contents.frames:
                self._refuse_unless_ours(contents.head)
            disk.unlink(self._path)
            disk.sync_directory(self._path.parent)
            if forget is not None:
                forget()
        finally:
            self.close()

    def take(self) -> None:
        """Keep other runs away; what the file holds does not matter, and is replaced.

        Raises:
            DirectoryOwned, StorageError: see `Lock`.
        """
        self._trust = Trust.of(self._settings)
        self._refuse_other_kinds()
        self._lock = Lock(self._path)

    def commit(self, state: State, record: Record) -> None:
        """See `StepStore.commit`."""
        captured = states.capture(state, self._settings.block_threshold)
        try:
            parts = [captured.control, captured.stream, *(b.memory for b in captured.blocks)]
            self._store(record, parts)
        finally:
            captured.release()

    def failed(self, record: Record, *, alone: bool = False) -> None:  # noqa: ARG002 - one rank
        """See `StepStore.failed`."""
        self._store(record, [])

    def close(self) -> None:
        """See `StepStore.close`."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._found is not None:
            with contextlib.suppress(StorageError):  # it was only read
                self._found.close()
            self._found = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _store(self, record: Record, parts: Sequence[Any]) -> None:
        lines = record.lines()
        known = record.run in self._runs
        broken = self._writer is not None and not self._writer.whole
        if self._must_replace or not known or broken or self._is_wasteful(record, parts):
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            kept = self._kept(record, replaced=bool(parts))
            frames = appending.replace(
                self._path, [frame for frame, _ in kept], record.head(), lines, parts, self._trust
            )
            self._frames = list(zip(frames, [*(each for _, each in kept), record], strict=True))
            self._runs = {each.run for _, each in self._frames}
            self._end = frames[-1].start + frames[-1].nbytes
            self._must_replace = False
            return
        if self._writer is None:
            newest = next((f.parts for f, _ in reversed(self._frames) if f.parts), ())
            self._writer = Writer.append(self._path, self._end, self._trust, newest)
        self._writer.commit(record.head(), lines, parts)
        frame = self._writer.frames[-1]
        self._frames.append((frame, record))
        self._end = frame.start + frame.nbytes

    def _is_wasteful(self, record: Record, parts: Sequence[Any]) -> bool:
        """Whether more than half of the file is no more needed; asked when it has doubled."""
        if not parts or self._end <= self._enough:
            return False
        kept = [frame for frame, _ in self._kept(record, replaced=True)]
        needed = sum(memoryview(each).nbytes for each in parts) + journal.needed(kept)
        self._enough = 2 * needed
        return self._end > self._enough

    def _kept(self, record: Record, *, replaced: bool) -> list[tuple[Frame, Record]]:
        """Frames of the run at work and of the last ones that finished, one per index and run.

        Args:
            record: That of the frame to come.
            replaced: Whether it takes the place of one of its index and run.
        """
        finished = sorted({each.run for _, each in self._frames if each.finished})
        runs = {record.run, *finished[-self._keep :]}
        chosen: dict[tuple[int, int, bool], tuple[Frame, Record]] = {}
        for frame, each in self._frames:
            if frame.parts and each.run in runs:
                chosen[each.run, each.index, each.finished] = (frame, each)
        if replaced:
            chosen.pop((record.run, record.index, record.finished), None)
        return sorted(chosen.values(), key=lambda entry: entry[0].start)

    def _commit_of(self, frame: Frame, record: Record, found: File | None) -> Commit:
        nbytes = sum(part.nbytes for part in frame.parts)

        def load(touch_files: bool) -> State:
            return self._load(frame, found, touch_files=touch_files)

        return Commit(record, load, nbytes)

    def _load(self, frame: Frame, found: File | None, *, touch_files: bool) -> State:
        if found is not None:
            parts = journal.read_parts(found, frame, self._trust)
        else:
            with File.open(self._path) as file:
                parts = journal.read_parts(file, frame, self._trust)
        control, stream, *blocks = parts
        return states.restore(bytes(control), bytes(stream), blocks, touch_files=touch_files)

    def _refuse_other_kinds(self) -> None:
        """Refuse what is no file: a pipe would be waited for, and replaced."""
        try:
            mode = self._path.stat().st_mode
        except OSError:  # whoever opens it will say so
            return
        if not stat.S_ISREG(mode):
            raise CorruptCheckpoint(f"{self.where} is no file: give the flow another path")

    def _refuse_unless_ours(self, head: bytes) -> None:
        """Refuse to remove a file that begins as none of a flow and none of Gumly's does."""
        if head and not head.startswith((journal.MAGIC, gumly.BEGINS)):
            raise CorruptCheckpoint(
                f"{self.where} is neither a checkpoint of a flow nor one of Gumly's: give the flow "
                "another path, or move the file away"
            )

    def _of_gumly(self, contents: Contents) -> History:
        self._refuse_unless_ours(contents.head)
        if not contents.head:
            raise CorruptCheckpoint(
                f"{self.where} is empty, as no run leaves it: remove it to start from zero"
            )
        if contents.head.startswith(journal.MAGIC):
            raise CorruptCheckpoint(
                f"{self.where} is damaged: no record in it is whole; move it away, or type "
                f"sauerkraut flow reset {shlex.quote(self.where)}, to start from zero"
            )
        try:
            state = gumly.look(self._path) if self._only_look else gumly.read(self._path)
            record = Record.of_state(state)
        except ValueError as error:
            if isinstance(error, ResumeError):
                raise
            raise CorruptCheckpoint(f"{self.where}: {error}") from error
        return History((Commit(record, lambda _: gumly.read(self._path)),))


class LocalStateHandler:
    """Writes and reads a state, a dict, to and from a local file.

    Args:
        path: The file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path

    def write(self, state: State) -> None:
        """Replace what the file holds by ``state``: durably, and wholly or not at all.

        Raises:
            TypeError: ``state`` is no dict.
            ValueError: its ``checkpoint_index`` is no index.
            CaptureError: something in it cannot be stored; names it.
            DirectoryOwned: a flow that runs has the file.
            StorageError: it could not be written.
        """
        if not isinstance(state, dict):
            raise TypeError(f"a state is a dict, not a {type(state).__name__}")
        record = Record.of_state(state)
        store = LocalFile(Path(self.path))
        store.take()
        try:
            store.commit(state, record)
        finally:
            store.close()

    def read(self) -> State:
        """Read the state; an empty dict when there is no file.

        Raises:
            CorruptCheckpoint, UntrustedCheckpoint, StorageError: the file cannot be used as it is.
            ResumeError: the state needs something that is not here.
        """
        history = LocalFile(Path(self.path)).read()
        return history.commits[0].load(True) if history.commits else {}
