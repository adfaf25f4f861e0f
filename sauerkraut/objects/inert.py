"""Reading an object stream without running anything from it: every name in it is only a label.

Containers, texts and numbers come back as they are, everything else as an `Opaque`. For people, by
`inspect`; what is read here can never be resumed.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import reprlib
import struct
from collections.abc import Callable
from typing import Any, Self

from sauerkraut.errors import ResumeError
from sauerkraut.objects.stream import GENERATOR, table_in

LARGEST = 16 * 1024 * 1024
"""Bytes of a stream that is read; the check before takes a second for each million opcodes."""

DEEPEST = 1000
"""Tuples in each other."""

_OURS = "sauerkraut.objects."
_NUMPY = {"f8": "d", "f4": "f", "f2": "e", "b1": "?", "c16": "dd", "c8": "ff"}
_NUMPY |= {"i8": "q", "i4": "i", "i2": "h", "i1": "b", "u8": "Q", "u4": "I", "u2": "H", "u1": "B"}


class _Named(type):
    """The type of what stands for a function or class of the stream: it shows its name."""

    label: str

    def __repr__(cls) -> str:
        return cls.label.encode("unicode_escape").decode()


class Opaque(metaclass=_Named):
    """An object of the stream that was not made: what was to be called, and with what."""

    label = "?"
    """Module and name that the stream asked for; each has a class of its own."""

    def __new__(cls, *arguments: object, **keywords: object) -> Self:  # noqa: ARG004
        """Note a call that the stream asked for, whatever its arguments."""
        return super().__new__(cls)

    def __init__(self, *arguments: object, **keywords: object) -> None:
        self.arguments = arguments
        self.keywords = keywords
        self.state: object = None

    # What pickle's opcodes may ask of an object, and none of it does anything.
    def __call__(self, *arguments: object, **keywords: object) -> Opaque:
        """Note a call."""
        return Opaque(*arguments, **keywords)

    def __setstate__(self, state: object) -> None:
        self.state = state

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, item: object) -> None:
        """Ignore an item."""

    def extend(self, items: object) -> None:
        """Ignore items."""

    def add(self, item: object) -> None:
        """Ignore an item."""

    def __repr__(self) -> str:
        return text(self) or f"<{type(self)!r}>"


class Reader(pickle.Unpickler):
    """Reads a pickle of anybody's; what hostile bytes reserve or nest, `read` looks for before."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self._made: dict[tuple[str, str], Callable[..., object]] = {}

    def find_class(self, module: str, name: str, /) -> Any:
        """A stand-in for whatever has that name."""
        found = self._made.get((module, name))
        if found is None:
            label = name if module == "builtins" else f"{module}.{name}"
            found = self._made[module, name] = _stand_in(module, name, label)
        return found

    def persistent_load(self, pid: object) -> object:
        """A set, or a stand-in for what is written by name."""
        match pid:
            case (bool(frozen), _, _, _, _, _, list(elements)):  # the layout of a set
                return frozenset(elements) if frozen else set(elements)
        return Opaque(pid)


def _stand_in(module: str, name: str, label: str) -> Callable[..., object]:
    if module.startswith(_OURS):  # the two that only pass on or fill what another one made
        if name == "same":
            return _same
        if name.startswith("set_"):
            return _set_state
    return type("Opaque", (Opaque,), {"label": label, "__slots__": ()})


def _same(made: object = None, *_: object) -> object:
    return made


def _set_state(made: object = None, state: object = None, *_: object) -> object:
    if isinstance(made, Opaque):
        made.state = state
    return made


class _Nesting:
    """How deep the tuples of a stream lie in each other, followed opcode by opcode.

    Tuples are hashed when they are keys, by a recursion in C that nothing bounds.
    """

    def __init__(self) -> None:
        self.stack: list[int | None] = []  # depth of each value, None: a mark
        self.memo: dict[int, int] = {}

    def follow(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        """Apply one opcode; ValueError for depth that no program's values have."""
        taken: list[int] = []
        if pickletools.markobject in opcode.stack_before:
            while (top := self._pop()) is not None:
                taken.append(top)
            if opcode.stack_before[0] is not pickletools.markobject:
                taken.append(self._pop() or 0)
        else:
            taken = [self._pop() or 0 for _ in opcode.stack_before]
        deepest = max(taken, default=0)
        if opcode.name.startswith("TUPLE") or opcode.name == "FROZENSET":
            deepest += 1
        elif "GET" in opcode.name:
            deepest = self.memo.get(int(argument), 0)
        elif opcode.name not in ("DUP", "MEMOIZE"):
            deepest = 0
        if deepest > DEEPEST:
            raise ValueError(f"tuples nested {deepest} deep")
        for made in opcode.stack_after:
            self.stack.append(None if made is pickletools.markobject else deepest)
        if self.stack and "PUT" in opcode.name:
            self.memo[int(argument)] = self.stack[-1] or 0
        elif self.stack and opcode.name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1] or 0

    def _pop(self) -> int | None:
        return self.stack.pop() if self.stack else None


