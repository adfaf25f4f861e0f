"""Does this interpreter lay its frames out as we were built for?

CPython may change internal structures in a micro release. The version string does not tell, so
the frame in hand is compared with CPython's public answers, and a two-frame stack in the middle
of a loop, a try and a with is captured and resumed, in well under a millisecond.
"""

from __future__ import annotations

import sys
from types import CodeType, FrameType
from typing import Any

from sauerkraut import _native


class _Manager:
    def __enter__(self) -> int:
        return 7

    def __exit__(self, *_: object) -> None:
        pass


def _inner(stacks: list[_native.Stack], cell: int) -> int:
    def read() -> int:
        return cell

    total = 0
    for step in range(3):
        try:
            raise KeyError(step)  # noqa: TRY301 - the handler is what is tested
        except KeyError as error:
            total += error.args[0] + read()
            if step == 1:
                total += _take(stacks, sys._getframe())
    return total


def _outer(stacks: list[_native.Stack]) -> tuple[int, int]:
    with _Manager() as seven:
        return 1 + _inner(stacks, seven), seven


def _take(stacks: list[_native.Stack], innermost: FrameType) -> int:
    stacks.append(_native.capture(innermost, _outer.__code__, ()))
    return 100


def _look_at_caller() -> tuple[tuple[CodeType, int], tuple[CodeType, int]]:
    frame = sys._getframe(1)
    return _native.probe(frame), (frame.f_code, frame.f_lasti // 2)


def failure() -> str | None:
    """What is wrong with this interpreter; None: capture and resume work here."""
    seen, expected = _look_at_caller()
    if seen != expected:
        return f"frames of {sys.version.split()[0]} are not laid out as in the CPython we know"
    stacks: list[_native.Stack] = []
    undisturbed = _outer(stacks)
    resumed: Any = stacks[0].run(100, None)
    # Nothing was pickled, so both share the loop's iterator: the resumed loop has one step less.
    if undisturbed != (125, 7) or resumed != (116, 7):
        return f"a resumed toy stack gave {resumed}, not (116, 7)"
    return None
