"""Whether a start fits the epoch that it goes on from.

Each check says what differs, and touches nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any

from sauerkraut.checkpoint.beginning import OfProgram, stream_of
from sauerkraut.checkpoint.options import Options
from sauerkraut.checkpoint.program import Program
from sauerkraut.checkpoint.reports import Reports
from sauerkraut.code import fingerprint
from sauerkraut.errors import ArgumentsChanged, CodeChanged, InterpreterMismatch, ResumeError
from sauerkraut.objects import arguments, graph, process_state
from sauerkraut.objects.reducers.definitions import attribute
from sauerkraut.storage import Piece


def of_interpreters(then: tuple[str, str], now: tuple[str, str]) -> None:
    """Compare implementation and minor version. Raises InterpreterMismatch."""
    if _minor(then) != _minor(now):
        raise InterpreterMismatch(
            f"{' '.join(then)} wrote it, this is {' '.join(now)}: start it with that Python"
        )


def of_programs(then: OfProgram | None, now: Program | None) -> None:
    """Compare how the two were started, and an unmodified program itself. Raises ResumeError."""
    if (then is None) != (now is None):
        how = "a program that calls Checkpointer.run" if then is None else "`sauerkraut run`"
        raise ResumeError(f"{how} wrote it: start it in the same way")
    if now is not None and then is not None:
        now.check(then)


def told_of(function: Callable[..., Any]) -> dict[str, str]:
    """What a rank stores of the function given to ``run``; of lambdas, which share a name, code."""
    while isinstance(function, functools.partial):
        function = function.func
    name = str(getattr(function, "__qualname__", type(function).__qualname__))
    code = getattr(function, "__code__", None)
    if isinstance(code, CodeType) and name.endswith("<lambda>"):
        return {"function": name, "code": fingerprint.of(code).hex()}
    return {"function": name}


def of_functions(then: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Compare the functions given to ``run``, as `told_of` tells them. Raises ArgumentsChanged."""
    if any(then.get(key, value) != value for key, value in now.items()):
        another = "another " if then["function"] == now["function"] else ""
        raise ArgumentsChanged(
            f"it is of a run of {then['function']}(), this start gives {another}"
            f"{now['function']}(): give each run a directory of its own, or start anew with "
            "fresh=True"
        )


def of_arguments(then: Mapping[str, str], now: Mapping[str, str], *, unmodified: bool) -> None:
    """Compare the arguments as `describe_arguments` tells them. Raises ArgumentsChanged."""
    if differing := arguments.difference(then, now):
        way = "same_arguments=False ignores it"
        if unmodified:
            way = "a restart goes on with the captured ones, --fresh starts anew"
        raise ArgumentsChanged(f"{differing}; {way}")


def of_roots(then: list[str], now: list[str]) -> None:
    """Each root of the epoch needs an object of this start that becomes it.

    Raises:
        ArgumentsChanged: names those that have none.
    """
    if then != now:
        more = [f"{name} is only in the epoch" for name in then if name not in now]
        more += [f"{name} only in this start" for name in now if name not in then]
        raise ArgumentsChanged(
            "the objects of this start become those of the epoch, one for one, also with "
            f"same_arguments=False: {', '.join(more) or 'their order differs'}; "
            "build the arguments with as many lists, dicts, arrays and objects in them"
        )


def of_surroundings(then: Mapping[str, str], *, strict: bool, reports: Reports) -> None:
    """Compare the facts of the process: warn of what differs.

    Raises:
        ResumeError: the start is ``strict`` and something differs.
    """
    differing = process_state.compare(then, process_state.environment())
    if differing and strict:
        raise ResumeError(
            f"the epoch was written elsewhere: {'; '.join(differing)} (strict=False only warns)"
        )
    for line in differing:
        reports.warn(f"the epoch was written elsewhere: {line}")


def of_code(piece: Piece, options: Options, reports: Reports) -> None:
    """Look for functions off the stack that changed; those on it are checked as they thaw.

    Raises:
        CodeChanged: some did, and ``code_changes="all"`` looks at all of them.
    """
    names = graph.code_names(stream_of(piece, "objects"))
    changed = [name for name, then in names.items() if then and _fingerprint(name) != then]
    if not changed:
        return
    text = f"changed since the epoch: {', '.join(sorted(changed))}"
    if options.code_changes == "all":
        raise CodeChanged(f'{text}; code_changes="frames" allows it')
    reports.warn(text)


def _fingerprint(name: str) -> bytes | None:
    """Of the function that ``module:qualified name`` finds here; None when it finds none."""
    module, _, qualname = name.partition(":")
    found: Any = attribute(module, qualname)
    code = getattr(getattr(found, "__func__", found), "__code__", None)
    return fingerprint.of(code) if isinstance(code, CodeType) else None


def _minor(interpreter: tuple[str, str]) -> tuple[str, list[str]]:
    return interpreter[0], interpreter[1].split(".")[:2]
