"""What a definition says: its syntax tree as text, the same under every version of Python.

Positions, layout, docstrings, comments and the options of ``add_step`` are not in it.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from collections import defaultdict
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_UNTOLD = {"ctx", "kind", "type_comment", "type_ignores"}
"""Fields that say nothing that is not said elsewhere, or that only some versions have."""


def of_definition(definition: Any) -> tuple[ast.AST, ...]:
    """The nodes of a function or class; empty where there is no source.

    More than one where it cannot be told which: two lambdas on a line, a class defined twice.
    """
    try:
        if isinstance(definition, FunctionType):
            return _of_code(definition.__code__)
        return _of_class(definition)
    except (OSError, TypeError, SyntaxError, IndexError, RecursionError):
        return ()


@functools.lru_cache(maxsize=1 << 12)
def text(nodes: tuple[ast.AST, ...]) -> str:
    """Syntax trees as text; empty where there are none, or they are too deep."""
    try:
        return "\n".join(map(_text, nodes))
    except RecursionError:
        return ""


def _text(value: object) -> str:
    if isinstance(value, ast.Constant):
        return f"{type(value.value).__name__}:{value.value!a}"
    if isinstance(value, ast.AST):
        fields = "".join(f" {name}={_text(held)}" for name, held in _fields(value))
        return f"({type(value).__name__}{fields})"
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    return ascii(value)


def _fields(node: ast.AST) -> Iterator[tuple[str, object]]:
    """Fields that say something: which empty ones there are differs between versions."""
    for name in node._fields:
        held = getattr(node, name, None)
        if held is None or held == [] or name in _UNTOLD or (name == "is_lazy" and not held):
            continue
        if name == "body" and isinstance(node, _DOCUMENTED) and _is_documented(node):
            held = held[1:]
        if name == "decorator_list" and not isinstance(node, ast.ClassDef):
            held = [each for each in held if not _adds_step(each)]
        if isinstance(node, ast.JoinedStr):  # 3.12 ends some with an empty text
            held = [each for each in held if getattr(each, "value", None) != ""]
        if held != []:
            yield name, held


def _is_documented(node: Any) -> bool:
    return ast.get_docstring(node, clean=False) is not None


def _adds_step(decorator: ast.expr) -> bool:
    """Whether a decorator is ``add_step``: its options are not what the step computes."""
    call = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(call, ast.Attribute) and call.attr == "add_step"


class _This:
    """A code object as the key of a cache: another one may be equal, and say something else."""

    __slots__ = ("code",)

    def __init__(self, code: CodeType) -> None:
        self.code = code

    def __hash__(self) -> int:
        return id(self.code)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _This) and self.code is other.code


def _of_code(code: CodeType) -> tuple[ast.AST, ...]:
    return _read_once(_This(code))


@functools.lru_cache(maxsize=1 << 12)
def _read_once(this: _This) -> tuple[ast.AST, ...]:
    """What was read first stays: a file that is edited later does not tell of what runs."""
    code = this.code
    lines, _ = inspect.findsource(code)
    found = _index("".join(lines))[code.co_name, code.co_firstlineno]
    if len(found) > 1:  # lambdas on one line
        begin = _first_position(code)
        exact: list[ast.AST] = [
            each
            for each in found
            if isinstance(each, ast.Lambda) and (each.body.lineno, each.body.col_offset) == begin
        ]
        found = exact or found
    return tuple(found)


def _first_position(code: CodeType) -> tuple[int, int] | None:
    """Line and column where what the code computes begins; None: not known."""
    places = [
        (line, column)
        for (line, _, column, end) in code.co_positions()
        if line is not None and column is not None and (column or end)
    ]
    return min(places, default=None)


def _of_class(definition: type) -> tuple[ast.AST, ...]:
    for held in [*vars(definition).values(), sys.modules.get(definition.__module__)]:
        source = getattr(held, "__code__", held)
        if source is held and held is not sys.modules.get(definition.__module__):
            continue
        try:
            lines, _ = inspect.findsource(source)
        except (OSError, TypeError, IndexError):  # a method that something generated
            continue
        if found := _index("".join(lines))[definition.__qualname__, 0]:
            return tuple(found)
    return ()


@functools.lru_cache(maxsize=256)
def _index(source: str) -> defaultdict[tuple[str, int], list[ast.AST]]:
    """Functions of a file by name and first line, classes by qualified name and 0."""
    found: defaultdict[tuple[str, int], list[ast.AST]] = defaultdict(list)
    waiting: list[tuple[str, ast.AST]] = [("", ast.parse(source))]
    while waiting:
        prefix, node = waiting.pop()
        inside = prefix
        if isinstance(node, ast.Lambda):
            found["<lambda>", node.lineno].append(node)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            found[node.name, first].append(node)
            inside = f"{prefix}{node.name}.<locals>."
        elif isinstance(node, ast.ClassDef):
            found[prefix + node.name, 0].append(node)
            inside = f"{prefix}{node.name}."
        waiting += [(inside, each) for each in reversed(list(ast.iter_child_nodes(node)))]
    return found
