"""Modules of the project that a function imports while it runs: they count as a whole.

They may not have been imported yet, and importing has effects: their files are read instead.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from sauerkraut.flow import syntax
from sauerkraut.objects.project import is_project_file


def texts(nodes: tuple[ast.AST, ...], definition: Any) -> list[str]:
    """What the modules say that code of ``definition`` imports, and those that they import."""
    here = getattr(sys.modules.get(definition.__module__), "__package__", None)
    found: dict[str, str] = {}
    waiting = [*_imported_by(nodes, here)]
    while waiting:
        name = waiting.pop()
        spec = _spec(name)
        if name in found or spec is None or not is_project_file(name, spec.origin):
            continue
        package = name if spec.submodule_search_locations else spec.parent
        path = str(spec.origin)
        text, imported = _read(path, package, _stamp(path))
        found[name] = f"{name}\n{text}"
        waiting += imported
    return [text for _, text in sorted(found.items())]


@functools.lru_cache(maxsize=1 << 12)
def _imported_by(nodes: tuple[ast.AST, ...], package: str | None) -> tuple[str, ...]:
    return tuple(name for node in nodes for name in _imported(node, package))


def _imported(tree: ast.AST, package: str | None) -> Iterator[str]:
    """Names that may be modules, of the import statements in a tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                yield from _with_parents(each.name)
        elif isinstance(node, ast.ImportFrom):
            name = f"{'.' * node.level}{node.module or ''}"
            try:
                base = importlib.util.resolve_name(name, package)
            except ImportError:
                continue
            yield from _with_parents(base)
            yield from (f"{base}.{each.name}" for each in node.names if each.name != "*")


def _with_parents(name: str) -> Iterator[str]:
    words = name.split(".")
    yield from (".".join(words[: count + 1]) for count in range(len(words)))


def _spec(name: str) -> ModuleSpec | None:
    """Where a module is, without importing it or its packages; None: nowhere on the path."""
    spec, places = None, None
    for each in _with_parents(name):
        spec = PathFinder.find_spec(each, places)
        if spec is None:
            return None
        places = list(spec.submodule_search_locations or ())
    return spec


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        told = Path(path).stat()
    except OSError:
        return None
    return told.st_mtime_ns, told.st_size


@functools.lru_cache(maxsize=1 << 12)
def _read(
    path: str,
    package: str | None,
    stamp: tuple[int, int] | None,  # noqa: ARG001 - of the file, for the cache
) -> tuple[str, tuple[str, ...]]:
    """What a module says, and names that it imports."""
    source = b""
    try:
        source = Path(path).read_bytes()
        tree = ast.parse(source)
        return syntax.text((tree,)), tuple(_imported(tree, package))
    except (OSError, SyntaxError, ValueError, RecursionError):  # it says what its bytes say
        return hashlib.blake2b(source, digest_size=16).hexdigest(), ()
