"""What a person types to start a program again."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence


def again(ranks: int = 1) -> str:
    """The command of this program, or what to call where there is none: in a notebook.

    Args:
        ranks: How many of the program there are.
    """
    words = sys.orig_argv
    if hasattr(sys, "ps1") or not words or "ipykernel" in " ".join(words):
        return "call run() once more"
    if _is_flow_run(words):
        words = list(_without_from(words))
    return shlex.join([*_launcher(ranks), *words])


def _launcher(ranks: int) -> list[str]:
    if ranks == 1:
        return []
    if "SLURM_STEP_NUM_TASKS" in os.environ:
        return ["srun", "-n", str(ranks)]
    return ["mpiexec", "-n", str(ranks)]


def _is_flow_run(words: Sequence[str]) -> bool:
    """Whether it is ``sauerkraut flow run``."""
    return any(
        words[at + 1 : at + 3] == ["flow", "run"]
        for at, word in enumerate(words)
        if word.rpartition("/")[2] == "sauerkraut"
    )


def _without_from(words: Sequence[str]) -> Iterator[str]:
    """All but ``--from STEP``: the next run starts where this one stopped."""
    reading = iter(words)
    for word in reading:
        if word == "--from":
            next(reading, None)
        elif not word.startswith("--from="):
            yield word