class _Pickles:
    """Pickles that follow each other and share what they remember."""

    def __init__(self, data: Any) -> None:
        self._file = io.BytesIO(data)
        if (size := self._file.getbuffer().nbytes) > LARGEST:
            raise ValueError(f"{size} bytes, of {LARGEST} at most")
        self._reader = Reader(self._file)
        self._nesting = _Nesting()

    def next(self) -> Any:
        """The next one; ValueError where it would reserve memory or recurse out of proportion."""
        start = self._file.tell()
        for opcode, argument, position in pickletools.genops(self._file):
            # The unpickler's memo is an array as long as the largest index that is put.
            if "PUT" in opcode.name and int(argument or 0) > (position or 0):
                raise ValueError(f"{opcode.name} {argument} at byte {position}")
            self._nesting.follow(opcode, argument)
        self._file.seek(start)
        return self._reader.load()


def read(stream: Any) -> tuple[list[object], list[list[object]]]:
    """Read an object stream, running nothing from it.

    Returns:
        The values, and for each generator the objects that its frame refers to.

    Raises:
        ResumeError: It cannot be read, or is larger than `LARGEST`.
    """
    try:
        pickles = _Pickles(stream)
        values = pickles.next()
        parts = [(kind, pickles.next()) for kind in _further_parts(stream)]
    except Exception as error:  # whatever hostile bytes make of the opcodes
        raise ResumeError(f"the objects cannot be read: {type(error).__name__}: {error}") from error
    if not all(isinstance(each, list) for each in (values, *(part for _, part in parts))):
        raise ResumeError("the objects cannot be read: they are no list")
    return values, [contents for kind, contents in parts if kind == GENERATOR]


def _further_parts(stream: Any) -> str:
    """The kinds of what follows the values, which the table tells where generators are."""
    table = table_in(stream)
    told = _Pickles(table).next() if table else {}
    return str(told.get("parts", ""))


def text(value: object) -> str | None:
    """A value for people, cut to about 80 characters; None for what only a label is known of."""
    try:
        return _text_of_opaque(value) if isinstance(value, Opaque) else _short.repr(value)
    except Exception:  # noqa: BLE001 - a text is not worth an error
        return None


def _text_of_opaque(value: Opaque) -> str | None:
    name = value.label.rpartition(".")[2]
    if name == "make_cell":
        held = value.state
        return text(held[0]) if isinstance(held, tuple) and len(held) == 1 else "(empty)"
    if name == "make_exception":
        return _text_of_exception(value)
    if name == "scalar" and value.label.startswith("numpy"):
        return _numpy_scalar(value.arguments)
    if value.label in ("range", "slice", "complex", "bytearray", "pathlib.PosixPath"):
        return f"{name}({', '.join(map(_short.repr, value.arguments))})"
    return None


def _text_of_exception(value: Opaque) -> str | None:
    match value.arguments, value.state:
        case (_Named(label=label), *_), (_, _, tuple(arguments), *_):
            return f"{label.rpartition('.')[2]}({', '.join(map(_short.repr, arguments))})"
    return None


def _numpy_scalar(arguments: tuple[object, ...]) -> str | None:
    match arguments:
        case (Opaque(arguments=(str(kind), *_), state=(_, order, *_)), bytes(data)):
            layout = _NUMPY.get(kind)
            endian = ">" if order == ">" else "<"
            if layout and struct.calcsize(endian + layout) == len(data):
                parts = struct.unpack(endian + layout, data)
                return repr(complex(*parts)) if len(parts) == 2 else repr(parts[0])
    return None


_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 60
_short.maxlevel = 3
