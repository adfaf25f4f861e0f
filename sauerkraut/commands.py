"""Commands: that of this process, and others, of which what they print is wanted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence

LIMIT = 60.0
"""Seconds that a launcher has to say something."""
# One write: what unbuffered ranks print in pieces is interleaved by the launcher.
_SIZE = "import sys; from mpi4py import MPI; sys.stdout.write(f'size {MPI.COMM_WORLD.size}\\n')"


def of_this_process() -> tuple[str, ...]:
    """What started this process, for another environment: a Python of PATH by its own path."""
    if not sys.orig_argv:
        return ()
    python, *words = sys.orig_argv
    return (python if "/" in python else sys.executable or python, *words)


def output(
    words: Sequence[str],
    environment: Mapping[str, str] | None = None,
    timeout: float = LIMIT,
    *,
    whatever: bool = False,
) -> str | None:
    """What a command prints; None when it is not there, fails, or does not answer.

    Args:
        words: The command.
        environment: Variables set beside the caller's.
        timeout: Seconds it has to answer.
        whatever: Also when it fails, and what it prints on standard error.
    """
    try:
        done = subprocess.run(
            words,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if whatever else subprocess.DEVNULL,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if whatever or done.returncode == 0 else None


def world_sizes(
    launcher: Sequence[str],
    python: str = sys.executable,
    environment: Mapping[str, str] | None = None,
) -> list[int]:
    """The size of the world that each rank sees; empty where none says it.

    A launcher of another MPI than mpi4py's starts jobs of one rank instead, with status 0.

    Args:
        launcher: What starts the ranks: ``mpiexec -n 2``.
        python: Where mpi4py is.
        environment: Variables set beside the caller's.
    """
    said = output([*launcher, python, "-c", _SIZE], environment, whatever=True)
    return [int(size) for size in re.findall(r"^size (\d+)$", said or "", re.MULTILINE)]
