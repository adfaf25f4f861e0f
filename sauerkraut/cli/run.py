"""Run a program that knows nothing of checkpoints, with safepoints compiled into it.

    mpiexec -n 4 python -m sauerkraut run --dir ckpt --at solver.py:118 solver.py --nx 4096

The same command starts it and brings it back, inside its loops. A safepoint is a place that every
rank comes to equally often, such as a statement of the main loop: FILE:LINE, of the program or of a
module that it imports, or module:function for the beginning of a function. Checkpoints are taken
there and nowhere else. Exit status: that of the program; 85 checkpointed - requeue, 86 ranks lost -
restart, 87 do not restart.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from sauerkraut.checkpoint import interval as intervals
from sauerkraut.checkpoint import optimum, trial
from sauerkraut.checkpoint import program as programs
from sauerkraut.checkpoint.checkpointer import Checkpointer
from sauerkraut.checkpoint.consensus import site
from sauerkraut.checkpoint.leaving import REFUSED
from sauerkraut.cli import report
from sauerkraut.code import safepoints
from sauerkraut.code.safepoints import Safepoint, Wanted
from sauerkraut.errors import SafepointError, StorageError, WorldSizeMismatch
from sauerkraut.wording import counted
from sauerkraut.world import is_launched, refuse_strays


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    parser.add_argument("--dir", required=True, type=Path, help="checkpoint directory")
    parser.add_argument(
        "--every",
        default="10min",
        metavar="TIME",
        help='time between checkpoints, "none", or "auto" for the best (10min)',
    )
    parser.add_argument(
        "--budget", metavar="SHARE", help="share of the run time for checkpoints, such as 2%%"
    )
    parser.add_argument(
        "--at",
        action="append",
        default=[],
        metavar="PLACE",
        help="a safepoint: FILE:LINE or module:function; may be given more than once",
    )
    parser.add_argument("--keep", type=int, default=2, help="how many epochs are kept (2)")
    parser.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="NAME",
        help="a local variable to leave out; may be given more than once",
    )
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        choices=("threads", "processes"),
        help="of these some may run at a checkpoint; a restart does not bring them back",
    )
    parser.add_argument("--fresh", action="store_true", help="set aside what the directory holds")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="run up to the first safepoint, say what cannot be captured there, and end",
    )
    parser.add_argument("program", help="the script")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="its arguments")


def run(chosen: argparse.Namespace) -> int:
    """Run the program, or go on inside it."""
    try:
        every = None if chosen.every == "none" else chosen.every
        if every != "auto":
            intervals.parse(every)
        optimum.parse_budget(chosen.budget)
        if chosen.keep < 1:
            report.usage("run", f"--keep {chosen.keep}: at least 1 epoch is kept")
        wanted = [Wanted.parse(each) for each in chosen.at]
    except ValueError as error:
        report.usage("run", str(error))
    try:
        comm = world()
    except WorldSizeMismatch as error:
        print(f"sauerkraut run: {error}", file=sys.stderr)
        return REFUSED
    known, finished = ([], False) if chosen.fresh else _known(chosen.dir, comm)
    program = prepared(chosen, wanted, known)
    if not wanted:
        report.usage("run", _where(program))
    if known and not finished and not chosen.dry_run and not program.polls_where(known):
        _tell(comm, _other_safepoints(chosen, known))
    program.become_main()
    if chosen.dry_run:
        return _dry_run(chosen, comm, program)
    checkpointer = Checkpointer(
        chosen.dir,
        comm,
        interval=every,
        budget=chosen.budget,
        keep=chosen.keep,
        exclude=tuple(chosen.exclude),
        allow=tuple(chosen.allow),
    )
    safepoints.bind(checkpointer.poll)
    try:
        checkpointer.run(
            programs.execute,
            Path(program.script).name,
            tuple(program.arguments),
            fresh=chosen.fresh,
        )
    finally:
        safepoints.bind(_nothing)
    _warn_of_missing(program, comm, checkpointer)
    return 0


def _dry_run(chosen: argparse.Namespace, comm: Any, program: programs.Program) -> int:
    """Run up to the first safepoint and end there; here only when there was none."""
    rank = 0 if comm is None else comm.rank
    directory = tempfile.mkdtemp(prefix="sauerkraut-dry-run-") if rank == 0 else ""
    if comm is not None:
        directory = comm.bcast(directory)

    def tell(frame: FrameType, found: dict[int, trial.Found]) -> int:
        shutil.rmtree(directory, ignore_errors=True)
        return _report(chosen, frame, found)

    checkpointer = Checkpointer(
        directory,
        comm,
        interval=None,
        exclude=tuple(chosen.exclude),
        allow=tuple(chosen.allow),
        rehearse=False,
        signals=False,
    )
    safepoints.bind(trial.at_first_safepoint(checkpointer, tell))
    try:
        checkpointer.run(programs.execute, Path(program.script).name, tuple(program.arguments))
    finally:
        safepoints.bind(_nothing)
        if rank == 0:
            shutil.rmtree(directory, ignore_errors=True)
    _warn_of_missing(program, comm, checkpointer)
    _tell(comm, "the program ended and met no safepoint")
    return 1


def _report(chosen: argparse.Namespace, frame: FrameType, found: dict[int, trial.Found]) -> int:
    """Print what a dry run found; the exit status."""
    refused = {rank: each.refused for rank, each in found.items() if each.refused}
    copied = list(dict.fromkeys(name for each in found.values() for name in each.copied))
    where, size = site(frame), sum(each.nbytes for each in found.values())
    if chosen.json:
        report.print_json({"safepoint": where, "refused": refused, "copied": copied, "bytes": size})
        return 1 if refused else 0
    for name in copied:
        print(f"{name} belongs to a package: the program has a copy of it after a restart")
    if not refused:
        ranks = counted(len(found), "rank")
        print(f"{where}: all can be captured: {report.size(size)} on {ranks}")
    else:
        for rank, told in refused.items():
            for line in told:
                print(f"rank {rank}: {line}")
        names = "--exclude NAME leaves a variable out; `sauerkraut.register_reducer` captures it"
        print(f"{where}: cannot be captured as it is; {names}", file=sys.stderr)
    return 1 if refused else 0


def _warn_of_missing(program: programs.Program, comm: Any, checkpointer: Checkpointer) -> None:
    for each in program.missing() if checkpointer.restarted is None else []:
        _tell(comm, f"--at {each}: no such module was loaded")


def _other_safepoints(chosen: argparse.Namespace, then: Sequence[Safepoint]) -> str:
    """That the newest epoch was taken with other safepoints than this start asks for."""
    before = " ".join(f"--at {each.wanted}" for each in then)
    now = " ".join(f"--at {each}" for each in chosen.at)
    return (
        f"the newest epoch was taken with {before}, this start says {now}: {chosen.program} comes "
        "back as it was and polls where it did then; only modules are imported anew"
    )


def _tell(comm: Any, text: str) -> None:
    """Tell a person, once for all ranks."""
    if comm is None or comm.rank == 0:
        print(f"sauerkraut run: {text}", file=sys.stderr, flush=True)


def world() -> Any:
    """The communicator of all ranks, where a launcher started this process; else None.

    Raises:
        WorldSizeMismatch: it was started as one of many that MPI knows nothing of.
    """
    if not is_launched():
        refuse_strays(1)
        return None
    from sauerkraut.mpi import world

    comm = world.comm()
    refuse_strays(comm.size)
    return comm


def prepared(
    chosen: argparse.Namespace, wanted: Sequence[Wanted], known: Sequence[Safepoint]
) -> programs.Program:
    """The program with its safepoints; a usage error where one of them cannot be."""
    try:
        return programs.Program(chosen.program, _arguments(chosen), wanted, known)
    except SafepointError as error:
        report.usage("run", str(error))
    except SyntaxError as error:
        report.usage("run", f"{error.filename}:{error.lineno}: {error.msg}")
    except OSError as error:
        report.usage("run", f"{error.filename}: {error.strerror}")


def _arguments(chosen: argparse.Namespace) -> list[str]:
    """The program's arguments: argparse leaves out a ``--`` that is the first of them."""
    given: list[str] = chosen.arguments
    before = sys.argv[: len(sys.argv) - len(given)]
    return ["--", *given] if before[-2:] == [chosen.program, "--"] else given


def _known(directory: Path, comm: Any) -> tuple[list[Safepoint], bool]:
    """Safepoints of the newest epoch, as rank 0 sees it, and whether it is the end of the run."""
    from sauerkraut.cli.resume import newest_manifest

    records: list[dict[str, Any]] = []
    finished = False
    if comm is None or comm.rank == 0:
        try:
            about = newest_manifest(directory).about
        except (StorageError, OSError):  # the restart will tell
            records = []
        else:
            records, finished = about.more.get("safepoints", []), about.final
    if comm is not None:
        records, finished = comm.bcast((records, finished))
    return [Safepoint.of_record(each) for each in records], finished


def _where(program: programs.Program) -> str:
    """What to type: the first statements of its loops."""
    places = [
        f"  --at {program.script}:{line}  {text}" + (f"  (in {function}())" if function else "")
        for function, line, text in program.loops()
    ]
    told = "\n".join(["say where to poll, for instance in one of its loops:", *places])
    return told if places else f"say where to poll: --at {program.script}:LINE"


def _nothing() -> None:
    """What a safepoint does when the run is over."""
