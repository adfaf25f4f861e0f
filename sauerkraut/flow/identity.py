"""What a step is: a hash of what its code says, and that of the project's functions it reaches.

Comments, blank lines, layout and docstrings do not count; neither do the values of global
variables. Where there is no source (a console, `exec`), the bytecode is all that can be compared.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import platform
import textwrap
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from sauerkraut.code import fingerprint
from sauerkraut.flow.record import Identity
from sauerkraut.objects.project import is_project

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def of(*functions: Callable[..., Any] | None) -> Identity:
    """The identity of the functions of one step; those that are None do not count."""
    sources = hashlib.blake2b(digest_size=16)
    bytecode = hashlib.blake2b(digest_size=16)
    known = True
    for name, definition in _reached(functions):
        text = _source(definition)
        known = known and text is not None
        sources.update(f"{name}\n{text}\n".encode())
        for code in _codes(definition):
            bytecode.update(fingerprint.of(code))
        bytecode.update(f"{name}\n".encode())
    version = ".".join(platform.python_version_tuple()[:2])
    return Identity(sources.hexdigest() if known else "", bytecode.hexdigest(), version)


def _reached(functions: tuple[Callable[..., Any] | None, ...]) -> Iterator[tuple[str, Any]]:
    """The functions and classes that count, each once and with its name, the given ones first."""
    waiting: list[tuple[str, Any]] = [
        (f"{number}", each) for number, each in enumerate(functions) if each is not None
    ]
    seen: set[int] = set()
    while waiting:
        name, found = waiting.pop(0)
        for definition in _definitions(found):
            if id(definition) in seen:
                continue
            seen.add(id(definition))
            yield name, definition
            waiting += [each for each in _named_by(definition) if _is_of_project(each[1])]


def _definitions(found: Any) -> Iterator[Any]:
    """The functions and classes that an object is made of: what decorators hold comes with it."""
    if isinstance(found, type):
        yield found
    elif isinstance(found, FunctionType):
        yield found
        if (inner := found.__dict__.get("__wrapped__")) is not None:
            yield from _definitions(inner)
    elif isinstance(found, (MethodType, staticmethod, classmethod)):
        yield from _definitions(found.__func__)
    elif isinstance(found, functools.partial):
        yield from _definitions(found.func)
    elif (inner := inspect.getattr_static(found, "__wrapped__", None)) is not None:
        yield from _definitions(inner)  # functools.lru_cache
    elif callable(found):
        yield type(found)


def _named_by(definition: Any) -> Iterator[tuple[str, Any]]:
    """What the code of a function or class names, in the order of the names."""
    for function in _functions(definition):
        names = sorted(set(_names_in(function.__code__)))
        modules = []
        for name in names:
            found = function.__globals__.get(name)
            if isinstance(found, ModuleType):
                modules.append(found)
            elif found is not None:
                yield name, found
        for module in modules:
            if is_project(module.__name__):
                held = vars(module)
                yield from ((f"{module.__name__}.{n}", held[n]) for n in names if n in held)
        for name, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=True
        ):
            try:
                yield name, cell.cell_contents
            except ValueError:  # still empty
                continue
    if isinstance(definition, type):
        yield from ((base.__qualname__, base) for base in definition.__bases__)


def _functions(definition: Any) -> Iterator[FunctionType]:
    if isinstance(definition, FunctionType):
        yield definition
        return
    for _, held in sorted(vars(definition).items()):
        inner = getattr(held, "fget", None) or getattr(held, "__func__", held)
        if isinstance(inner, FunctionType):
            yield inner


def _codes(definition: Any) -> Iterator[CodeType]:
    return (function.__code__ for function in _functions(definition))


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


def _is_of_project(found: Any) -> bool:
    if not callable(found):
        return False
    definition = next(_definitions(found), None)
    return is_project(getattr(definition, "__module__", None))


def _source(definition: Any) -> str | None:
    """The syntax tree of a function or class as text; None where there is no source."""
    try:
        # by the code: a wrapper would lead to what it wraps
        lines = inspect.getsource(getattr(definition, "__code__", definition))
        tree = ast.parse(textwrap.dedent(lines))
    except (OSError, TypeError, SyntaxError, IndexError):
        # a lambda within a longer expression is no statement of its own
        return None
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.decorator_list = [each for each in node.decorator_list if not _adds_step(each)]
    return ast.dump(tree)


def _adds_step(decorator: ast.expr) -> bool:
    """Whether a decorator is ``add_step``: its options are not what the step computes."""
    call = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(call, ast.Attribute) and call.attr == "add_step"
