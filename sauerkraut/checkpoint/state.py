"""What one rank puts into an epoch, and how it comes back.

One object graph holds the frames with what they refer to, the state of the roots, the globals of
the program's modules and the process state, so that an object shared between them stays one.
Beside it lies a small record of how the run was started, which is read before anything else.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from sauerkraut import commands
from sauerkraut.checkpoint import fit, program
from sauerkraut.checkpoint.beginning import Beginning
from sauerkraut.checkpoint.blocks import Held
from sauerkraut.checkpoint.bystanders import Bystanders
from sauerkraut.checkpoint.options import Options
from sauerkraut.checkpoint.providers import Providers, graph_parts
from sauerkraut.checkpoint.reading import Stored
from sauerkraut.checkpoint.records import Restart
from sauerkraut.checkpoint.reports import Reports
from sauerkraut.checkpoint.roots import Roots
from sauerkraut.errors import CaptureError, ResumeError
from sauerkraut.frames.capture import capture_stack, capture_values
from sauerkraut.frames.exclusion import Exclude
from sauerkraut.frames.sentinels import EXCLUDED
from sauerkraut.frames.snapshot import Snapshot, Thawed
from sauerkraut.group import Handles
from sauerkraut.objects import (
    arguments,
    graph,
    module_data,
    package_data,
    process_state,
    registrations,
    standard_streams,
)
from sauerkraut.storage import About, Array, Piece, Place, Stream

if TYPE_CHECKING:
    from sauerkraut.frames.aftermath import Aftermath

_BETWEEN = ("sauerkraut.checkpoint.", "sauerkraut.frames.")
"""Modules whose frames lie between `Checkpointer.run` and the function given to it."""
_INTERPRETER = (sys.implementation.name, platform.python_version())


@dataclass(slots=True)
class Captured:
    """A piece that borrows the program's arrays until `release`."""

    piece: Piece
    borrowed: tuple[graph.Frozen | Snapshot, ...]
    held: Mapping[str, Held]
    """What of it are blocks of arrays that all ranks hold together, by the names of those."""
    numbers: Mapping[str, float]
    """Numbers saved beside blocks, by name."""

    def add(self, name: str, data: bytes) -> None:
        """Add a stream to the piece."""
        streams = (*self.piece.streams, Stream(name, data))
        self.piece = replace(self.piece, streams=streams)

    def place(self, places: Mapping[str, Place]) -> None:
        """Say where the blocks lie that are `held`."""
        arrays = tuple(
            replace(array, place=places[array.path])
            if array.name.startswith("providers/") and array.path in places
            else array
            for array in self.piece.arrays
        )
        self.piece = replace(self.piece, arrays=arrays)

    def release(self) -> None:
        """Let go of the arrays; the piece cannot be used any more."""
        for each in self.borrowed:
            each.release()


