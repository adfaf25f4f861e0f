"""Single frames and greenlets: the functions of the library this one grew from.

They capture the calling frame, a caller of it, or a suspended greenlet, as an object or as bytes:

    frame = skt.copy_current_frame()             # here the frame goes on when it is run
    data = skt.serialize_frame(frame)            # bytes, for a file or another process
    skt.run_frame(skt.deserialize_frame(data))   # what the function returns

A frame may be run any number of times, each time on its own objects. Its globals are found by
reference: those of its module where it runs. A frame of ``__main__`` that is run in another
program gets the globals that its code names as they were when it was serialized.

None of these functions is collective.
"""

from __future__ import annotations

import functools
import sys
from types import CodeType, FrameType
from typing import Any, Literal

from sauerkraut import _native
from sauerkraut.frames import capture
from sauerkraut.frames.snapshot import Thawed
from sauerkraut.seed import greenlets, program
from sauerkraut.seed.captured import CapturedFrame, Held
from sauerkraut.seed.named_locals import (
    ExcludeLocals,
    ReplaceLocals,
    check_replacements,
    leave_out,
)

_MISSING: Any = object()
_MARKERS = (capture.call.__code__, Thawed.run.__code__)


def copy_current_frame(
    serialize: bool = False,
    exclude_locals: ExcludeLocals = None,
    exclude_immutables: bool = False,
    sizehint: int | None = None,
    exclude_dead_locals: bool = True,
    capture_module_source: bool = False,
    *,
    stack: bool = False,
    base: capture.Base = None,
) -> Any:
    """Capture the calling frame as it is now; returns once more when it is run.

    Args:
        serialize: Return bytes instead of a `CapturedFrame`.
        exclude_locals: Locals to leave out, by name or by index among the fast locals; those of
            the innermost frame, or ``{qualified name: names}``. They come back as None.
        exclude_immutables: Leave out what only another process needs: code, the source that
            error messages show, globals of ``__main__``. It can then be run in this one only.
        sizehint: Accepted for compatibility; buffers have the size they need.
        exclude_dead_locals: Leave out locals that are never read again, see `sauerkraut.liveness`.
        capture_module_source: Take the source of the frames' modules along, for a process that
            does not have them; used when the frame is serialized.
        stack: Capture the callers as well, up to ``base``.
        base: The outermost frame with ``stack``; see `sauerkraut.capture`.

    Returns:
        A `CapturedFrame`, or bytes. When the frame is run: the ``value`` given there, by default
        None.

    Raises:
        CaptureError: a local or the frame cannot be captured; names it. Nothing has changed. For an
            array on a device of a library that is not known it is a RuntimeError, too.
        KeyError: ``exclude_locals`` names a local that is not there; lists those that are.
        IndexError: an index in it is out of range.
        TypeError: an argument is of the wrong type.
    """
    frame = sys._getframe(1)
    return _copy(
        _live_stack(frame, stack, base),
        exclude_locals,
        exclude_dead_locals,
        exclude_immutables,
        sizehint,
        serialize,
        capture_module_source,
    )


def copy_frame(
    frame: FrameType = _MISSING,
    exclude_locals: ExcludeLocals = None,
    sizehint: int | None = None,
    serialize: bool = False,
    exclude_dead_locals: bool = True,
    exclude_immutables: bool = False,
    capture_module_source: bool = False,
    *,
    stack: bool = False,
    base: capture.Base = None,
) -> Any:
    """Capture the *caller* of ``frame``; without it the calling frame, like `copy_current_frame`.

    So that a helper may capture its caller: ``copy_frame(inspect.currentframe())``. When the
    caller is run, the helper is gone: its call returns the ``value`` given there. The other
    arguments, and what is returned, are those of `copy_current_frame`.

    Raises:
        TypeError: ``frame`` is no frame.
        ValueError: it has no caller, or is not on the stack of the calling thread.
        CaptureError: see `copy_current_frame`, as for KeyError and IndexError.
    """
    innermost = sys._getframe(1) if frame is _MISSING else _caller_of(frame, sys._getframe(1))
    return _copy(
        _live_stack(innermost, stack, base),
        exclude_locals,
        exclude_dead_locals,
        exclude_immutables,
        sizehint,
        serialize,
        capture_module_source,
    )


