"""What a step is: a hash of what its code says, and that of the project's functions it reaches.

Comments, blank lines, layout and docstrings do not count; neither do the values of global
variables. Where there is no source (a console, `exec`), the bytecode is all that can be compared.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Iterator
from typing import Any

from sauerkraut.code import fingerprint
from sauerkraut.flow import imports, reach, syntax
from sauerkraut.flow.reach import Definition
from sauerkraut.flow.record import Identity


def of(*functions: Callable[..., Any] | None) -> Identity:
    """The identity of the functions of one step; those that are None do not count."""
    sources: set[str] = set()
    bytecode: set[str] = set()
    known = True
    for number, function in enumerate(functions):
        for way, definition in _reached(function):
            name = f"{number} {way} {definition.__qualname__}"
            text = _text(definition)
            known = known and text != ""
            sources.add(f"{name}\n{text}")
            bytecode.add(f"{name} {_bytecode(definition)}")
    version = ".".join(platform.python_version_tuple()[:2])
    return Identity(_hash(sources) if known else "", _hash(bytecode), version)


def _reached(function: Callable[..., Any] | None) -> Iterator[tuple[str, Definition]]:
    return iter(()) if function is None else reach.definitions(function)


def _text(definition: Definition) -> str:
    """What a definition says, and the modules that it imports itself; empty: there is no source."""
    nodes = syntax.of_definition(definition)
    if nodes:
        told = imports.texts(nodes, definition)
        return "\n".join([syntax.text(nodes), *told])
    if isinstance(definition, type) and not any(map(reach.is_own, reach.functions_of(definition))):
        # collections.namedtuple and its kin
        return " ".join(sorted(n for n in vars(definition) if not n.startswith("__"))) or "class"
    return ""


def _bytecode(definition: Definition) -> str:
    codes = [each.__code__ for each in reach.functions_of(definition)]
    return b"".join(map(fingerprint.of, codes)).hex()


def _hash(texts: set[str]) -> str:
    return hashlib.blake2b("\0".join(sorted(texts)).encode(), digest_size=16).hexdigest()
