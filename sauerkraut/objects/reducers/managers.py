"""Context managers that change a setting of the process and undo it: in effect again with them."""

from __future__ import annotations

import contextlib
import decimal
import functools
import os
import sys
import warnings
from pathlib import Path
from types import FunctionType
from typing import Any

from sauerkraut.errors import ResumeError
from sauerkraut.objects import process_state, thawing
from sauerkraut.objects.freezing import Freezing, Reduced, reduces
from sauerkraut.objects.standard_streams import belongs_to_frames


@reduces("decimal.ContextManager")
def _reduce_local_context(manager: Any, _: Freezing) -> Reduced:
    # It shows its two contexts to nobody but the thread that enters and leaves it.
    now = decimal.getcontext()
    try:
        inner = manager.__enter__()
        manager.__exit__(None, None, None)
        outer = decimal.getcontext()
    finally:
        decimal.setcontext(now)
    return (make_local_context, (outer, inner), (now,), None, None, set_local_context)


def make_local_context(outer: decimal.Context, inner: decimal.Context) -> Any:
    """What ``decimal.localcontext(inner)`` is while ``outer`` is current."""
    now = decimal.getcontext()
    try:
        decimal.setcontext(outer)
        return decimal.localcontext(inner)
    finally:
        decimal.setcontext(now)


def set_local_context(_: Any, state: tuple[decimal.Context]) -> None:
    """Make the context current that was current at the capture."""
    thawing.current().actions.append(functools.partial(decimal.setcontext, state[0]))


@reduces(contextlib.redirect_stdout, contextlib.redirect_stderr)
def _reduce_redirection(manager: Any, _: Freezing) -> Reduced:
    # What stood there before anything of the frames did is what stands there at the restart.
    old = [each if belongs_to_frames(each) else None for each in manager._old_targets]
    return (
        type(manager),
        (None,),
        (manager._new_target, old),
        None,
        None,
        set_redirection,
    )


def set_redirection(manager: Any, state: tuple[Any, list[Any]]) -> None:
    """Give a redirection its streams; one that was entered takes effect."""
    manager._new_target, old = state
    standing = getattr(sys, manager._stream)
    manager._old_targets = [standing if each is None else each for each in old]
    if old:
        redirect = functools.partial(setattr, sys, manager._stream, manager._new_target)
        thawing.current().actions.append(redirect)


@reduces(contextlib.chdir)
def _reduce_directory(manager: Any, _: Freezing) -> Reduced:
    now = str(Path.cwd()) if manager._old_cwd else None
    state = (manager._old_cwd, now)
    return (contextlib.chdir, (manager.path,), state, None, None, set_directory)


def set_directory(manager: Any, state: tuple[list[str], str | None]) -> None:
    """Tell a manager where it goes back to; go where the program was."""
    manager._old_cwd, now = state
    if now is not None:
        thawing.current().actions.append(functools.partial(_go_to, now))


def _go_to(directory: str) -> None:
    try:
        os.chdir(directory)
    except OSError as error:
        raise ResumeError(f"the working directory of the capture is needed: {error}") from error


@reduces(warnings.catch_warnings)
def _reduce_warnings(manager: Any, _: Freezing) -> Reduced:
    attributes, now = dict(vars(manager)), None
    if manager._entered:
        # A list's append where warnings are recorded; else what is there at the restart.
        if isinstance(attributes["_showwarnmsg_impl"], FunctionType):
            attributes["_showwarnmsg_impl"] = None
        now = (list(warnings.filters), _recorder() if manager._record else None)
    return (warnings.catch_warnings, (), (attributes, now), None, None, set_warnings)


def _recorder() -> Any:
    return vars(warnings)["_showwarnmsg_impl"]


def set_warnings(manager: Any, state: tuple[dict[str, Any], Any]) -> None:
    """Tell a manager what it goes back to; treat warnings as the program did."""
    attributes, now = state
    if now is not None:
        attributes["_showwarnmsg_impl"] = attributes["_showwarnmsg_impl"] or _recorder()
        thawing.current().actions.append(functools.partial(_treat_warnings, *now))
    vars(manager).update(attributes)


def _treat_warnings(filters: list[Any], recorder: Any) -> None:
    process_state.set_filters(filters)
    if recorder is not None:
        vars(warnings).update(_showwarnmsg_impl=recorder)