def copy_frame_from_greenlet(
    greenlet: Any,
    exclude_locals: ExcludeLocals = None,
    sizehint: int | None = None,
    serialize: bool = False,
    exclude_dead_locals: bool = True,
    exclude_immutables: bool = False,
    capture_module_source: bool = False,
    *,
    stack: bool = True,
    base: capture.Base = None,
) -> Any:
    """Capture a greenlet that has switched away: its whole stack, or with ``stack=False`` the top.

    It goes on where it was, and may be captured again. When the capture is run, preferably in a
    new greenlet (``greenlet.greenlet(skt.run_frame).switch(frame)``), the pending ``switch()``
    returns the ``value`` given to `run_frame`. By default ``base`` is the function that the
    greenlet was made with. The other arguments, and what is returned, are those of
    `copy_current_frame`.

    Raises:
        TypeError: ``greenlet`` is none.
        ValueError: it is dead, not started, running, or of another thread.
        CaptureError: see `copy_current_frame`, as for KeyError and IndexError.
    """
    frames = greenlets.suspended_frames(greenlet)
    suspended = _native.capture_suspended(
        frames,
        _base(frames[0], stack, base),
        _MARKERS,
        greenlets.greenlet_class(),
    )
    return _copy(
        suspended,
        exclude_locals,
        exclude_dead_locals,
        exclude_immutables,
        sizehint,
        serialize,
        capture_module_source,
    )


def serialize_frame(
    frame: CapturedFrame, sizehint: int | None = None, capture_module_source: bool = False
) -> bytes:
    """Turn a captured frame into bytes, also one that was run or read from bytes.

    What the copy was told to leave out stays out.

    Args:
        frame: What a ``copy_`` function or `deserialize_frame` returned.
        sizehint: Accepted for compatibility.
        capture_module_source: Take the source of the frames' modules along.

    Raises:
        TypeError: ``frame`` is no captured frame.
        ValueError: ``sizehint`` is not positive.
        CaptureError: a module has no source.
    """
    _check_sizehint(sizehint)
    if sizehint is not None and sizehint <= 0:
        raise ValueError(f"sizehint must be positive, not {sizehint}")
    return _frame(frame).serialize(source=capture_module_source)


def deserialize_frame(
    frame: Any,
    replace_locals: ReplaceLocals = None,
    run: bool = False,
    reconstruct_module: bool = True,
    *,
    value: object = None,
    throw: BaseException | None = None,
) -> Any:
    """Read a frame from bytes, and run it when asked to. It may be read any number of times.

    Args:
        frame: Any buffer: bytes, bytearray, memoryview, mmap. Not changed; arrays are read from
            it when the frame is run, so it must stay as it is until then.
        replace_locals: See `run_frame`; in force whenever the frame is run.
        run: Return what the frame returns instead of the frame.
        reconstruct_module: Run the source that travelled of modules that are not imported here.
        value: See `run_frame`.
        throw: See `run_frame`.

    Raises:
        TypeError: ``frame`` is no buffer.
        ResumeError: not a frame, damaged, or not for this interpreter or code. With
            ``exclude_immutables``, in another process, it is a RuntimeError, too.
    """
    check_replacements(replace_locals)
    if isinstance(frame, (str, CapturedFrame)):
        raise TypeError(f"frame must be bytes or another buffer, not {type(frame).__name__}")
    read = CapturedFrame.deserialize(frame, replace_locals, reconstruct=reconstruct_module)
    return read.run(None, value, throw) if run else read


