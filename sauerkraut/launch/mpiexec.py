"""Which ``mpiexec`` starts ranks that find each other, and the options it needs here."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sauerkraut.commands import output, world_sizes


@dataclass(frozen=True, slots=True)
class Launcher:
    """An ``mpiexec`` with its options; ``command(4)`` is what goes before the program."""

    mpiexec: str
    """Path of the program."""
    name: str
    """``openmpi``, or ``mpich`` for every launcher that needs no options of its own."""
    options: tuple[str, ...] = ()
    """Options that allow more ranks than cores."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables set beside the caller's environment."""

    def command(self, ranks: int) -> list[str]:
        """The words that start `ranks` ranks of the program that follows them."""
        return [self.mpiexec, *self.options, "-n", str(ranks)]


def find_launcher(python: str = sys.executable) -> Launcher:
    """The first of PATH's ``mpiexec`` and the wheel's beside `python` that gives size 2 for two.

    A launcher of another MPI than mpi4py's starts two jobs of one rank instead, with status 0.

    Raises:
        FileNotFoundError: None is there, or none gives size 2; the message says what to install.
    """
    beside = str(Path(python).parent / "mpiexec")
    tried: list[str] = []
    for mpiexec in dict.fromkeys(filter(None, (shutil.which("mpiexec"), shutil.which(beside)))):
        launcher = _described(mpiexec)
        if world_sizes(launcher.command(2), python, launcher.environment) == [2, 2]:
            return launcher
        tried.append(mpiexec)
    raise FileNotFoundError(
        f"no mpiexec gives two ranks of {python} one world (tried: {', '.join(tried) or 'none'});"
        " install the wheel of an MPI beside it: pip install 'sauerkraut-hpc[mpich]'"
    )


def _described(mpiexec: str) -> Launcher:
    version = output([mpiexec, "--version"], whatever=True) or ""
    if not any(name in version for name in ("Open MPI", "OpenRTE", "PRTE", "prte")):
        return Launcher(mpiexec, "mpich")
    root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return Launcher(
        mpiexec,
        "openmpi",
        ("--oversubscribe", "--mca", "mpi_yield_when_idle", "1"),
        root if os.getuid() == 0 else {},
    )
