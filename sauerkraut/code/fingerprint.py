"""A fingerprint of a code object that is the same in every process running the same source.

BLAKE2b-128 over our own typed encoding. `marshal.dumps`, `hash()` and `repr()` are no base for
one: each differs between processes (reference flags, hash seed, order of frozensets).
"""

from __future__ import annotations

import dis
import struct
import weakref
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from types import CodeType

CO_OPTIMIZED_NEWLOCALS = 0x3  # set for functions and lambdas, not for modules and class bodies

_HAS_CONST = frozenset(dis.hasconst)
_HAS_RELATIVE_JUMP = frozenset(dis.hasjrel)
_BACKWARD = frozenset(op for name, op in dis.opmap.items() if "JUMP_BACKWARD" in name)
_EXTENDED_ARG = dis.opmap["EXTENDED_ARG"]
_NOP = dis.opmap["NOP"]
_CACHE = dis.opmap["CACHE"]
_STORE_NAME = dis.opmap["STORE_NAME"]

# From 3.13 on the compiler joins two instructions, if they are on one line.
_JOINED = {
    dis.opmap[f"{one}_{other}"]: (dis.opmap[one], dis.opmap[other])
    for one in ("LOAD_FAST", "LOAD_FAST_BORROW", "STORE_FAST")
    for other in ("LOAD_FAST", "LOAD_FAST_BORROW", "STORE_FAST")
    if f"{one}_{other}" in dis.opmap
}


class _PerCode:
    """Values of a function of a code object, kept while the code object lives.

    Keyed by identity: code objects compare by value, which costs more than a lookup should.
    """

    def __init__(self, compute: Callable[[CodeType], bytes]) -> None:
        self._compute = compute
        self._kept: dict[int, tuple[weakref.ref[CodeType], bytes]] = {}

    def __call__(self, code: CodeType) -> bytes:
        key = id(code)
        entry = self._kept.get(key)
        if entry is not None and entry[0]() is code:
            return entry[1]
        value = self._compute(code)

        def forget(gone: weakref.ref[CodeType]) -> None:
            # The id may belong to a newer code object by now.
            if (now := self._kept.get(key)) is not None and now[0] is gone:
                del self._kept[key]

        self._kept[key] = (weakref.ref(code, forget), value)
        return value


def of(code: CodeType) -> bytes:
    """Fingerprint of what ``code`` does: 16 bytes, cached while ``code`` lives.

    Covers bytecode (without specialisation and instrumentation), constants by type, names,
    variables, flags, argument counts, exception table and nested code. File, line numbers (also
    the one that the body of a class stores), docstring and the name of the function do not count.
    """
    return _exact(code)


def layout_free(code: CodeType) -> bytes:
    """Like `of`, but blind to NOPs and to the distance of jumps: 16 bytes, cached.

    Two codes that differ in `of` and agree here differ by the layout of their source only.
    """
    return _layout_free(code)


def _tells_its_line(code: CodeType) -> bool:
    """Whether it is the body of a class that sets ``__firstlineno__``, as from 3.13 on."""
    return (
        code.co_flags & CO_OPTIMIZED_NEWLOCALS != CO_OPTIMIZED_NEWLOCALS
        and "__firstlineno__" in code.co_names
    )


def _digest(parts: list[bytes]) -> bytes:
    return blake2b(b"".join(parts), digest_size=16).digest()


def _sized(tag: bytes, data: bytes) -> bytes:
    return tag + len(data).to_bytes(8, "little") + data


def _compute_exact(code: CodeType) -> bytes:
    if _tells_its_line(code):
        return _compute_blind(code, of)  # none of its frames is ever resumed
    parts = [b"exact1", _sized(b"b", code.co_code), _sized(b"x", code.co_exceptiontable)]
    return _digest(parts + _common(code, of, code.co_consts))


def _compute_layout_free(code: CodeType) -> bytes:
    return _compute_blind(code, layout_free)