class State:
    """What of this rank belongs into an epoch. Nothing here is collective.

    Args:
        rank: Of this process.
        fn: The function given to ``run``.
        args: Its arguments.
        kwargs: Its keyword arguments.
        anchors: Objects that come back as this start's own: the Checkpointer, its communicator.
        options: ``exclude``, ``globals``, ``code_changes``, ``on_changed`` and ``strict``.
        threshold: Bytes from which an array is stored as a dataset.
        providers: Data the program saves itself.
        reports: Told what a person should know.
    """

    def __init__(
        self,
        rank: int,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        anchors: Mapping[str, object],
        options: Options,
        threshold: int,
        providers: Providers,
        reports: Reports,
    ) -> None:
        self.rank = rank
        self.providers = providers
        self.base: FrameType | None = None
        """The frame that called the outermost one to capture; set while the function runs."""
        self.value: Any = None
        """What the function returned, after `read` of a final epoch."""
        self._fn, self._args, self._kwargs = fn, args, kwargs
        self._function = fit.told_of(fn)
        given = {name: obj for name, obj in anchors.items() if obj is not None}
        self._roots = Roots(fn, args, kwargs, list(given.values()))
        self._anchors = {**given, **self._roots.anchors}
        self._program = program.running()
        self._options = options
        self._threshold = threshold
        self._reports = reports
        self._started_in = str(Path.cwd())
        self._arguments: dict[str, str] = {}
        self._bystanders = Bystanders()
        standard_streams.remember()  # every start of the program puts them there again
        self._thawed: Thawed | None = None
        self._values: list[object] = []

    def call(self) -> Any:
        """Call the function."""
        self._bystanders = Bystanders()
        return self._fn(*self._args, **self._kwargs)

    def note_arguments(self) -> None:
        """Note what the function is called with, before it can change any of it."""
        self._arguments = arguments.describe_arguments(self._fn, self._args, self._kwargs)

    # ---------------------------------------------------------------- capture

    def capture(
        self, frame: FrameType, handles: Handles | None, left_out: Collection[str] = ()
    ) -> Captured:
        """Capture the stack from ``frame`` out to the function given to ``run``.

        Args:
            frame: The innermost one.
            handles: Takes the handles of MPI.
            left_out: Names of more variables to leave out, of any frame.

        Raises:
            CaptureError: names frame and variable, thread or process; nothing has changed.
        """
        outermost, modules = self._extent(frame)
        self._bystanders.refuse_others(self._options.allow)
        exclude = self._excluded_beside(left_out)
        values, names = self._more_values(modules, exclude, handles)
        snapshot = capture_stack(
            frame,
            base=outermost,
            exclude=exclude,
            values=values,
            names=names.__getitem__,
            anchors=self._anchors_beside(handles),
            arrays="borrow",
            threshold=self._threshold,
            sources=True,
            handles=handles,
            entry=State.call.__code__,
        )
        streams = [Stream("control", snapshot.control), Stream("objects", snapshot.objects)]
        return self._piece(streams, snapshot)

    def packages_reached(
        self, frame: FrameType, handles: Handles | None, left_out: Collection[str] = ()
    ) -> list[str]:
        """Globals of installed packages that the stack holds: a restart makes copies of them.

        The arguments are those of `capture`, which must have succeeded with them.
        """
        outermost, modules = self._extent(frame)
        exclude = self._excluded_beside(left_out)
        (held, *_), _ = self._more_values(modules, exclude, handles)
        chosen = package_data.anchors()
        snapshot = capture_stack(
            frame,
            base=outermost,
            exclude=exclude,
            values=[held],
            anchors={**chosen, **self._anchors_beside(handles)},
            arrays="borrow",
            threshold=self._threshold,
            handles=handles,
            entry=State.call.__code__,
        )
        try:
            return package_data.found(bytes(snapshot.objects), chosen)
        finally:
            snapshot.release()

    def capture_final(self, value: object, handles: Handles | None) -> Captured:
        """Capture the end of the run: what the function returned, and what outlives its frames.

        Raises:
            CaptureError: names what cannot be captured.
        """
        values, names = self._more_values([], self._options.exclude, handles)
        snapshot = capture_values(
            [value, *values],
            exclude=self._options.exclude,
            names=["the value that run returns", *names].__getitem__,
            anchors=self._anchors_beside(handles),
            arrays="borrow",
            threshold=self._threshold,
            handles=handles,
        )
        streams = [Stream("control", snapshot.control), Stream("objects", snapshot.objects)]
        return self._piece(streams, snapshot)

    def aftermath(self, error: BaseException) -> Aftermath:
        """The frames that an error left, as far as they can be captured; for people."""
        from sauerkraut.frames import aftermath

        return aftermath.freeze(
            error.__traceback__,
            lambda module: module.partition(".")[0] == "sauerkraut",
            exclude=self._options.exclude,
            threshold=self._threshold,
        )

    def about(self, told: Mapping[str, Any] | None = None, **fields: Any) -> About:
        """What the manifest says of an epoch, in the eyes of this rank, and what is ``told``."""
        more: dict[str, Any] = {
            **(told or {}),
            "function": self._function["function"],
            "hash_seed": os.environ.get("PYTHONHASHSEED"),
            "python": platform.python_version(),
        }
        if self._program is not None:
            more["safepoints"] = self._program.safepoints()
        return About(
            command=commands.of_this_process(),
            working_directory=self._started_in,
            more=more,
            **fields,
        )

    def _extent(self, frame: FrameType) -> tuple[FrameType, list[str]]:
        """The outermost frame to capture, and the modules that own frames, outermost last."""
        frames: list[FrameType] = []
        here: FrameType | None = frame
        while here is not None and here is not self.base:
            frames.append(here)
            here = here.f_back
        if here is None:
            raise CaptureError("this thread is not inside the function given to run")
        # between the two lie frames of ours: those that called or resumed the function
        while frames and frames[-1].f_globals.get("__name__", "").startswith(_BETWEEN):
            frames.pop()
        if not frames:
            raise CaptureError("the function given to run has no Python frame")
        return frames[-1], [each.f_globals.get("__name__", "") for each in frames]

    def _excluded_beside(self, left_out: Collection[str]) -> Exclude:
        exclude = self._options.exclude
        return [*exclude, *left_out] if left_out else exclude

    def _anchors_beside(self, handles: Handles | None) -> dict[str, object]:
        """What is written by name; where handles are taken, those write the communicator so."""
        if handles is None or not handles.takes(self._anchors.get("comm")):
            return self._anchors
        return {name: obj for name, obj in self._anchors.items() if name != "comm"}

    def _more_values(
        self, modules: Sequence[str], exclude: Exclude, handles: Handles | None
    ) -> tuple[list[object], list[str]]:
        """The values beside the frames' own, and how a person finds each."""
        process = process_state.capture()
        if self._program is not None:
            process["registrations"] = registrations.capture()
        held = self._collect_globals(modules, handles)
        if self._program is not None:  # its globals are what its body calls its variables
            everywhere = exclude.get("<module>", ()) if isinstance(exclude, Mapping) else exclude
            held[program.MAIN] |= dict.fromkeys(
                held[program.MAIN].keys() & set(everywhere), EXCLUDED
            )
        values: list[object] = [held, process]
        names = ["the globals", "the process state"]
        return [*values, *self._roots.states()], [*names, *self._roots.names]

    def _piece(self, streams: list[Stream], snapshot: graph.Frozen | Snapshot) -> Captured:
        beginning = Beginning(
            self._arguments,
            self.providers.names,
            self._roots.names,
            _INTERPRETER,
            process_state.environment(),
            None if self._program is None else self._program.record(),
            self._function,
        )
        arrays = [
            Array(f"arrays/{i}", each.memory, each.dtype, each.shape, each.path)
            for i, each in enumerate(snapshot.blocks)
        ]
        saved = self.providers.save(self._threshold)
        run = Stream("run", beginning.to_json())
        piece = Piece(self.rank, (run, *streams, *saved.streams), (*arrays, *saved.arrays))
        return Captured(piece, (snapshot, *saved.frozen), saved.held, saved.numbers)

    def _collect_globals(
        self, owners: Sequence[str], handles: Handles | None
    ) -> dict[str, dict[str, object]]:
        chosen: Any = self._options.globals
        if not isinstance(chosen, str):
            chosen = [module.__name__ for module in chosen]
        anchors = self._anchors_beside(handles)
        held = module_data.collect(owners, chosen, anchors=anchors, handles=handles)
        # a Checkpointer in a global is each start's own, the running one or another
        kind = type(self._anchors["checkpointer"])
        return {
            module: {name: value for name, value in data.items() if not isinstance(value, kind)}
            for module, data in held.items()
        }

    # ---------------------------------------------------------------- restart

    def check(self, stored: Stored, *, same_arguments: bool) -> None:
        """Refuse an epoch that this start does not fit; nothing is touched.

        Raises:
            InterpreterMismatch, ArgumentsChanged, ResumeError: says what differs.
        """
        then = Beginning.of(stored.piece)
        fit.of_interpreters(then.interpreter, _INTERPRETER)
        fit.of_programs(then.program, self._program)
        unmodified = self._program is not None
        if not unmodified:
            fit.of_functions(then.function, self._function)
        if same_arguments:
            fit.of_arguments(then.arguments, self._arguments, unmodified=unmodified)
        fit.of_roots(then.roots, self._roots.names)
        self.providers.check(then.providers)
        fit.of_surroundings(then.environment, strict=self._options.strict, reports=self._reports)
        if self._program is None:  # else its modules are not imported yet
            fit.of_code(stored.piece, self._options, self._reports)

    def read(self, stored: Stored, handles: Handles | None) -> None:
        """Bring the objects of an epoch into this process; files and frames are not touched yet.

        ``handles`` takes the handles of MPI, which are null until all ranks make them again.

        Raises:
            ResumeError: see `Snapshot.thaw`, `graph.thaw`.
        """
        if self._program is not None and (then := Beginning.of(stored.piece).program) is not None:
            self._program.return_to(then)  # what it imports must be found
        stream, blocks = graph_parts(stored.piece)
        snapshot = Snapshot.of_parts(_control(stored.piece), stream, blocks)
        self._thawed = snapshot.thaw(
            self._anchors, on_changed=self._options.on_changed, handles=handles
        )
        self._thawed.check()
        if self._program is not None:
            fit.of_code(stored.piece, self._options, self._reports)
        self._values = self._thawed.values
        if stored.manifest.about.final and self._values:
            self.value, *self._values = self._values
        match self._values:
            case [dict(), {"directory": str(), "umask": int()}, *states]:
                whole = len(states) == len(self._roots.names)
            case _:
                whole = False
        if not whole:
            raise ResumeError("the objects of the epoch are not those of a run")

    def restore(self) -> None:
        """Set files, working directory, roots and globals to what they were."""
        held: Any
        process: Any
        held, process, *states = self._values
        os.chdir(process["directory"])  # the files and roots may have relative names
        os.umask(process["umask"])
        if self._thawed is not None:
            self._thawed.touch_files()
        self._roots.restore(states)
        module_data.restore(held)

    def restore_process(self) -> None:
        """Set random streams and contexts to what they were, after all else that may draw."""
        process: Any = self._values[1]
        process_state.restore(process)
        if "registrations" in process:
            registrations.restore(process["registrations"])

    def resume(self, restart: Restart) -> Any:
        """Run the frames; the pending call returns ``restart``. Returns what the outermost does."""
        assert self._thawed is not None, "after read()"
        self._bystanders = Bystanders()
        thawed, self._thawed, self._values = self._thawed, None, []
        return thawed.run(restart)


def _control(piece: Piece) -> bytes:
    """The control section; the final epochs of early writers have none, as nothing was in it."""
    written = [bytes(each.data) for each in piece.streams if each.name == "control"]
    return written[0] if written else capture_values([]).control
