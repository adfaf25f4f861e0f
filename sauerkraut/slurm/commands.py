"""Asking Slurm: one command, its output, and nothing where there is no Slurm."""

from __future__ import annotations

import os
from datetime import datetime

from sauerkraut import commands

LIMIT = 30.0
"""Seconds that the controller has to answer."""


def output(*words: str) -> str | None:
    """What a command of Slurm prints; None when it is not there, fails, or does not answer."""
    return commands.output(words, timeout=LIMIT)


def end_time() -> float | None:
    """When the job around the caller reaches its time limit, in seconds since 1970; None outside.

    Not ``SLURM_JOB_END_TIME``: 22.05 does not set it.
    """
    job = os.environ.get("SLURM_JOB_ID")
    told = output("squeue", "--noheader", f"--jobs={job}", "--format=%e") if job else None
    try:
        return datetime.fromisoformat((told or "").strip()).timestamp()
    except ValueError:  # it has none
        return None


def nodes_down() -> list[str]:
    """Nodes of the allocation around the caller that take no steps now; empty outside of one."""
    nodes = os.environ.get("SLURM_JOB_NODELIST")
    if not nodes:
        return []
    states = output("sinfo", "--noheader", "--Node", f"--nodes={nodes}", "--format=%N %T") or ""
    pairs = {tuple(line.split(maxsplit=1)) for line in states.splitlines() if " " in line}
    return sorted({name for name, state in pairs if _takes_no_steps(state.strip())})


def allotted() -> tuple[int, int | None]:
    """Nodes and ranks of the allocation around the caller; None: it does not say how many ranks."""
    nodes, ranks = (os.environ.get(f"SLURM_{name}", "") for name in ("JOB_NUM_NODES", "NTASKS"))
    return int(nodes) if nodes.isdecimal() else 0, int(ranks) if ranks.isdecimal() else None


def _takes_no_steps(state: str) -> bool:
    """``*``: it does not respond. A node that drains keeps the jobs it has."""
    return state.endswith("*") or state.startswith(("down", "drained", "fail", "unknown"))