def _compute_blind(code: CodeType, nested: Callable[[CodeType], bytes]) -> bytes:
    instructions = list(_instructions(code.co_code))
    tells_its_line = _tells_its_line(code)
    idle = {at for at, (_, _, op, _) in enumerate(instructions) if op == _NOP}
    for at, (_, _, op, arg) in enumerate(instructions):
        if tells_its_line and op == _STORE_NAME and code.co_names[arg] == "__firstlineno__":
            idle |= {at - 1, at}  # the number is loaded, and stored
    # Where each code unit ends up among the instructions that count.
    position: dict[int, int] = {}
    kept = 0
    for at, (start, end, op, _) in enumerate(instructions):
        for unit in range(start, end):
            position[unit] = kept
        kept += 0 if at in idle else 2 if op in _JOINED else 1
    position[len(code.co_code) // 2] = kept
    parts = [b"layout1"]
    for at, (_, end, op, arg) in enumerate(instructions):
        if at in idle:
            continue
        if op in _HAS_RELATIVE_JUMP:
            # A jump counts from the end of its instruction, inline caches included.
            arg = position.get(end - arg if op in _BACKWARD else end + arg, -1)
        if op in _JOINED:
            one, other = _JOINED[op]
            parts.append(struct.pack("<HqHq", one, arg >> 4, other, arg & 15))
        elif tells_its_line and op in _HAS_CONST:  # the line is one of them: no place among them
            parts.append(struct.pack("<H", op) + _constant(code.co_consts[arg], nested))
        else:
            parts.append(struct.pack("<Hq", op, arg))
    for start, end, target, depth in _exception_table(code.co_exceptiontable):
        ends = position.get(start, -1), position.get(end, -1), position.get(target, -1), depth
        parts.append(struct.pack("<4q", *ends))
    constants = () if tells_its_line else code.co_consts
    return _digest(parts + _common(code, nested, constants))


_exact = _PerCode(_compute_exact)
_layout_free = _PerCode(_compute_layout_free)


def _common(
    code: CodeType, nested: Callable[[CodeType], bytes], of_code: Sequence[object]
) -> list[bytes]:
    constants = list(of_code)
    if constants and _first_constant_is_docstring(code):
        constants[0] = None  # as under -OO
    counts = (
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_flags,
        len(constants),
    )
    parts = [struct.pack("<5q", *counts)]
    parts += [_constant(value, nested) for value in constants]
    for names in (code.co_names, code.co_varnames, code.co_cellvars, code.co_freevars):
        parts.append(len(names).to_bytes(8, "little"))
        parts += [_sized(b"n", name.encode("utf-8", "surrogatepass")) for name in names]
    return parts


def _constant(value: object, nested: Callable[[CodeType], bytes]) -> bytes:
    kind = type(value)
    if value is None or value is Ellipsis or kind is bool:
        return _sized(b"k", repr(value).encode())
    if isinstance(value, int):
        return _sized(b"i", b"%x" % value)
    if isinstance(value, float):
        return _sized(b"f", struct.pack("<d", value))
    if isinstance(value, complex):
        return _sized(b"c", struct.pack("<dd", value.real, value.imag))
    if isinstance(value, str):
        return _sized(b"s", value.encode("utf-8", "surrogatepass"))
    if isinstance(value, bytes):
        return _sized(b"y", value)
    if isinstance(value, tuple):
        return _sized(b"t", b"".join(_constant(item, nested) for item in value))
    if isinstance(value, frozenset):
        return _sized(b"z", b"".join(sorted(_constant(item, nested) for item in value)))
    if isinstance(value, slice):
        parts = (value.start, value.stop, value.step)
        return _sized(b"l", b"".join(_constant(item, nested) for item in parts))
    if isinstance(value, CodeType):
        return _sized(b"o", nested(value))
    # Put there by a tool that rewrites code; its type is all that is stable.
    return _sized(b"?", f"{kind.__module__}.{kind.__qualname__}".encode())


def _first_constant_is_docstring(code: CodeType) -> bool:
    """Whether co_consts[0] only documents: a string that no instruction loads."""
    if code.co_flags & CO_OPTIMIZED_NEWLOCALS != CO_OPTIMIZED_NEWLOCALS:
        return False
    if code.co_name.startswith("<") or not code.co_consts:
        return False
    if not isinstance(code.co_consts[0], str):
        return False
    return not any(op in _HAS_CONST and arg == 0 for _, _, op, arg in _instructions(code.co_code))


def _instructions(bytecode: bytes) -> Iterator[tuple[int, int, int, int]]:
    """(first unit, unit after it and its caches, opcode, argument) of each instruction."""
    units = len(bytecode) // 2
    at = 0
    while at < units:
        start, arg = at, 0
        while bytecode[2 * at] == _EXTENDED_ARG:
            arg = (arg | bytecode[2 * at + 1]) << 8
            at += 1
        op = bytecode[2 * at]
        arg |= bytecode[2 * at + 1]
        at += 1
        while at < units and bytecode[2 * at] == _CACHE:
            at += 1
        yield start, at, op, arg


def _exception_table(table: bytes) -> Iterator[tuple[int, int, int, int]]:
    """(start, end, target, depth and lasti) of each entry, in code units."""
    read = iter(table)

    def number(first: int) -> int:
        value = first & 0x3F
        while first & 0x40:
            first = next(read)
            value = value << 6 | first & 0x3F
        return value

    for first in read:
        start = number(first)
        length, target, depth = number(next(read)), number(next(read)), number(next(read))
        yield start, start + length, target, depth
