"""A state as bytes: one object graph, arrays beside it, generators with their frames."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

from sauerkraut import _native
from sauerkraut.errors import CaptureError, FlowError, ResumeError
from sauerkraut.flow.stores import State
from sauerkraut.frames.capture import capture_values
from sauerkraut.frames.snapshot import Snapshot
from sauerkraut.objects import graph
from sauerkraut.objects.graph import Block, Frozen


@dataclass(frozen=True, slots=True)
class Captured:
    """A state that borrows the program's arrays until `release`."""

    control: bytes
    """Frames of the generators in it; empty where there are none."""
    stream: bytes
    blocks: tuple[Block, ...]
    _held: Frozen | Snapshot

    def release(self) -> None:
        """Let go of the arrays; the parts cannot be used any more."""
        self._held.release()


def capture(state: State, threshold: int) -> Captured:
    """Write ``state`` as parts that share memory with its arrays.

    Args:
        state: Any dict.
        threshold: Bytes from which an array is a part of its own.

    Raises:
        CaptureError: something in it cannot be stored; names it.
    """
    generators = _native.Generators(_native.Stack())
    frozen = graph.freeze(
        [state],
        names="state".format,
        arrays="borrow",
        threshold=threshold,
        generators=generators,
    )
    if not len(generators):
        return Captured(b"", frozen.stream, frozen.blocks, frozen)
    frozen.release()
    snapshot = capture_values([state], names="state".format, arrays="borrow", threshold=threshold)
    return Captured(snapshot.control, snapshot.objects, snapshot.blocks, snapshot)


def restore(
    control: bytes, stream: bytes, blocks: Sequence[Any], *, touch_files: bool = True
) -> State:
    """Make the state of its parts. Runs code that they name: read only what you trust.

    Args:
        control: As captured.
        stream: As captured.
        blocks: Buffers; writable ones aligned to 64 bytes become the arrays' memory.
        touch_files: Whether files in the state that were being written are cut back to their
            length then; False: only to look.

    Raises:
        ResumeError: something that it needs is not here, or another Python wrote it.
    """
    values: Sequence[object]
    actions: list[Callable[[], object]] = []
    if control:
        thawed = Snapshot(control, Frozen(stream, _as_blocks(blocks))).thaw()
        thawed.check()
        if touch_files:
            thawed.touch_files()
        values = thawed.values
    else:
        values = graph.thaw((stream, blocks), actions=actions)
        for act in actions if touch_files else ():
            act()
    if len(values) != 1 or not isinstance(values[0], dict):
        raise ResumeError("what is stored is no state of a flow")
    return values[0]


def copy(value: object) -> object:
    """A copy of ``value``, as a restart would bring it back.

    Raises:
        CaptureError: it cannot be stored.
    """
    captured = capture({"": value}, 1 << 62)
    try:
        return restore(captured.control, captured.stream, (), touch_files=False)[""]
    finally:
        captured.release()


def capture_both(state: State, data: dict[str, Any]) -> Snapshot:
    """Keep copies of state and data, for `put_back`.

    Raises:
        CaptureError: something in them cannot be copied; names it.
    """
    try:
        return capture_values([state, data, {}], names=("state", "data", "").__getitem__)
    except CaptureError as error:
        raise CaptureError(f"for retries, state and data are copied: {error}") from error


def put_back(kept: Snapshot, state: State, data: dict[str, Any]) -> None:
    """Make state and data, the same dicts, what they were.

    Raises:
        FlowError: one of them holds itself or the other, which a copy cannot stand for.
    """
    thawed = kept.thaw()
    thawed.check()
    *holders, of_none = [_holders(each) for each in thawed.values]
    if max(holders) > of_none:
        raise FlowError(
            "state or data holds itself or the other one, so a step cannot be tried again with "
            "what it saw: take that out, or do without retries"
        )
    thawed.touch_files()
    for held, then in zip((state, data), thawed.values[:2], strict=True):
        assert isinstance(then, dict), "they were captured as dicts"
        held.clear()
        held.update(then)


def _holders(value: object) -> int:
    """How many objects hold ``value``, but for frames."""
    return sum(not isinstance(each, FrameType) for each in gc.get_referrers(value))


def _as_blocks(blocks: Sequence[Any]) -> tuple[Block, ...]:
    return tuple(Block(memoryview(each), "|u1", (memoryview(each).nbytes,), "") for each in blocks)


def explained(error: ResumeError, where: str, step: str) -> ResumeError:
    """The error of a state that cannot be read here, with the way out."""
    return type(error)(
        f"{where}: the state before {step} cannot be read here: {error}; make what it names "
        "available again, or give run() a state and checkpoint=0 to start over"
    )


def refused(error: CaptureError, step: str) -> CaptureError:
    """The error of a state that cannot be stored, with the way out, in one line."""
    told = " ".join(str(error).split("\n"))
    return CaptureError(
        f"the state after {step} cannot be stored: {told}; remove it from the state in that "
        "step, what was stored before is as it was"
    )
