"""Functions and classes of ``__main__``: the program that resumes may be another one.

Written by value with a fingerprint: where the name there leads to the same definition, that one is
taken, else the captured one.
"""

from __future__ import annotations

import functools
import hashlib
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sauerkraut.code import carried as whole
from sauerkraut.code import fingerprint, reference
from sauerkraut.objects import thawing
from sauerkraut.objects.freezing import Freezing, Reduced

_ATOMS = (bool, bytes, complex, float, int, str, type(None))
_Cached = type(functools.lru_cache(len))
_DEFINITIONS = (
    functools.partial,
    type,
    types.BuiltinFunctionType,
    types.FunctionType,
    types.ModuleType,
    typing.NewType,
    typing.ParamSpec,
    typing.TypeVar,
    typing.TypeVarTuple,
    _Cached,
)
_WRAPPERS = (staticmethod, classmethod)


def attribute(module: str | None, qualname: str) -> object:
    """What a dotted name finds in a loaded module; None when it finds nothing.

    Nothing is found in a program that is carried whole or run by `runpy.run_path`: a restart has
    it from the snapshot alone.
    """
    found: object = sys.modules.get(module or "")
    if whole.carries(module) or reference.is_run_by_path(getattr(found, "__dict__", {})):
        return None
    for name in qualname.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            return None
    return found


def carries(module: str | None, freezing: Freezing) -> bool:
    """Whether what ``module`` defines is written for a program that does not define it."""
    return freezing.carried is not None and module == "__main__"


def carried(definition: Any, by_value: Any, freezing: Freezing) -> Reduced:
    """What a reducer returns for a function or class of ``__main__`` that its name finds.

    Args:
        definition: The function or class.
        by_value: What the reducer returns for one that no name finds.
        freezing: Notes the name.
    """
    assert freezing.carried is not None, "after carries()"
    freezing.carried.add(definition.__qualname__)
    make, arguments, state, *_, setter = (*by_value, None, None, None, None)[:6]
    return (
        take_or_make,
        (definition.__qualname__, _print_of(definition), make, arguments),
        (setter, state),
        None,
        None,
        set_made,
    )


def take_or_make(
    qualname: str, captured: bytes, make: Callable[..., Any], arguments: tuple[Any, ...]
) -> Any:
    """The local definition of that name when it is the captured one, else a new one."""
    found = attribute("__main__", qualname)
    if found is not None and _print_of(found) == captured:
        thawing.current().taken.add(id(found))
        return found
    return make(*arguments)


def set_made(definition: Any, state: tuple[Any, Any]) -> None:
    """Give a definition its state, unless it is this program's own."""
    setter, held = state
    if setter is not None and id(definition) not in thawing.current().taken:
        setter(definition, held)


@dataclass(frozen=True, slots=True)
class Definitions:
    """What code of ``__main__`` names there, for a program that may not define it."""

    named: dict[str, object]

    @classmethod
    def of(cls, codes: Iterator[types.CodeType]) -> Definitions:
        """What ``codes``, which run in ``__main__``, name: functions, classes, modules, atoms."""
        namespace = vars(sys.modules["__main__"])
        names = {name: None for code in codes for name in names_in(code)}
        return cls({name: namespace[name] for name in names if _is_carried(namespace, name)})

    def bind(self) -> None:
        """Bind the names that this ``__main__`` does not have."""
        namespace = vars(sys.modules["__main__"])
        for name, value in self.named.items():
            namespace.setdefault(name, value)


def names_in(code: types.CodeType) -> Iterator[str]:
    """Names that code looks up, nested functions included."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from names_in(constant)


def named_by(function: types.FunctionType) -> dict[str, object]:
    """What the code of a function names in ``__main__``; nothing when it runs elsewhere."""
    if function.__globals__ is not vars(sys.modules["__main__"]):
        return {}
    return Definitions.of(iter((function.__code__,))).named


def _is_carried(namespace: Mapping[str, object], name: str) -> bool:
    if name not in namespace or (name.startswith("__") and name.endswith("__")):
        return False
    value = namespace[name]
    return type(value) in _ATOMS or isinstance(value, _DEFINITIONS)


def _print_of(definition: Any) -> bytes:
    """16 bytes that tell whether two definitions of one name are the same; empty: of no kind."""
    digest = hashlib.blake2b(digest_size=16)
    if isinstance(definition, _Cached):
        definition = definition.__wrapped__
    if isinstance(definition, types.FunctionType):
        # Zero-argument super() leads to the class of a method, which must be the captured one.
        if "__class__" in definition.__code__.co_freevars:
            owner = attribute("__main__", definition.__qualname__.rpartition(".")[0])
            for part in _parts_of_class(owner) if isinstance(owner, type) else ():
                digest.update(part)
        for part in _parts_of_function(definition, set()):
            digest.update(part)
    elif isinstance(definition, type):
        for part in _parts_of_class(definition):
            digest.update(part)
    else:
        return b""
    return digest.digest()


def _parts_of_class(cls: type) -> Iterator[bytes]:
    for base in cls.__bases__:
        yield f"{base.__module__}.{base.__qualname__};".encode()
    for name, value in sorted(vars(cls).items()):
        if not name.startswith("__"):  # others are caches, or follow from the rest
            told = repr(value) if type(value) in _ATOMS else type(value).__qualname__
            yield f"{name}:{told};".encode()
        held = [value.fget, value.fset, value.fdel] if isinstance(value, property) else [value]
        for each in held:
            function = each.__func__ if isinstance(each, _WRAPPERS) else each
            if isinstance(function, types.FunctionType):
                yield name.encode()
                yield from _parts_of_function(function, set())


def _parts_of_function(function: types.FunctionType, seen: set[int]) -> Iterator[bytes]:
    """Its code, and what a decorator keeps in it."""
    seen.add(id(function))
    yield fingerprint.of(function.__code__)
    for cell in function.__closure__ or ():
        try:
            held = cell.cell_contents
        except ValueError:  # empty
            continue
        if isinstance(held, types.FunctionType) and id(held) not in seen:
            yield from _parts_of_function(held, seen)
        elif type(held) in _ATOMS:
            yield f"{held!r};".encode()
