"""The command to supervise: which launcher starts it, on which hosts, and where it checkpoints."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sauerkraut.commands import output

Kind = Literal["openmpi", "hydra", "srun", "none"]

_LAUNCHER = re.compile(r"(mpirun|mpiexec|orterun|prterun|srun)([.-].*)?")
_PROGRAM = re.compile(r"python[0-9.]*|.*\.py|sauerkraut")
_RANKS = ("-n", "-np", "--n", "--np", "--ntasks")
_NODES = ("-N", "--nodes")  # of srun
_JOINED = re.compile(r"(-[nN])(\d+)")  # as srun takes them
KEEPALIVE = {
    f"{prefix}_MCA_oob_tcp_keepalive_{name}": value
    for prefix in ("OMPI", "PRTE")
    for name, value in (("time", "2"), ("intvl", "1"), ("probes", "3"))
}
"""Variables by which Open MPI 4 and 5 notice a link that is dead: else they wait for ever."""


@dataclass(frozen=True, slots=True)
class Command:
    """Words of a command line."""

    words: tuple[str, ...]
    kind: Kind
    """Which launcher is in it: ``hydra`` is that of MPICH and of those made from it."""
    launcher: int
    """Index of the launcher's word; 0 where there is none."""

    @classmethod
    def of(cls, words: Sequence[str]) -> Command:
        """Look at a command, and ask its launcher for its version."""
        for index, word in enumerate(words):
            name = Path(word).name
            if _PROGRAM.fullmatch(name):
                break
            if match := _LAUNCHER.fullmatch(name):
                kind: Kind = "srun" if match[1] == "srun" else _kind(word)
                return cls(tuple(words), kind, index)
        return cls(tuple(words), "none", 0)

    @property
    def program(self) -> int:
        """Index of the first word that is Python or a program in it; the end where none is."""
        for index in range(len(self.words)):
            if _PROGRAM.fullmatch(Path(self.words[index]).name):
                return index
        return len(self.words)

    @property
    def ranks(self) -> int | None:
        """How many ranks it asks for; None where it does not say, or starts several programs."""
        if self.kind == "none":
            return 1
        if ":" in self.words:
            return None
        return self._number(_RANKS)

    @property
    def nodes(self) -> int | None:
        """How many nodes srun is to start them on; None where the command does not say."""
        return self._number(_NODES)

    def _number(self, names: Sequence[str]) -> int | None:
        for word, value in _options(self.words[: self.program]):
            if word in names and value.isdecimal():
                return int(value)
        return None

    @property
    def directory(self) -> Path | None:
        """Checkpoint directory, where the program's own words tell it: the last ``--dir``."""
        for word, value in reversed(_options(self.words[self.program :])):
            if word == "--dir" and value:
                return Path(value)
        return None

    def with_variables(self, names: Iterable[str]) -> Command:
        """Let these variables reach ranks on other hosts; only Open MPI must be told."""
        if self.kind != "openmpi":
            return self
        told = [value for word, value in _options(self.words[: self.program]) if word == "-x"]
        known = {each.partition("=")[0] for each in told}
        added = [word for name in sorted(set(names) - known) for word in ("-x", name)]
        after = self.launcher + 1
        return self._with((*self.words[:after], *added, *self.words[after:]))

    def probe(self) -> Command:
        """Make it start one ``true`` instead of the ranks of the program."""
        alone = self.with_ranks(1)
        return self._with((*alone.words[: self.program], "true"))

    def with_ranks(self, ranks: int) -> Command:
        """Let it start so many ranks, where it says how many."""
        return self._with_number(_RANKS, ranks)

    def with_nodes(self, nodes: int, ranks: int | None, without: Iterable[str]) -> Command:
        """Let srun start so many ranks on so many nodes, which are others than those.

        Args:
            nodes: How many.
            ranks: None: what the command or the allocation says.
            without: Names of nodes.
        """
        command = self._with_number(_NODES, nodes)
        added = [f"--exclude={','.join(without)}"]
        if command.nodes is None:
            added.append(f"--nodes={nodes}")
        if ranks is not None:
            command = command.with_ranks(ranks)
            if command.ranks is None:
                added.append(f"--ntasks={ranks}")
        after = self.launcher + 1
        return command.replacing(after, after, added)

    def _with_number(self, names: Sequence[str], number: int) -> Command:
        words = list(self.words)
        for index, word in enumerate(words[: self.program]):
            name, equals, _ = word.partition("=")
            if word in names:
                words[index + 1] = str(number)
            elif equals and name in names:
                words[index] = f"{name}={number}"
            elif (joined := _JOINED.fullmatch(word)) and joined[1] in names:
                words[index] = f"{joined[1]}{number}"
        return self._with(words)

    def replacing(self, start: int, stop: int, words: Sequence[str]) -> Command:
        """Put other words in the place of some."""
        return self._with((*self.words[:start], *words, *self.words[stop:]))

    def _with(self, words: Sequence[str]) -> Command:
        return Command(tuple(words), self.kind, self.launcher)


def _options(words: Sequence[str]) -> list[tuple[str, str]]:
    """Each word with the one after it, ``--name=value`` taken apart."""
    pairs = []
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        if equals and name.startswith("--"):
            pairs.append((name, value))
        elif joined := _JOINED.fullmatch(word):
            pairs.append((joined[1], joined[2]))
        else:
            pairs.append((word, words[index + 1] if index + 1 < len(words) else ""))
    return pairs


def _kind(launcher: str) -> Kind:
    path = shutil.which(launcher)
    if path is None:
        return "none"
    said = output([path, "--version"], whatever=True)
    if said is None:
        return "none"
    return "openmpi" if re.search(r"Open MPI|OpenRTE|PRTE|prte", said) else "hydra"
