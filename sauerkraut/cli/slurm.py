"""Print a job script for Slurm, filled in for a program.

    sauerkraut slurm script --time 04:00:00 --ntasks 64 heat2d.py --dir ckpt > heat2d.sbatch

--kind says which: preemptible (requeued when preempted or at the time limit), chain (each job
submits the next), loop (restarts on a spare node), array. Other options of sbatch: --sbatch
NAME=VALUE, repeatable. jobs/README.md says which script is for what.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sauerkraut.cli import report
from sauerkraut.launch import Command
from sauerkraut.slurm import script

GIVEN = ("time", "nodes", "ntasks", "partition", "account", "array")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    # options after the first word of the program are the program's
    printing = actions.add_parser("script", help="print a job script", allow_abbrev=False)
    printing.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    printing.add_argument("--kind", choices=tuple(script.KINDS), default="preemptible")
    for name in GIVEN:
        printing.add_argument(f"--{name}", metavar=name.upper(), help=f"as sbatch's --{name}")
    printing.add_argument("--sbatch", action="append", default=[], metavar="NAME=VALUE")
    printing.add_argument("--launcher", metavar="WORDS", help="in place of srun --mpi=pmix")
    printing.add_argument("--checkpoints", metavar="DIR", help="when the program has no --dir")
    printing.add_argument("program", nargs=argparse.REMAINDER, metavar="PROGRAM ...")


def run(chosen: argparse.Namespace) -> int:
    """Print it."""
    program = chosen.program[1:] if chosen.program[:1] == ["--"] else list(chosen.program)
    if not program:
        report.usage("slurm", "which program?")
    if program[0].endswith(".py"):
        program.insert(0, "python")
    options = {name: getattr(chosen, name) for name in GIVEN if getattr(chosen, name) is not None}
    for each in chosen.sbatch:
        name, equals, value = each.partition("=")
        if not equals:
            report.usage("slurm", f"--sbatch {each}: NAME=VALUE, as in --sbatch qos=low")
        options[name.lstrip("-")] = value
    if chosen.kind == "loop" and chosen.launcher is not None:
        report.usage("slurm", "--launcher: only srun leaves out the nodes that are down")
    if chosen.kind == "loop" and "ntasks" in options:
        report.usage("slurm", "--ntasks: a node may fail; --nodes N --sbatch ntasks-per-node=M")
    if chosen.kind == "array" and chosen.checkpoints is not None:
        report.usage("slurm", "--checkpoints: each job of an array has its own, ckpt-N")
    directory = chosen.checkpoints
    if directory is None and Command.of(program).directory is None and chosen.kind != "array":
        report.usage(
            "slurm", "where does the program checkpoint? --checkpoints DIR, or its own --dir"
        )
    beside = str(Path(sys.executable).parent)
    text = script.filled_in(
        chosen.kind,
        program,
        options=options,
        directory=directory,
        launcher=chosen.launcher,
        path=beside,
    )
    if chosen.json:
        report.print_json({"script": text})
    else:
        print(text, end="")
    return 0
