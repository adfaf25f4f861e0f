"""Capturing the calling thread's stack."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, Literal, ParamSpec, TypeVar

from sauerkraut import _native
from sauerkraut.errors import CaptureError
from sauerkraut.frames import labels, self_test
from sauerkraut.frames.exclusion import Exclude, Exclusion, Generators
from sauerkraut.frames.original import Original
from sauerkraut.frames.snapshot import MAGIC, Snapshot, Thawed
from sauerkraut.objects import graph, module_data
from sauerkraut.objects.freezing import Handles
from sauerkraut.objects.reducers.definitions import Definitions

P = ParamSpec("P")
R = TypeVar("R")

Base = FrameType | CodeType | Callable[..., Any] | None

# Unseen, since a tool that is told of some of its frames only miscounts those of its importers.
_broken: str | None = _native.untraced(self_test.failure)
_INTERPRETER = (sys.implementation.name, platform.python_version(), MAGIC)


def call(fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call ``fn`` and mark it as the base of captures inside: its frame is the outermost one."""
    return fn(*args, **kwargs)


def capture(
    *,
    base: Base = None,
    exclude: Exclude = (),
    globals: Literal["none", "auto"] | Sequence[ModuleType | str] = "none",  # noqa: A002 - the API
    code: Literal["auto", "embed"] = "auto",
    arrays: Literal["copy", "borrow"] = "copy",
) -> Any:
    """Capture the call stack of the caller, frozen as it is now; returns once more when resumed.

    Args:
        base: Function or frame where the capture stops, inclusive; None: the innermost function
            called by `call`, else everything up to but without the module body.
        exclude: Locals to leave out: names in any frame, or ``{qualified name: names}``; also of
            the generators that the frames lead to. They come back as `EXCLUDED`.
        globals: "none": functions find the globals of the process they are resumed in; "auto":
            the data that ``__main__`` and the program's own modules on the stack hold in globals
            is captured and bound again; or the modules to do so for.
        code: "auto": functions are found again by name where that leads to the same code, else
            carried along; "embed": always carried along, with the functions, classes and modules
            that they name in ``__main__``, for a program that does not define them.
        arrays: "copy" the memory of arrays once, or "borrow" it: then use the snapshot up
            before the program goes on, and release it.

    Returns:
        A `Snapshot` at the first return. In a resumed stack the value given to ``resume()``, by
        default the falsy `Resumed`: ``if snap := skt.capture(): save(snap)``.

    Raises:
        CaptureError: names the frame and variable, why, and what to do; nothing has changed.
        KeyError: ``exclude`` names a local that no captured frame has.
    """
    innermost = sys._getframe(1)
    data: list[object] = []
    if globals != "none":
        chosen: Any = globals
        if not isinstance(globals, str):
            chosen = [each if isinstance(each, str) else each.__name__ for each in globals]
        data.append(module_data.collect(_owners(innermost), chosen))
    return capture_stack(
        innermost,
        base=base,
        exclude=exclude,
        code=code,
        values=data,
        names="the globals".format,
        arrays=arrays,
        strict=True,
        carry_main=True,
    )


def capture_stack(
    innermost: FrameType,
    *,
    base: Base = None,
    exclude: Exclude = (),
    code: Literal["auto", "embed"] = "auto",
    values: Sequence[object] = (),
    names: Callable[[int], str] = "value {}".format,
    anchors: Mapping[str, object] | None = None,
    arrays: Literal["copy", "borrow"] = "copy",
    threshold: int = 64 * 1024,
    strict: bool = False,
    carry_main: bool = False,
    sources: bool = False,
    handles: Handles | None = None,
    original: Original | None = None,
    entry: CodeType = call.__code__,
) -> Snapshot:
    """Capture from ``innermost``, a frame of the calling thread that is calling us, outwards.

    Args:
        innermost: The pending call in this frame is what the resumed stack returns from.
        base: See `capture`.
        exclude: See `capture`.
        code: See `capture`.
        values: More objects for the same graph, found again in ``Thawed.values``.
        names: How a person finds value ``i``, for errors and dataset paths.
        anchors: Objects written as the name they are given here.
        arrays: See `capture`.
        threshold: Bytes from which an array's memory becomes a block of its own.
        strict: Whether an excluded name that no frame has is a KeyError.
        carry_main: See `graph.freeze`.
        sources: Whether the source of each function is recorded, so that a restart after a
            change of it can show the difference.
        handles: See `graph.freeze`.
        original: Takes what is needed to end the captured stack itself.
        entry: Of the function that calls the outermost frame, and returns what that does.

    Raises:
        CaptureError: as in `capture`.
    """
    check_enabled()
    # The base of a resumed stack is the frame that Thawed.run rebuilt first.
    markers = (entry, Thawed.run.__code__)
    stack = _native.capture(innermost, resolve_base(base), markers)
    exclusion = Exclusion(exclude) if exclude else None
    excluded = [exclusion.apply(stack, i) for i in range(len(stack))] if exclusion else None
    snapshot = freeze_stack(
        stack,
        excluded,
        exclusion=exclusion,
        code=code,
        values=values,
        names=names,
        anchors=anchors,
        arrays=arrays,
        threshold=threshold,
        carry_main=carry_main,
        sources=sources,
        handles=handles,
        original=original,
    )
    if strict and exclusion is not None:
        exclusion.check()
    return snapshot


