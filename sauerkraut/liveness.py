"""Which locals the rest of a function can still read, at each of its instructions.

A local is *dead* where no path, through exception handlers too, reads it before it is stored
again. The analysis is made of the public bytecode, so specialised and traced code has the same.
"""

from __future__ import annotations

import weakref
from types import CodeType
from typing import Any

from sauerkraut import _native
from sauerkraut.frames.labels import slot_names

_SEE_ALL_LOCALS = frozenset(("_getframe", "currentframe", "dir", "eval", "exec", "locals", "vars"))
"""Names by which a function may come by locals that its bytecode does not name."""

liveness_cache: weakref.WeakKeyDictionary[CodeType, LivenessAnalysis] = weakref.WeakKeyDictionary()
"""Analyses that `get_dead_variables_at_offset` made, while their code objects live."""


class LivenessAnalysis:
    """The live and the dead locals of one code object.

    Sound rather than sharp: variables shared with inner functions are live everywhere, since
    those may read them, and so are all in a function that names `locals`, `vars`, `dir`, `eval`,
    `exec`, `_getframe` or `currentframe`.

    Args:
        code: A code object, or what has a ``to_code()`` (the ``bytecode`` package's ``Bytecode``)
            or a ``to_bytecode()`` (its ``ControlFlowGraph``).

    Raises:
        TypeError: ``code`` is something else.
        CaptureError: its bytecode has instructions that this version does not know.
    """

    def __init__(self, code: Any) -> None:
        code = _code_of(code)
        slots = slot_names(code)
        always = _never_dead(code)
        self._names = frozenset(slots)
        self._live = {
            2 * unit: always | {slots[slot] for slot in live}
            for unit, live in _native.live_locals(code)
        }

    def get_offsets(self) -> list[int]:
        """Offsets of all instructions in bytes, in order, as in `dis`."""
        return list(self._live)

    def get_live_variables_at_offset(self, offset: int) -> set[str]:
        """Locals that may be read from the instruction at ``offset`` on.

        Raises:
            ValueError: no instruction starts there.
        """
        try:
            return set(self._live[offset])
        except KeyError:
            raise ValueError(f"no instruction starts at offset {offset!r}") from None

    def get_dead_variables_at_offset(self, offset: int) -> set[str]:
        """All other locals, those without a value included. Raises ValueError as above."""
        return set(self._names - self.get_live_variables_at_offset(offset))


def get_dead_variables_at_offset(code: CodeType, offset: int) -> set[str]:
    """`LivenessAnalysis.get_dead_variables_at_offset` of an analysis that is kept with ``code``.

    Equal code objects share it; a function of the same name with other code does not.
    """
    analysis = liveness_cache.get(code)
    if analysis is None:
        analysis = liveness_cache[code] = LivenessAnalysis(code)
    return analysis.get_dead_variables_at_offset(offset)


def dead_slots(code: CodeType, unit: int) -> list[int]:
    """Places of the dead locals among all fast locals, where the instruction at ``unit`` waits."""
    always = _never_dead(code)
    live = set(_native.live_at(code, unit))
    names = slot_names(code)
    return [slot for slot, name in enumerate(names) if slot not in live and name not in always]


def _never_dead(code: CodeType) -> frozenset[str]:
    if not _SEE_ALL_LOCALS.isdisjoint(code.co_names):
        return frozenset(slot_names(code))
    shared = frozenset((*code.co_cellvars, *code.co_freevars))
    if "__class__" in code.co_freevars and code.co_argcount:
        return shared | {code.co_varnames[0]}  # super() takes it from the frame
    return shared


def _code_of(code: Any) -> CodeType:
    for convert in ("to_bytecode", "to_code"):
        if hasattr(code, convert):
            code = getattr(code, convert)()
    if not isinstance(code, CodeType):
        raise TypeError(f"liveness needs a code object, not {type(code).__name__}")
    return code
