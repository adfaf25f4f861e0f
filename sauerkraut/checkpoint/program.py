"""An unmodified program under a Checkpointer: its ``__main__``, its safepoints, how it restarts.

A restart does not run the source again: it goes on in the body of the module, or in a function
called from there, and all that ``__main__`` has bound comes back from the epoch.
"""

from __future__ import annotations

import importlib.machinery
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from sauerkraut.checkpoint.beginning import OfProgram
from sauerkraut.code import carried, fingerprint
from sauerkraut.code.safepoints import Finder, Safepoint, Source, Wanted
from sauerkraut.errors import CodeChanged

MAIN = "__main__"

_running: Program | None = None


def running() -> Program | None:
    """The program that is ``__main__`` of this process; None: an ordinary one."""
    return _running


def has_ended(error: BaseException) -> bool:
    """Whether an exception is the end of an unmodified program: ``sys.exit(0)``."""
    return _running is not None and isinstance(error, SystemExit) and error.code in (None, 0)


def execute(script: str, arguments: Sequence[str]) -> None:  # noqa: ARG001 - see below
    """Run the program from its first line: the function to give to `Checkpointer.run`.

    What it is given is for `Checkpointer.run`, which refuses a restart with other arguments.
    """
    assert _running is not None, "after become_main()"
    exec(_running.code, carried.namespace())


class Program:
    """A script and its arguments, to be run as ``__main__``, with safepoints.

    Args:
        script: Path of the script, as it was given.
        arguments: What follows it on the command line.
        wanted: Where to poll.
        known: Safepoints of the epoch that this start will go on from; see `Source.find`.

    Raises:
        OSError, SyntaxError: the script cannot be read.
        SafepointError: a safepoint cannot be compiled into it, or into another file that is named.
    """

    def __init__(
        self,
        script: str,
        arguments: Sequence[str],
        wanted: Sequence[Wanted],
        known: Sequence[Safepoint] = (),
    ) -> None:
        self.script = script
        self.path = str(Path(script).absolute())
        """What code and ``__file__`` say, as under python."""
        self.arguments = list(arguments)
        self._wanted = list(wanted)
        self._known = list(known)
        self._source = Source(Path(script).read_bytes(), self.path)
        self._points: list[Safepoint] = []
        self._in_other_files: list[Safepoint] = []
        self._environment = dict(os.environ)
        # once and for all: the program may change its directory
        self._files = {each: os.path.realpath(each.file) for each in wanted if each.file}
        for each in wanted:
            if self._is_of_script(each):
                self._add(self._source, each)
            elif each.file is not None:  # refused now, not when it is imported
                source = Source(Path(each.file).read_bytes(), each.file)
                self._in_other_files.append(source.find(each, known))
        self.code = self._source.compiled()
        """Of the script's body, with its safepoints."""
        self.functions = {name: code.hex() for name, code in _functions(self._source.plain())}
        """Fingerprint of each function of the script, without safepoints, by qualified name."""

    def loops(self) -> list[tuple[str, int, str]]:
        """Where the script could poll, see `Source.loops`."""
        return self._source.loops()

    def become_main(self) -> None:
        """Make this process look as under ``python script arguments...``."""
        sys.argv = [self.script, *self.arguments]
        if not sys.flags.safe_path:
            sys.path[0] = str(Path(self.script).resolve().parent)
        module = ModuleType(MAIN)
        loader = importlib.machinery.SourceFileLoader(MAIN, self.path)
        vars(module).update(
            __annotations__={}, __cached__=None, __file__=self.path, __loader__=loader
        )
        vars(module)["__builtins__"] = sys.modules["builtins"]
        self.launcher = sys.modules[MAIN]
        """What was ``__main__`` before: it stays, its functions are still on the stack."""
        sys.modules[MAIN] = module
        carried.carry(vars(module), self.code)
        Finder(self._wants, self._compile).install()
        global _running
        _running = self

    def record(self) -> OfProgram:
        """What an epoch says of the program, so that a restart finds it and what it imports."""
        now = dict(os.environ)
        path: list[Any] = sys.path
        names = self._environment.keys() | now.keys()
        return OfProgram(
            functions=self.functions,
            path=[each for each in path if isinstance(each, str)],  # others mean nothing
            environment={
                name: now.get(name)
                for name in names
                if now.get(name) != self._environment.get(name)
            },
        )

    def check(self, record: OfProgram) -> None:
        """Refuse an epoch of another source; nothing is touched.

        Raises:
            CodeChanged: names what differs.
        """
        then = record.functions
        names = [*then, *(name for name in self.functions if name not in then)]
        changed = [name for name in names if then.get(name) != self.functions.get(name)]
        if changed:
            # what is around a changed function has changed with it
            inner = [n for n in changed if n and not any(c.startswith(f"{n}.") for c in changed)]
            told = ", ".join(f"{name}()" for name in inner) or "the module's body"
            raise CodeChanged(
                f"{self.script} has changed since the epoch: {told}; a restart runs the captured "
                "code: put the script back, or start anew with --fresh"
            )

    def return_to(self, record: OfProgram) -> None:
        """Set the path of modules and the environment as the program had changed them.

        Its code comes back with the safepoints that it had: further epochs tell of these, too.
        """
        places = {each.place for each in self._points}
        self._points += [each for each in self._known if each.place not in places]
        sys.path[:] = record.path
        for name, value in record.environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    def safepoints(self) -> list[dict[str, Any]]:
        """The safepoints that were compiled in, for the manifest."""
        return [each.record() for each in self._points]

    def polls_where(self, then: Sequence[Safepoint]) -> bool:
        """Whether this start asks for the safepoints of an epoch, by whatever words.

        Ask before the program runs. Safepoints of modules that are only imported by it count where
        the epoch has them.
        """
        places_then = {each.place for each in then}
        places = {each.place for each in (*self._points, *self._in_other_files)}
        words = {each.text for each in self._wanted}
        return all(each.place in places_then for each in self._points) and all(
            each.wanted in words or each.place in places for each in then
        )

    def missing(self) -> list[str]:
        """Safepoints that were asked for in modules that were never loaded."""
        met = {each.wanted for each in self._points}
        return [each.text for each in self._wanted if each.text not in met]

    def _is_of_script(self, wanted: Wanted) -> bool:
        if wanted.file is None:
            return wanted.module in (MAIN, Path(self.script).stem)
        return self._files[wanted] == os.path.realpath(self.path)

    def _add(self, source: Source, wanted: Wanted) -> None:
        point = source.find(wanted, self._known)
        source.add(point)
        if point not in self._points:
            self._points.append(point)

    def _is_of_module(self, wanted: Wanted, name: str, path: str) -> bool:
        if wanted.file is None:
            return wanted.module == name
        return self._files[wanted] == os.path.realpath(path)

    def _wants(self, name: str, path: str) -> bool:
        return any(self._is_of_module(each, name, path) for each in self._wanted)

    def _compile(self, name: str, text: bytes, path: str) -> CodeType:
        source = Source(text, path)
        for each in self._wanted:
            if self._is_of_module(each, name, path):
                self._add(source, each)
        return source.compiled()


def _functions(code: CodeType) -> Iterator[tuple[str, bytes]]:
    """(qualified name, fingerprint) of a module's code, as "", and of the functions in it.

    A fingerprint covers the functions inside: of functions of one name only the last is told.
    """
    yield "", fingerprint.of(code)
    waiting = [code]
    while waiting:
        for constant in waiting.pop().co_consts:
            if isinstance(constant, CodeType):
                yield constant.co_qualname, fingerprint.of(constant)
                waiting.append(constant)