def run_frame(
    frame: CapturedFrame,
    replace_locals: ReplaceLocals = None,
    *,
    value: object = None,
    throw: BaseException | None = None,
) -> Any:
    """Run a captured frame to its end, any number of times, each time on objects of its own.

    Args:
        frame: What a ``copy_`` function or `deserialize_frame` returned.
        replace_locals: New values for locals of the innermost frame, by name or by index among
            the fast locals, or ``{qualified name: {name: value}}``.
        value: What the pending call returns in the frame.
        throw: Raised there instead.

    Returns:
        What the outermost captured frame returns; its exception propagates.

    Raises:
        TypeError: ``frame`` is no captured frame, or ``replace_locals`` no mapping.
        KeyError: ``replace_locals`` names a local that is not there; lists those that are.
        IndexError: an index in it is out of range.
        ResumeError: it cannot be run here; no frame ran.
    """
    check_replacements(replace_locals)
    return _frame(frame).run(replace_locals, value, throw)


def resume_greenlet(frame: CapturedFrame, /, *, value: object = None) -> Any:
    """Run a captured frame in a new greenlet, a child of this one.

    Returns:
        What ``switch()`` into it returns: what the frame returns, or switches back with.

    Raises:
        TypeError: ``frame`` is no captured frame.
        ResumeError: it cannot be run here.
    """
    run = functools.partial(run_frame, _frame(frame), value=value)
    return greenlets.greenlet_class()(run).switch()


# --- capture ----------------------------------------------------------------------------------


def _live_stack(innermost: FrameType, stack: bool, base: capture.Base) -> _native.Stack:
    capture.check_enabled()
    return _native.capture(innermost, _base(innermost, stack, base), _MARKERS)


def _base(innermost: FrameType, stack: bool, base: capture.Base) -> FrameType | CodeType | None:
    if not stack and base is not None:
        raise TypeError("base needs stack=True")
    return capture.resolve_base(base) if stack else innermost


def _caller_of(frame: object, current: FrameType) -> FrameType:
    if not isinstance(frame, FrameType):
        raise TypeError(f"frame must be a frame object, not {type(frame).__name__}")
    running: FrameType | None = current
    while running is not None and running is not frame:
        running = running.f_back
    if running is None:
        raise ValueError("frame is not on the stack of the calling thread")
    if frame.f_back is None:
        raise ValueError(f"frame {frame.f_code.co_qualname}() has no caller")
    return frame.f_back


def _copy(
    stack: _native.Stack,
    exclude_locals: ExcludeLocals,
    exclude_dead_locals: bool,
    exclude_immutables: bool,
    sizehint: int | None,
    serialize: bool,
    capture_module_source: bool,
) -> Any:
    _check_sizehint(sizehint)
    excluded = leave_out(stack, exclude_locals, dead=exclude_dead_locals)
    held = Held(stack)
    code: Literal["auto", "embed", "name"] = "auto"
    if exclude_immutables:
        code = "name"
    elif any(program.is_main(module) for module in held.modules):
        code = "embed" if "__main__" not in held.modules else "auto"
    snapshot = capture.freeze_stack(
        stack, excluded, code=code, values=[held.shared], carry_main=not exclude_immutables
    )
    notes: dict[str, Any] = {"process": program.PROCESS}
    if exclude_immutables:
        notes["immutables"] = "excluded"
    if capture_module_source:
        notes["source"] = True
    frame = CapturedFrame(snapshot, notes, held)
    return serialize_frame(frame) if serialize else frame


# --- arguments --------------------------------------------------------------------------------


def _frame(frame: object) -> CapturedFrame:
    if not isinstance(frame, CapturedFrame):
        raise TypeError(
            f"frame must be what copy_frame() or deserialize_frame() returned, "
            f"not {type(frame).__name__}"
        )
    return frame


def _check_sizehint(sizehint: object) -> None:
    if sizehint is not None and not isinstance(sizehint, int):
        raise TypeError(f"sizehint must be an int, not {type(sizehint).__name__}")
