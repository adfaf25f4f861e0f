"""Digests of values, to tell whether they have changed."""

from __future__ import annotations

import hashlib
import marshal
from collections.abc import Iterable, Sequence
from types import FunctionType, NoneType
from typing import Any

from sauerkraut.flow import identity, states
from sauerkraut.flow.stores import State
from sauerkraut.objects.definition_data import cells
from sauerkraut.objects.project import is_project

_ATOMS = frozenset({NoneType, bool, int, float, complex, str, bytes})


def of(value: object) -> str:
    """A digest of what ``value`` says.

    Equal digests mean equal values. Containers, arrays, functions and instances of plain classes
    have the same one in every process that makes them alike, whatever the order of dicts and sets
    and whatever objects are shared. Functions, and classes of the project, count by what their code
    says and leads to; functions by their defaults and the variables of their closures as well. Of
    all else it is a digest of what is stored, which may differ though the values are equal.

    Raises:
        CaptureError: it cannot be stored.
    """
    return _Walk().digest(value)


def joined(digests: Sequence[str]) -> str:
    """Those of all ranks as one: theirs, where they are all the same."""
    if len(set(digests)) == 1:
        return digests[0]
    return hashlib.blake2b("\n".join(digests).encode(), digest_size=16).hexdigest()


def of_keys(state: State) -> dict[str, str]:
    """The digest of each value of a state."""
    walk = _Walk()
    return {key: walk.digest(value) for key, value in state.items()}


def _of_stored(value: object) -> bytes:
    captured = states.capture({"": value}, 1 << 62)
    try:
        return _hash("stored", (captured.control, captured.stream))
    finally:
        captured.release()


def _hash(what: str, parts: Iterable[Any]) -> bytes:
    digest = hashlib.blake2b(f"{what}\n".encode(), digest_size=16)
    for part in parts:
        view = memoryview(part)
        digest.update(view.nbytes.to_bytes(8, "little"))
        digest.update(view)
    return digest.digest()


def _of_atoms(value: Any) -> bytes:
    # of version 2, since later ones tell which objects are the same one
    return _hash("atoms", (marshal.dumps(value, 2),))


class _Walk:
    """Walks through values; what lies within itself is told by how far up it is."""

    def __init__(self) -> None:
        self._inside: dict[int, int] = {}
        self._names: dict[type, str] = {}

    def digest(self, value: object) -> str:
        try:
            return self.of(value).hex()
        except RecursionError:
            return _of_stored(value).hex()

    def of(self, value: Any) -> bytes:
        if type(value) in _ATOMS:
            return _of_atoms(value)
        if (depth := self._inside.get(id(value))) is not None:
            return _hash("above", (str(len(self._inside) - depth).encode(),))
        self._inside[id(value)] = len(self._inside)
        try:
            return self._of_parts(value)
        finally:
            del self._inside[id(value)]

    def _of_parts(self, value: Any) -> bytes:
        kind = type(value)
        if kind is list or kind is tuple:
            if _ATOMS.issuperset(map(type, value)):
                return _of_atoms(value)
            return _hash(kind.__name__, map(self.of, value))
        if kind is set or kind is frozenset:
            return _hash(kind.__name__, sorted(map(self.of, value)))
        if kind is dict:
            return _hash("dict", sorted(self.of(k) + self.of(each) for k, each in value.items()))
        if kind.__module__ == "numpy" and hasattr(value, "dtype") and not value.dtype.hasobject:
            about = f"{kind.__name__} {value.dtype!r} {value.shape}"
            whole = value if value.flags.c_contiguous else value.copy(order="C")
            return _hash(about, (whole.reshape(-1).view("u1"),) if value.size else ())
        if kind is FunctionType:
            return self._of_function(value)
        if _is_plain(kind):
            return _hash(f"instance {self._name(kind)}", (self.of(vars(value)),))
        return _of_stored(value)

    def _name(self, kind: type) -> str:
        """A class by its name and, if it is of the project, by what it says.

        Its module does not count then: a program is ``__main__`` when it is started itself.
        """
        if kind not in self._names:
            said = identity.of(kind) if is_project(kind.__module__) else None
            where = kind.__module__ if said is None else said.code
            self._names[kind] = f"{kind.__qualname__} {where}"
        return self._names[kind]

    def _of_function(self, function: FunctionType) -> bytes:
        said = identity.of(function)
        parts = (
            function.__defaults__,
            function.__kwdefaults__,
            [cell.cell_contents for _, cell in cells(function)],
        )
        return _hash(f"function {said.code}", map(self.of, parts))


def _is_plain(kind: type) -> bool:
    """Whether the attributes of its instances are all there is to them."""
    custom = any(getattr(kind, name) is not getattr(object, name) for name in _STORING)
    slots = any(getattr(each, "__slots__", ()) for each in kind.__mro__)
    size = kind.__basicsize__ == _Plain.__basicsize__  # from 3.12 on also that of ``object``
    return not custom and not slots and size and bool(kind.__dictoffset__)


_STORING = "__reduce_ex__", "__reduce__", "__getstate__"


class _Plain:
    pass
