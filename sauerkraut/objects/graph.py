"""One object graph, frozen into one pickle stream and the memory blocks of its arrays.

The stream is a pickle of the list of values, pickles of the globals dicts of no module and of
what the frames of generators refer to, a table of memories, and 8 bytes: the length of the table,
0 where there is nothing to put in it.
"""

from __future__ import annotations

import functools
import io
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from sauerkraut._native import plain
from sauerkraut.errors import CaptureError, ResumeError, SauerkrautError
from sauerkraut.objects import reducers, thawing
from sauerkraut.objects.freezing import Handles, has_registered
from sauerkraut.objects.passes import Attempt, Names, Values
from sauerkraut.objects.stream import NAMESPACE, TRAILER, table_in
from sauerkraut.objects.thawing import Thawing

if TYPE_CHECKING:
    from sauerkraut._native import Generators, Shells
    from sauerkraut.objects.arrays import Memory

_NO_TABLE = bytes(TRAILER)
_PLAIN = (range, type(iter(range(1))), type(iter(range(1 << 64))), complex)
"""Types that `plain` takes and reducers may be registered for."""
_EMPTY = {"memories": [], "namespaces": 0, "code": {}}


@dataclass(frozen=True, slots=True)
class Block:
    """The memory one or many arrays look at, in the order of its bytes."""

    memory: memoryview
    """Contiguous bytes, read-only."""
    dtype: str
    """What the bytes look like to a person, as in ``numpy.dtype.str``."""
    shape: tuple[int, ...]
    """Shape in memory order; its product times the item size is ``memory.nbytes``."""
    path: str
    """How a person finds an array that uses it."""