def freeze_stack(
    stack: _native.Stack,
    excluded: list[list[str]] | None = None,
    *,
    exclusion: Exclusion | None = None,
    code: labels.Carry = "auto",
    values: Sequence[object] = (),
    names: Callable[[int], str] = "value {}".format,
    anchors: Mapping[str, object] | None = None,
    arrays: Literal["copy", "borrow"] = "copy",
    threshold: int = 64 * 1024,
    carry_main: bool = False,
    sources: bool = False,
    handles: Handles | None = None,
    original: Original | None = None,
) -> Snapshot:
    """Freeze frames that were read, and whose locals ``excluded`` (per frame) were replaced.

    ``exclusion`` tells what to leave out of the generators that are met. See `capture_stack` for
    the other arguments and for what it raises; for ``code`` also `labels.of`.
    """
    described = labels.of_frames(stack, carry=code, sources=sources)
    objects = stack.objects(described)
    own = len(objects)
    found: dict[int, str] = {}

    def name_of(index: int) -> str:
        if index >= own:
            return names(index - own)
        if not found:
            found.update(_names(stack))
        return found.get(id(objects[index]), "a value on the stack")

    if carry_main and code == "embed":
        values = [*values, Definitions.of(_codes_of_main(stack))]
    generators = Generators(stack, exclusion) if exclusion else _native.Generators(stack)
    frozen = graph.freeze(
        [*objects, *values] if values else objects,
        names=name_of,
        anchors=anchors or {},
        arrays=arrays,
        threshold=threshold,
        carry_main=carry_main,
        generators=generators,
        handles=handles,
    )
    if original is not None:
        original.take(stack, generators)
    for i in range(len(generators)):
        namespace = generators.globals(i)
        described.append(labels.of(generators.code(i), namespace, carry=code, sources=sources))
    hidden = generators.excluded if isinstance(generators, Generators) else None
    left_out: list[list[str]] = []  # in nothing
    if excluded or hidden:
        left_out += excluded or [[]] * len(stack)
        left_out += hidden or [[]] * len(generators)
    control = _native.encode(stack, generators, *_INTERPRETER, described, left_out, labels.describe)
    return Snapshot(control, frozen)


def _codes_of_main(stack: _native.Stack) -> Iterator[CodeType]:
    namespace = vars(sys.modules["__main__"])
    return (stack.code(i) for i in range(len(stack)) if stack.globals(i) is namespace)


def capture_values(values: Sequence[object], *, exclude: Exclude = (), **options: Any) -> Snapshot:
    """Capture objects without a stack: where a function has returned, generators may live on.

    Args:
        values: Found again in ``Thawed.values``.
        exclude: See `capture`: locals of those generators.
        options: Of `freeze_stack`.

    Raises:
        CaptureError: see `graph.freeze`; also for a generator that is running.
    """
    exclusion = Exclusion(exclude) if exclude else None
    return freeze_stack(_native.Stack(), exclusion=exclusion, values=values, **options)


def _owners(frame: FrameType | None) -> list[str]:
    """Names of the modules whose functions are on the stack."""
    names: dict[str, None] = {}
    while frame is not None:
        names[str(frame.f_globals.get("__name__"))] = None
        frame = frame.f_back
    return list(names)


def check_enabled() -> None:
    """Raise CaptureError when this interpreter's frames are not as we know them."""
    if _broken is not None:
        raise CaptureError(f"capture is disabled: {_broken}; please report this")


def resolve_base(base: Base) -> FrameType | CodeType | None:
    """The frame or code that a base means. Raises CaptureError for what is none."""
    if base is None or isinstance(base, (FrameType, CodeType)):
        return base
    function = getattr(base, "__func__", base)
    if isinstance(function, FunctionType):
        return function.__code__
    raise CaptureError(f"base={base!r} is neither a Python function nor a frame")


def _names(stack: _native.Stack) -> dict[int, str]:
    """How people find the objects of the frames: innermost names win where two lead to one."""
    found: dict[int, str] = {}
    chain: list[str] = []
    for frame in range(len(stack)):
        chain.append(f"{stack.code(frame).co_qualname}()")
        for _, name, value in stack.bound(frame):
            found.setdefault(id(value), f"{' -> '.join(chain)} -> local {name!r}")
    return found
