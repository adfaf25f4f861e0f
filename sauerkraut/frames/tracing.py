"""What monitoring tools are told of code that goes on here without having begun here."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from types import CodeType

from sauerkraut import _native


def enter(stack: _native.Stack) -> None:
    """Let the tools in use see the frames of a stack as if they were called, outermost first.

    From CPython 3.12 on a code object is made ready for its observers when a function of it
    starts, or when someone asks for its events: frames that are rebuilt never start. Trace and
    profile functions are told of each frame in the native core.
    """
    if sys.version_info >= (3, 12):
        monitoring = sys.monitoring
        tools = [tool for tool in range(6) if monitoring.get_tool(tool) is not None]
        if not tools and sys.gettrace() is None and sys.getprofile() is None:
            return
        codes = [stack.code(frame) for frame in range(len(stack))]
        own = next((tool for tool in range(6) if tool not in tools), None)
        if own is not None:
            _make_ready(codes, own)
        start = monitoring.events.PY_START
        for tool in tools:
            callback = monitoring.register_callback(tool, start, None)  # the one way to ask for it
            monitoring.register_callback(tool, start, callback)
            for code in codes if callback is not None else ():
                if (monitoring.get_events(tool) | monitoring.get_local_events(tool, code)) & start:
                    _native.untraced(functools.partial(callback, code, 0))


if sys.version_info >= (3, 12):

    def _make_ready(codes: Sequence[CodeType], tool: int) -> None:
        monitoring = sys.monitoring
        monitoring.use_tool_id(tool, "sauerkraut")
        try:
            for code in {id(each): each for each in codes}.values():  # equal ones may be two
                monitoring.set_local_events(tool, code, monitoring.events.LINE)
                monitoring.set_local_events(tool, code, 0)
        finally:
            monitoring.free_tool_id(tool)