class Frozen:
    """What `freeze` returns: the stream and the blocks it refers to.

    Borrowed blocks are those of the live arrays: use them up before the program goes on, and
    then `release`. Also a context manager that releases.
    """

    def __init__(
        self, stream: bytes, blocks: tuple[Block, ...] = (), dead: tuple[str, ...] = ()
    ) -> None:
        self._held: tuple[bytes, tuple[Block, ...]] | None = (stream, blocks)
        self.dead = dead
        """Types of objects that only weak references reached: those come back dead."""

    @property
    def stream(self) -> bytes:
        """The pickle stream. Raises CaptureError once released."""
        return self._parts()[0]

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks, in the order the stream counts them. Raises CaptureError once released."""
        return self._parts()[1]

    def release(self) -> None:
        """Let go of stream and memory; any later use raises CaptureError."""
        self._held = None

    def _parts(self) -> tuple[bytes, tuple[Block, ...]]:
        if self._held is None:
            raise CaptureError("this snapshot borrowed the program's arrays and was released")
        return self._held

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        cls: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def freeze(
    values: Values,
    *,
    names: Names = "value {}".format,
    anchors: Mapping[str, object] | None = None,
    arrays: Literal["copy", "borrow"] = "copy",
    threshold: int = 64 * 1024,
    carry_main: bool = False,
    generators: Generators | None = None,
    handles: Handles | None = None,
) -> Frozen:
    """Freeze ``values`` and all they refer to, so that identity and aliasing hold across them.

    Args:
        values: Written as one list, in this order.
        names: How a person finds value ``i``, for errors and block paths.
        anchors: Objects by name that are written as that name; `thaw` is given what the name
            stands for there. By identity, whatever their type.
        arrays: "copy": memory is copied once, now; "borrow": see `Frozen`.
        threshold: Bytes from which the memory of an array becomes a block of its own.
        carry_main: Write functions and classes of ``__main__`` so that a program that does not
            define them can read them, where that is possible.
        generators: Takes the generators that the values lead to, with their frames, for the
            control section; None: they are refused.
        handles: Takes the handles of MPI; None: only predefined ones are written.

    Raises:
        CaptureError: something cannot be captured; names it, why, and what to do. Nothing has
            changed but what the user's own ``__reduce__`` and ``__getstate__`` did.
    """
    if not anchors:
        plainly = freeze_plain(values, names=names, arrays=arrays, threshold=threshold)
        if plainly is not None:
            return plainly
    attempt = Attempt(
        values,
        names,
        anchors or {},
        threshold,
        carry_main=carry_main,
        generators=generators,
        handles=handles,
    )
    stream, freezing = attempt.run()
    told = {"namespaces": len(freezing.namespaces), "code": freezing.code}
    if attempt.parts.strip(NAMESPACE):
        told["parts"] = attempt.parts
    memories = list(freezing.memories.values())
    return _with_memories(stream, memories, told, arrays, threshold, tuple(freezing.dead))


def _with_memories(
    stream: io.BytesIO,
    memories: list[Memory],
    told: dict[str, Any],
    arrays: Literal["copy", "borrow"],
    threshold: int,
    dead: tuple[str, ...] = (),
) -> Frozen:
    """Add the table to a stream: what is ``told`` there, and of memories."""
    table: list[tuple[int, int, bytes | None]] = []
    blocks: list[Block] = []
    for memory in memories:
        first = memory.low - memory.address
        data = memory.bytes()
        if memory.nbytes <= threshold:
            table.append((first, memory.nbytes, data.tobytes()))
            continue
        table.append((first, memory.nbytes, None))
        held = data.copy() if arrays == "copy" else data
        blocks.append(Block(held.data.toreadonly(), *memory.look(), memory.path))
    end = pickle.dumps({"memories": table, **told}, protocol=5)
    stream.write(end)
    stream.write(len(end).to_bytes(TRAILER, "little"))
    return Frozen(stream.getvalue(), tuple(blocks), dead)


def freeze_plain(
    values: Values,
    *,
    names: Names,
    arrays: Literal["copy", "borrow"],
    threshold: int,
) -> Frozen | None:
    """Freeze a small graph in which the pickler needs no word of ours; see `freeze`.

    Arrays of numbers need none that is not known beforehand. None where something does, or where
    it nests too deep: the other way has more room for recursion.
    """
    if has_registered(_PLAIN):
        return None
    given = values if type(values) is list else list(values)
    try:
        if plain(given):
            return Frozen(pickle.dumps(given, 5) + _NO_TABLE)
        if sys.modules.get("numpy") is None:  # None: not to be imported
            return None
        kinds, found = _plain_arrays(), list[Any]()
        if has_registered(kinds.PLAIN):
            return None
        if not plain(given, kinds.PLAIN, found) or not kinds.are_plain(found):
            return None
        stream, memories = kinds.pickled(given, names, threshold)
    except RuntimeError:  # it nests too deep, or another thread has changed it meanwhile
        return None
    if not memories:
        stream.write(_NO_TABLE)
        return Frozen(stream.getvalue())
    return _with_memories(stream, memories, {"namespaces": 0, "code": {}}, arrays, threshold)


@functools.cache
def _plain_arrays() -> Any:
    """Of use, and to be had, only where there is NumPy."""
    from sauerkraut.objects import plain_arrays

    return plain_arrays


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, state: Thawing) -> None:
        super().__init__(file)
        self.persistent_load = state.find  # type: ignore[method-assign]


def thaw(
    frozen: Frozen | tuple[bytes, Sequence[Any]],
    *,
    anchors: Mapping[str, object] | None = None,
    actions: list[Callable[[], object]] | None = None,
    on_changed: str = "raise",
    shells: Shells | None = None,
    handles: object = None,
) -> list[object]:
    """Read the list of values back. Runs code that the stream names: read only what you trust.

    Args:
        frozen: What `freeze` returned, which stays usable, or (stream, blocks), where each block
            is a buffer; a writable one aligned to 64 bytes becomes the arrays' memory.
        anchors: What each anchored name comes back as.
        actions: Takes what touches the user's files (cutting a log back to its recorded length),
            to be called once all is well everywhere; None: done before this returns.
        on_changed: "raise" or "warn" when a file that was being read has changed since.
        shells: Makes the generators, and takes what their frames refer to.
        handles: Takes the handles of MPI that are to be made again.

    Raises:
        CodeChanged: code in the graph is not the captured one.
        ResumeError: the stream cannot be read here; names what was missing. No file was touched.
    """
    stream: Any
    blocks: Sequence[Any]
    if isinstance(frozen, Frozen):
        stream, held = frozen._parts()
        blocks = [block.memory for block in held]
    else:
        stream, blocks = frozen
    try:
        if not blocks and type(stream) is bytes and stream.endswith(_NO_TABLE):
            return list(pickle.loads(stream))  # it stops at the end of the list
        table, length = _read_table(stream)
        state = Thawing(anchors or {}, _memories(table, blocks), on_changed, shells, handles)
        with thawing.Reading(state):
            reader = _Unpickler(_file(stream, length), state)
            values: list[object] = reader.load()
            index = 0
            for kind in table.get("parts", NAMESPACE * table["namespaces"]):
                contents = reader.load()
                if kind == NAMESPACE:
                    state.namespaces.setdefault(index, {}).update(contents)
                    index += 1
                elif shells is not None:
                    shells.take(contents)
            for act in state.last:
                act()
    except (SauerkrautError, MemoryError):
        raise
    except Exception as error:
        raise ResumeError(f"the objects cannot be read here: {_told(error)}") from error
    if actions is not None:
        actions.extend(state.actions)
    else:
        for act in state.actions:
            act()
    return values


def code_names(stream: bytes) -> Mapping[str, bytes]:
    """Fingerprints, at capture, of the project functions the graph refers to by name.

    Runs code that the stream names, as `thaw` does.

    Raises:
        ResumeError: the table of the stream cannot be read here.
    """
    try:
        table, _ = _read_table(stream)
        return dict(table["code"])
    except (SauerkrautError, MemoryError):
        raise
    except Exception as error:
        raise ResumeError(f"the objects cannot be read here: {_told(error)}") from error


def _file(stream: Any, length: int) -> io.BytesIO:
    # BytesIO shares the memory of bytes, so the usual case is read without a copy.
    return io.BytesIO(stream if isinstance(stream, bytes) else memoryview(stream)[:length])


def _read_table(stream: Any) -> tuple[dict[str, Any], int]:
    pickled = table_in(stream)
    table = pickle.loads(pickled) if pickled else _EMPTY
    return table, memoryview(stream).nbytes - TRAILER - len(pickled)


def _memories(table: dict[str, Any], blocks: Sequence[Any]) -> list[tuple[Any, int]]:
    entries = table["memories"]
    wanted = sum(inline is None for _, _, inline in entries)
    if wanted != len(blocks):
        raise ResumeError(f"the object stream refers to {wanted} blocks, {len(blocks)} are given")
    if not entries:
        return []
    from sauerkraut.objects import arrays

    return arrays.memories_from(entries, blocks)


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


reducers.load()
