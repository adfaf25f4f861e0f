"""A captured frame, as the functions of `sauerkraut.seed_api` hand it out."""

from __future__ import annotations

import json
from types import CellType
from typing import Any, Self

from sauerkraut import _native
from sauerkraut.code import reference
from sauerkraut.frames import container
from sauerkraut.frames.labels import FrameInfo
from sauerkraut.frames.snapshot import Snapshot, Thawed
from sauerkraut.seed import named_locals, program
from sauerkraut.seed.named_locals import ReplaceLocals

_ATOMS = (bool, bytes, complex, float, int, str, type(None), CellType)


class CapturedFrame:
    """A captured frame, or the stack of a greenlet; made by the functions of this module."""

    def __init__(self, snapshot: Snapshot, notes: dict[str, Any], held: Held | None) -> None:
        self._snapshot = snapshot
        self._notes = notes
        self._held = held
        self._globals = b""
        self._replacements: dict[Any, Any] = {}
        self._reconstruct = True

    @property
    def frames(self) -> tuple[FrameInfo, ...]:
        """What is known of each frame, outermost first."""
        return self._snapshot.frames

    @property
    def excluded(self) -> tuple[str, ...]:
        """Locals of the innermost frame that were left out, dead ones included: None when run."""
        return self.frames[-1].excluded

    @property
    def unbound(self) -> tuple[str, ...]:
        """Locals of the innermost frame that had no value."""
        return self.frames[-1].unbound

    def serialize(self, *, source: bool = False) -> bytes:
        """See `sauerkraut.serialize_frame`."""
        notes, stream = self._notes, self._globals
        if self._held is not None:
            source = source or bool(notes.get("source"))
            notes = {**notes, **self._held.describe(source=source)}
            stream = b"" if "immutables" in notes else self._held.freeze_globals()
        parts = container.Parts(
            self._snapshot.control,
            self._snapshot.objects,
            self._snapshot.blocks,
            json.dumps(notes).encode(),
            stream,
        )
        return b"".join(container.write(parts))

    @classmethod
    def deserialize(cls, buffer: Any, replace: ReplaceLocals, *, reconstruct: bool) -> Self:
        """See `sauerkraut.deserialize_frame`."""
        parts = container.read(memoryview(buffer).toreadonly())
        notes = program.read_notes(parts.notes)
        if "immutables" in notes and not program.same_process(notes):
            raise program.ImmutablesMissingError(
                "the frame was serialized with exclude_immutables: only the process that did so "
                "can run it; serialize without"
            )
        frame = cls(Snapshot.of_parts(parts.control, parts.objects, parts.blocks), notes, None)
        frame._snapshot.check_interpreter()
        frame._globals = parts.globals
        frame._replacements = dict(replace or {})
        frame._reconstruct = reconstruct
        return frame

    def __repr__(self) -> str:
        inner = self.frames[-1]
        return f"<captured frame of {inner.function}() at {inner.file}:{inner.line}>"

    def run(self, replace: ReplaceLocals, value: object, throw: BaseException | None) -> Any:
        """See `sauerkraut.run_frame`."""
        thawed = self._thaw()
        for chosen in (self._replacements, replace or {}):
            named_locals.replace(thawed, chosen)
        thawed.check()
        thawed.touch_files()
        return thawed.run(value, throw)

    def _thaw(self) -> Thawed:
        if self._reconstruct:
            program.reconstruct(self._notes)
        foreign = program.foreign_main(self._notes, [ref for ref, _ in self._snapshot.references()])
        if foreign is None:
            return self._snapshot.thaw()
        private, new = program.private_main(self._notes, foreign, run_source=self._reconstruct)
        with program.as_main(private if foreign == "__main__" else None):
            thawed = self._snapshot.thaw()
            if self._globals and new:
                shared: Any = thawed.values[0]
                program.thaw_globals(self._globals, shared, private)
        return thawed


class Held:
    """What of the live program a frame needs when it is serialized; not part of the frame."""

    def __init__(self, stack: _native.Stack) -> None:
        """Look at frames whose excluded locals were replaced already."""
        self.codes = [stack.code(frame) for frame in range(len(stack))]
        self.modules = [reference.module_of(stack.globals(frame)) for frame in range(len(stack))]
        self.shared: list[object] = []
        if any(program.is_main(module) for module in self.modules):
            self.shared = [
                value
                for frame in range(len(stack))
                for _, _, value in stack.bound(frame)
                if type(value) not in _ATOMS
            ]

    def describe(self, *, source: bool) -> dict[str, Any]:
        """The notes on the frames' modules."""
        return program.describe(self.modules, source=source)

    def freeze_globals(self) -> bytes:
        """The globals of ``__main__`` that the frames' code names, as they are now."""
        for module in self.modules:
            if module is not None and program.is_main(module):
                values = program.globals_of(self.codes, module)
                return program.freeze_globals(values, self.shared) if values else b""
        return b""
