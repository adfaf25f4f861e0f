"""Run a job to its end: start it, start it again whenever it ends before it is complete.

    sauerkraut launch -- mpirun -n 64 python heat2d.py --dir ckpt

What follows -- is the command as it would be typed without launch: mpirun or mpiexec of Open MPI or
MPICH, srun, or no launcher. The checkpoint directory is the program's own --dir, or that of launch.
TERM, INT (Ctrl-C) and USR1 ask for a checkpoint and a stop, USR2 for a checkpoint; a second TERM or
INT ends the job without one. Done is what COMPLETE in the directory says, whatever the launcher
does. Hosts of the launcher's list that do not answer are left out when the others suffice.
Exit status: 0 complete, 85 checkpointed when asked to stop, 86 stopped without a checkpoint for it
(earlier ones are good), 87 do not restart: refused, or no new epoch in all its starts.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sauerkraut.cli import report
from sauerkraut.launch import Command, Log, Options, Supervisor

STANDARD_ERROR = 2  # its descriptor: with --json, standard output is the document alone


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    default = Options()
    parser.allow_abbrev = False  # of the words of the command, too
    parser.add_argument("--dir", type=Path, metavar="DIR", help="checkpoint directory")
    parser.add_argument(
        "--max-restarts",
        type=int,
        default=default.max_restarts,
        metavar="N",
        help="restarts in a row that may bring no new epoch (%(default)s)",
    )
    parser.add_argument("--log", type=Path, metavar="FILE", help="append what happens to a file")
    parser.add_argument(
        "--take-over",
        action="store_true",
        help="also when the owner of the directory may still run: it must then end without writing",
    )
    parser.add_argument(
        "--give-up",
        type=float,
        default=default.give_up,
        metavar="SECONDS",
        help="ranks that wait so long for missing ones end the job (%(default)g)",
    )
    parser.add_argument(
        "--end-silent",
        type=float,
        metavar="SECONDS",
        help="end and restart a job without a poll for so long, longer than a checkpoint (never)",
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND ...")


def run(chosen: argparse.Namespace) -> int:
    """Supervise the job."""
    words = chosen.command[1:] if chosen.command[:1] == ["--"] else chosen.command
    if not words:
        report.usage("launch", "no command: sauerkraut launch -- mpirun -n 4 python program.py")
    if chosen.max_restarts < 0:
        report.usage("launch", "--max-restarts: 0 or more")
    command = Command.of(words)
    directory = chosen.dir or command.directory
    if directory is None:
        report.usage(
            "launch", "where does the program checkpoint? sauerkraut launch --dir DIR -- ..."
        )
    options = Options(
        max_restarts=chosen.max_restarts,
        give_up=chosen.give_up,
        end_silent=chosen.end_silent,
        take_over=chosen.take_over,
        output=STANDARD_ERROR if chosen.json else None,
    )
    supervisor = Supervisor(command, directory, Log(chosen.log), options)
    status = supervisor.run()
    if chosen.json:
        report.print_json(
            {"directory": directory.resolve(), "starts": supervisor.starts, "status": status}
        )
    return status
