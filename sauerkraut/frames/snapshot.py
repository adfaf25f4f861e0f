"""A captured call stack with its objects and arrays, and how it comes back."""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from types import CellType, CodeType, ModuleType
from typing import Any, Self, cast

from sauerkraut import _native
from sauerkraut.code import difference, reference
from sauerkraut.code.reference import CodeReference
from sauerkraut.errors import CodeChanged, InterpreterMismatch, ResumeError
from sauerkraut.frames import container, tracing
from sauerkraut.frames.labels import FrameInfo, slot_names
from sauerkraut.frames.sentinels import Resumed
from sauerkraut.objects import graph, module_data
from sauerkraut.objects.graph import Block, Frozen
from sauerkraut.objects.reducers.definitions import Definitions

Replacements = Mapping[str, Any]

MAGIC = int.from_bytes(importlib.util.MAGIC_NUMBER, "little")


class Snapshot:
    """A captured call stack: made by `sauerkraut.capture`, resumed any number of times.

    It holds bytes only, none of the program's objects, so it can be stored, sent and compared.
    """

    def __init__(self, control: bytes, frozen: Frozen) -> None:
        self._control = control
        self._frozen = frozen
        self._decoded: _native.Control | None = None

    @classmethod
    def of_parts(cls, control: bytes, objects: bytes, blocks: Sequence[Block]) -> Self:
        """Join the three parts that storage keeps; nothing is verified until it is used."""
        return cls(control, Frozen(objects, tuple(blocks)))

    @property
    def control(self) -> bytes:
        """Control state: a FlatBuffer of `schema/snapshot.fbs`."""
        return self._control

    @property
    def objects(self) -> bytes:
        """The pickle stream of all objects."""
        return self._frozen.stream

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The memory of the arrays."""
        return self._frozen.blocks

    @property
    def nbytes(self) -> int:
        """Bytes of all of that."""
        blocks = sum(each.memory.nbytes for each in self.blocks)
        return len(self._control) + len(self.objects) + blocks

    @property
    def frames(self) -> tuple[FrameInfo, ...]:
        """The frames, outermost first. Raises ResumeError when the control state is damaged."""
        return tuple(FrameInfo.of(frame) for frame in self._verified().frames)

    def to_buffers(self) -> list[Any]:
        """The snapshot as buffers, the header first; arrays are not copied."""
        return container.write(container.Parts(self.control, self.objects, self.blocks))

    def to_bytes(self) -> bytes:
        """The snapshot as one string of bytes: the one copy of each array."""
        return b"".join(self.to_buffers())

    @classmethod
    def from_bytes(cls, buffer: Any) -> Self:
        """Read what `to_bytes` wrote, from any contiguous buffer, which the snapshot looks at.

        Raises:
            ResumeError: not a snapshot, cut off, damaged, or of a later format.
        """
        # Read-only, so that resuming copies: what runs must not change the snapshot.
        parts = container.read(_read_only(buffer))
        return cls(parts.control, Frozen(parts.objects, parts.blocks))

    @classmethod
    def from_buffers(cls, buffers: Sequence[Any]) -> Self:
        """Read what `to_buffers` made. Raises ResumeError as `from_bytes` does."""
        parts = container.read_buffers([_read_only(each) for each in buffers])
        return cls(parts.control, Frozen(parts.objects, parts.blocks))

    def references(self) -> list[tuple[CodeReference, str | None]]:
        """Where each code of frames and generators is found, and the module of its globals."""
        return [(CodeReference(*ref), module) for ref, module in self._verified().references]

    def check_interpreter(self) -> None:
        """Raise InterpreterMismatch, naming both, when another Python wrote the snapshot."""
        _same_interpreter(self._verified().interpreter)

    def release(self) -> None:
        """Let go of borrowed memory (``arrays="borrow"``); any later use raises CaptureError."""
        self._frozen.release()

    def thaw(
        self,
        anchors: Mapping[str, object] | None = None,
        *,
        on_changed: str = "raise",
        handles: object = None,
    ) -> Thawed:
        """Bring control state, code and objects back into this process; no frame exists yet.

        Args:
            anchors: What each name that stood for an object at capture comes back as.
            on_changed: See `graph.thaw`.
            handles: See `graph.thaw`.

        Raises:
            InterpreterMismatch: another Python wrote it; names both.
            CodeChanged: a function on the stack is not the captured one; shows the difference.
            ResumeError: damaged, or something it needs is not here.
        """
        control = self._verified()
        _same_interpreter(control.interpreter)
        codes, namespaces, unknown = _native.known_codes(control, reference.resolved)
        if unknown:
            references = self.references()
            for place in unknown:
                ref, module = references[place]
                try:
                    codes[place] = reference.resolve(ref)
                except CodeChanged:
                    source = control.source(place)
                    raise CodeChanged(difference.describe(ref, source)) from None
                namespaces[place] = _namespace(module)
        actions: list[Any] = []
        shells = control.shells(codes)
        objects = graph.thaw(
            self._frozen,
            anchors=anchors or {},
            actions=actions,
            on_changed=on_changed,
            shells=shells,
            handles=handles,
        )
        if len(objects) < control.objects:
            raise ResumeError("control state and objects of the snapshot do not belong together")
        stack = control.bind(codes, namespaces, objects, shells)
        return Thawed(stack, objects[control.objects :], actions, shells)

    def resume(
        self,
        value: object = Resumed,
        *,
        throw: BaseException | None = None,
        replace: Mapping[str, Any] | None = None,
    ) -> Any:
        """Rebuild the frames on this thread and run them to the end; any number of times.

        Args:
            value: What the pending call to `capture` returns in the resumed stack.
            throw: Raised there instead.
            replace: New values for locals: ``{name: value}`` of the innermost frame, or
                ``{qualified name: {name: value}}``.

        Returns:
            What the outermost captured frame returns; its exception propagates.

        Raises:
            ResumeError: see `thaw`; no frame ran.
            KeyError: ``replace`` names a frame or local that is not there.
        """
        thawed = self.thaw()
        if replace:
            thawed.replace(replace)
        thawed.check()
        thawed.touch_files()
        for data in thawed.values:
            if isinstance(data, Definitions):
                data.bind()
            else:
                module_data.restore(cast("dict[str, dict[str, object]]", data))
        return thawed.run(value, throw)

    def _verified(self) -> _native.Control:
        if self._decoded is None:
            self._decoded = _native.decode(self._control)
        return self._decoded


def _read_only(buffer: Any) -> memoryview:
    view = memoryview(buffer)
    return view if view.readonly else view.toreadonly()


def place_of(code: CodeType, name: str) -> int:
    """Place of a local among the fast ones of ``code``. KeyError for an unknown name lists all."""
    names = slot_names(code)
    if name not in names:
        raise KeyError(f"{code.co_qualname}() has no local {name!r}; it has {names}")
    return names.index(name)


class Thawed:
    """A snapshot whose objects live in this process again, its frames not yet built."""

    def __init__(
        self,
        stack: _native.Stack,
        values: list[object],
        actions: list[Any],
        shells: _native.Shells,
    ) -> None:
        self.stack = stack
        """The frames; as yet nothing is checked against the code of this process."""
        self._frames = len(stack)  # none where only values were captured
        self._shells = shells
        self._actions = actions
        self.values = values
        """The further values given to ``capture_stack``, in order."""

    def replace(
        self,
        replacements: Mapping[Any, Any],
        place_of: Callable[[CodeType, Any], int] = place_of,
    ) -> None:
        """Give locals new values; see `Snapshot.resume`.

        Args:
            replacements: By name, of the innermost frame or by function.
            place_of: What a name stands for among the fast locals of code; raises for none.
        """
        stack = self.stack
        functions = [stack.code(frame).co_qualname for frame in range(len(stack))]
        by_function = bool(replacements) and all(
            name in functions and isinstance(value, Mapping) for name, value in replacements.items()
        )
        for frame, function in enumerate(functions):
            chosen = replacements.get(function, {}) if by_function else replacements
            if by_function or frame == len(functions) - 1:
                for name, value in chosen.items():
                    self._set_local(frame, place_of(stack.code(frame), name), value)

    def _set_local(self, frame: int, slot: int, value: object) -> None:
        """Give the fast local at ``slot`` of frame number ``frame`` a value, in its cell if any."""
        code = self.stack.code(frame)
        if slot_names(code)[slot] in {*code.co_cellvars, *code.co_freevars}:
            for place, _, held in self.stack.bound(frame):
                if place == slot and isinstance(held, CellType):
                    held.cell_contents = value
                    return
        self.stack.set_slot(frame, slot, value)

    def check(self) -> None:
        """Verify that the control state fits the code and objects of this process (ring 3).

        Raises:
            ResumeError: names frame and slot; no frame was built, no file touched.
        """
        if self._frames:
            self.stack.check()
        self._shells.check(self.stack)

    def touch_files(self) -> None:
        """Cut files opened for writing back to their recorded length, once all is well.

        What `decimal.localcontext` and its kin will undo is done here, too, in this context.
        From then on generators are what they were: to let go of one closes it, which may run code
        of the program.
        """
        self._shells.wake()
        while self._actions:
            self._actions.pop(0)()

    def run(self, value: object = Resumed, throw: BaseException | None = None) -> Any:
        """Build the frames and run them to the end; see `Snapshot.resume`."""
        self._shells.wake()
        tracing.enter(self.stack)
        return self.stack.run(value, throw, self._shells)


def _same_interpreter(wrote: tuple[str, str, int]) -> None:
    implementation, version, magic = wrote
    if implementation != sys.implementation.name or magic != MAGIC:
        here = f"{sys.implementation.name} {platform.python_version()}"
        raise InterpreterMismatch(
            f"the snapshot was written by {implementation} {version}, this is {here}; "
            "resume it with the Python that wrote it"
        )


def _namespace(module: str | None) -> Any:
    if module is None:
        return None  # it lies in the object list
    if type(imported := sys.modules.get(module)) is ModuleType:
        return vars(imported)
    try:
        return vars(importlib.import_module(module))
    except (ImportError, TypeError, ValueError) as error:  # the name itself may be nonsense
        raise ResumeError(f"module {module!r} of a captured frame: {error}") from error
