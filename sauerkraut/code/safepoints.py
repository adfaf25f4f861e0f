"""Safepoints: statements of a program into which a poll is compiled while its source is loaded.

One call of a built-in name is put before the statement, on its line: nothing is traced, no name
comes into the module, and the cached bytecode of the file is neither read nor written.
"""

from __future__ import annotations

import ast
import builtins
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NoReturn, cast

from sauerkraut.errors import SafepointError

NAME = "__sauerkraut_safepoint__"
_Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A safepoint as somebody asked for it: a line or function of a file, or of a module."""

    text: str
    file: str | None
    line: int
    module: str
    function: str

    @classmethod
    def parse(cls, text: str) -> Wanted:
        """Read ``FILE:LINE``, ``FILE:function`` (of a name with .py), or ``module:function``.

        Raises:
            SafepointError: it is neither.
        """
        place, colon, rest = text.rpartition(":")
        if not colon or not place or not rest:
            raise SafepointError(f"--at {text}: FILE:LINE or module:function")
        if rest.isdecimal():
            return cls(text, place, int(rest), "", "")
        if place.endswith(".py"):
            return cls(text, place, 0, "", rest)
        return cls(text, None, 0, place, rest)


@dataclass(frozen=True, slots=True)
class Safepoint:
    """A statement, known by what stays when other lines change."""

    wanted: str
    """How it was asked for."""
    function: str
    """Qualified name of the function that it is in; empty: the module's body."""
    ordinal: int
    """Which statement of the function it is, in the order of the source, from 0."""
    source: str
    """The text of its first line."""
    line: int

    @property
    def place(self) -> tuple[str, int, str]:
        """What is equal for the same statement, asked for by other words or on another line."""
        return self.function, self.ordinal, self.source

    @classmethod
    def of_record(cls, record: dict[str, Any]) -> Safepoint:
        """What `record` described."""
        return cls(**record)

    def record(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        return asdict(self)


class Source:
    """A source text whose statements may become safepoints.

    Args:
        text: The source, as the file holds it.
        path: What code and tracebacks call the file.

    Raises:
        SyntaxError: as compiling it would.
    """

    def __init__(self, text: bytes, path: str) -> None:
        self.path = path
        self._text = text
        self._lines = importlib.util.decode_source(text).split("\n")  # as the parser counts
        self._tree = ast.parse(text, path)
        self._points: list[Safepoint] = []

    def find(self, wanted: Wanted, known: Iterable[Safepoint] = ()) -> Safepoint:
        """The safepoint that somebody asked for.

        Args:
            wanted: A line of this file, or a function of this module.
            known: Safepoints of an earlier start: what was asked for by the same words stays the
                same statement, whatever its line is now.

        Raises:
            SafepointError: no statement starts there; names the nearest. Or a function or class is
                only defined there; names the first statement inside.
        """
        for each in known:
            if each.wanted == wanted.text:
                return self._again(each)
        if wanted.function:
            return self._first_of(wanted)
        lines = set()
        for function, ordinal, statement, parents in self._statements():
            if isinstance(statement, _SCOPES):
                if statement.lineno == wanted.line:
                    self._refuse_definition(wanted, statement)
            elif _can_follow(function, ordinal, statement, parents):
                if statement.lineno == wanted.line:
                    return self._point(wanted.text, function, ordinal, statement)
                lines.add(statement.lineno)
        near = sorted(lines, key=lambda line: (abs(line - wanted.line), -line))[:1]
        told = f"; the nearest is {wanted.file}:{near[0]}" if near else ""
        text = self._lines[wanted.line - 1].strip() if wanted.line <= len(self._lines) else ""
        shown = f" ({text!r})" if text else ""
        raise SafepointError(f"--at {wanted.text}: no statement starts there{shown}{told}")

    def add(self, point: Safepoint) -> None:
        """Compile this safepoint in as well."""
        if point not in self._points:
            self._points.append(point)

    def plain(self) -> CodeType:
        """The module's code, without safepoints."""
        return self._code_of(self._tree)

    def compiled(self) -> CodeType:
        """The module's code, with the safepoints."""
        wanted = {(each.function, each.ordinal) for each in self._points}
        tree = ast.parse(self._text, self.path)
        found = self._statements(tree)
        _Inserting({id(each) for name, i, each, _ in found if (name, i) in wanted}).visit(tree)
        return self._code_of(tree)

    def _code_of(self, tree: ast.Module) -> CodeType:
        code: CodeType = compile(tree, self.path, "exec", dont_inherit=True)
        return code

    def loops(self) -> list[tuple[str, int, str]]:
        """(function, line, text) of the first statement in each outermost loop: where to poll."""
        found = []
        for function, _, statement, parents in self._statements():
            inside = [each for each in parents if isinstance(each, (ast.For, ast.While))]
            if len(inside) == 1 and next(filter(_runs, inside[0].body), None) is statement:
                found.append((function, statement.lineno, self._line(statement)))
        return found

    def _refuse_definition(self, wanted: Wanted, scope: _Scope) -> NoReturn:
        """Refuse the line of a ``def``: what it runs is the definition, often once."""
        kind = "class" if isinstance(scope, ast.ClassDef) else "function"
        told = f"--at {wanted.text}: the {kind} {scope.name!r} is only defined there"
        for function, ordinal, statement, parents in self._statements():
            if scope in parents[-1:] and _can_follow(function, ordinal, statement, parents):
                # where all of it is on one line, its name says what the line cannot
                at = function if statement.lineno == scope.lineno else statement.lineno
                raise SafepointError(f"{told}; inside of it: --at {wanted.file}:{at}")
        raise SafepointError(f"{told}: name a statement that runs")

    def _first_of(self, wanted: Wanted) -> Safepoint:
        seen = []
        for function, ordinal, statement, parents in self._statements():
            holder = parents[-1] if parents else None
            if not isinstance(holder, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            seen.append(function)
            if function == wanted.function and _can_follow(function, ordinal, statement, parents):
                return self._point(wanted.text, function, ordinal, statement)
        near = ", ".join(dict.fromkeys(seen)) or "none"
        raise SafepointError(
            f"--at {wanted.text}: {self.path} has no function {wanted.function!r}; it has {near}"
        )

    def _again(self, known: Safepoint) -> Safepoint:
        same = [
            (function, ordinal, statement)
            for function, ordinal, statement, _ in self._statements()
            if function == known.function and self._line(statement) == known.source
        ]
        for function, ordinal, statement in same:
            if ordinal == known.ordinal or len(same) == 1:
                return self._point(known.wanted, function, ordinal, statement)
        where = f"{known.function}()" if known.function else self.path
        raise SafepointError(
            f"--at {known.wanted}: {where} no longer has the statement {known.source!r} that the "
            "checkpoint was taken at; --fresh starts anew"
        )

    def _point(self, wanted: str, function: str, ordinal: int, statement: ast.stmt) -> Safepoint:
        return Safepoint(wanted, function, ordinal, self._line(statement), statement.lineno)

    def _line(self, statement: ast.stmt) -> str:
        return self._lines[statement.lineno - 1].strip()

    def _statements(
        self, tree: ast.Module | None = None
    ) -> Iterator[tuple[str, int, ast.stmt, tuple[ast.AST, ...]]]:
        """(function, ordinal in it, statement, what it is in) in the order of the source."""
        ordinals: dict[str, int] = {}
        tree = self._tree if tree is None else tree

        def walk(
            holder: ast.AST, function: str, parents: tuple[ast.AST, ...]
        ) -> Iterator[tuple[str, int, ast.stmt, tuple[ast.AST, ...]]]:
            for child in ast.iter_child_nodes(holder):
                inside = (*parents, holder) if holder is not tree else parents
                if isinstance(child, ast.stmt):
                    ordinal = ordinals[function] = ordinals.get(function, -1) + 1
                    yield function, ordinal, child, inside
                within = function
                if isinstance(child, _SCOPES):
                    within = _qualified(child, function, holder, inside)
                yield from walk(child, within, inside)

        yield from walk(tree, "", ())


def _qualified(scope: _Scope, function: str, holder: ast.AST, inside: Sequence[ast.AST]) -> str:
    """The qualified name of a function or class, as CPython makes it."""
    around = next((each for each in (holder, *reversed(inside)) if isinstance(each, _SCOPES)), None)
    if not function or around is None:
        return scope.name
    between = "." if isinstance(around, ast.ClassDef) else ".<locals>."
    return f"{function}{between}{scope.name}"


def _can_follow(_: str, __: int, statement: ast.stmt, parents: Sequence[ast.AST]) -> bool:
    """Whether a call may stand before a statement."""
    if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
        return False
    if parents and isinstance(parents[-1], ast.ClassDef):
        return False  # a class body is not captured
    value = statement.value if isinstance(statement, ast.Expr) else None
    return not (isinstance(value, ast.Constant) and isinstance(value.value, str))  # a docstring


def _runs(statement: ast.stmt) -> bool:
    """Whether it does more than to define a function or class, or to document one."""
    return not isinstance(statement, _SCOPES) and _can_follow("", 0, statement, ())


class _Inserting(ast.NodeTransformer):
    """Puts the call before statements, given by identity."""

    def __init__(self, statements: set[int]) -> None:
        self._statements = statements

    def visit(self, node: ast.AST) -> Any:
        if not isinstance(node, ast.stmt) or id(node) not in self._statements:
            return self.generic_visit(node)
        call = ast.Expr(ast.Call(ast.Name(NAME, ast.Load()), [], []))
        for each in ast.walk(call):
            if isinstance(each, (ast.expr, ast.stmt)):
                # where nothing shows it: a traceback marks what the user wrote
                ast.copy_location(each, node)
                each.end_lineno, each.end_col_offset = node.lineno, node.col_offset
        return [call, self.generic_visit(node)]


class Finder:
    """Loads modules of the given files with their safepoints; the rest as ever.

    Args:
        wants: Called with name and path of a module that is imported.
        code_of: Called with name, source and path of one that is wanted.
    """

    def __init__(
        self,
        wants: Callable[[str, str], bool],
        code_of: Callable[[str, bytes, str], CodeType],
    ) -> None:
        self._wants = wants
        self._code_of = code_of

    def install(self) -> None:
        """Be asked before all other finders."""
        sys.meta_path.insert(0, self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """As the import system asks for it."""
        spec = self._found(name, path, target)
        if (
            spec is None
            or type(spec.loader) is not importlib.machinery.SourceFileLoader
            or not self._wants(name, spec.loader.path)
        ):
            return None
        spec.loader = _Loader(spec.loader, self._code_of)
        spec.cached = None
        return spec

    def _found(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> importlib.machinery.ModuleSpec | None:
        """What the finders behind this one find."""
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            find = getattr(finder, "find_spec", None)
            if find is not None and (spec := find(name, path, target)) is not None:
                return cast("importlib.machinery.ModuleSpec", spec)
        return None


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(
        self,
        loader: importlib.machinery.SourceFileLoader,
        code_of: Callable[[str, bytes, str], CodeType],
    ) -> None:
        super().__init__(loader.name, loader.path)
        self._code_of = code_of

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self._code_of(fullname, Path(path).read_bytes(), path)


def bind(poll: Callable[[], object]) -> None:
    """What safepoints call from now on."""
    setattr(builtins, NAME, poll)
