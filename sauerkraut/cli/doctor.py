"""Say before hours are spent what this machine and its scheduler mean for a job.

Looks at the settings (SAUERKRAUT_*), the MPI launcher, and Slurm where there is one: grace times,
signals at a preemption, requeueing, and what srun starts. With --dir the last checkpoint of a job
is compared with the grace times. A PROGRAM that knows nothing of checkpoints is run up to the first
safepoint (--at, by default all of its loops), and every variable that cannot be captured there is
named. Exit status: 1 when work would be lost, else 0.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path

from sauerkraut.cli import report
from sauerkraut.code.safepoints import Source
from sauerkraut.commands import world_sizes
from sauerkraut.errors import StorageError
from sauerkraut.launch import Command
from sauerkraut.settings import Settings
from sauerkraut.slurm import checks
from sauerkraut.slurm.checks import Check
from sauerkraut.storage import catalog
from sauerkraut.wording import printable

BEYOND_SETTINGS = ("GRACE",)  # read into another setting
TRAPS = {
    "openmpi": "its mpirun exits with 0 when it loses a node, and kills the ranks at TERM",
    "hydra": "it does not notice a cut cable, and dies of USR2",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    parser.add_argument("--dir", type=Path, metavar="DIR", help="checkpoint directory of a job")
    parser.add_argument("--launcher", default="mpiexec", help="of MPI (%(default)s)")
    parser.add_argument("--ranks", type=int, default=1, help="how many run PROGRAM (1)")
    parser.add_argument(
        "--at", action="append", default=[], metavar="PLACE", help="as for `sauerkraut run`"
    )
    parser.add_argument("program", nargs="?", help="a script that knows nothing of checkpoints")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="its arguments")


def run(chosen: argparse.Namespace) -> int:
    """Print the checks."""
    seconds = None if chosen.dir is None else _last_checkpoint(chosen.dir)
    found = [*_settings(), *_launcher(chosen.launcher), *_slurm(seconds)]
    if chosen.program is not None:
        found += _program(chosen)
    bad = any(each.state == "bad" for each in found)
    if chosen.json:
        report.print_json(
            {"settings": asdict(_read_settings()[0]), "checks": [each._asdict() for each in found]}
        )
        return int(bad)
    for each in found:
        print(printable(f"{each.state:4}  {each.name}: {each.text}"))
    print()
    rows = [(f"SAUERKRAUT_{name.upper()}", str(value)) for name, value in _values()]
    report.print_columns(("setting", "value"), rows)
    return int(bad)


def _read_settings() -> tuple[Settings, str | None]:
    try:
        return Settings.from_environment(), None
    except ValueError as error:
        return Settings(), str(error)


def _values() -> Iterator[tuple[str, object]]:
    yield from asdict(_read_settings()[0]).items()


def _settings() -> Iterator[Check]:
    _, error = _read_settings()
    if error is not None:
        yield Check("bad", "settings", error)
    known = {field.name.upper() for field in fields(Settings)} | set(BEYOND_SETTINGS)
    for name in sorted(os.environ):
        match = re.fullmatch(r"SAUERKRAUT_(\w+)", name)
        if match and match[1] not in known:
            yield Check("bad", name, "no such setting: it has no effect")
    if os.environ.get("SAUERKRAUT_TAKE_OVER"):
        text = "set: this start takes its directory over from a run that may still write"
        yield Check("note", "SAUERKRAUT_TAKE_OVER", text)


def _launcher(words: str) -> Iterator[Check]:
    command = Command.of(words.split())
    path = shutil.which(words.split()[0]) if words.split() else None
    if path is None:
        yield Check("note", "launcher", f"no {words} on PATH: jobs of one process only, or srun")
        return
    sizes = world_sizes([*words.split(), "-n", "2"])
    if sizes == [2, 2]:
        yield Check("good", "launcher", f"{path} starts one world")
    elif sizes:
        text = f"{path} starts jobs of one rank: it is of another MPI than mpi4py's"
        yield Check("bad", "launcher", text)
    else:
        yield Check("note", "launcher", f"{path} does not start two ranks with mpi4py here")
    if command.kind in TRAPS:
        text = f"{TRAPS[command.kind]}: `sauerkraut launch` judges by COMPLETE, and asks with USR1"
        yield Check("note", f"launcher ({command.kind})", text)


def _program(chosen: argparse.Namespace) -> Iterator[Check]:
    """What a dry run of the program finds; it writes nothing, but for what the program writes."""
    name = str(chosen.program)
    try:
        places = chosen.at or _loops(name)
    except (OSError, SyntaxError) as error:
        yield Check("bad", name, str(error))
        return
    if not places:
        yield Check("note", name, "it has no loop: say with --at where it may checkpoint")
        return
    launcher = [*chosen.launcher.split(), "-n", str(chosen.ranks)] if chosen.ranks > 1 else []
    with tempfile.TemporaryDirectory() as scratch:
        dry_run = [sys.executable, "-m", "sauerkraut", "run", "--dry-run", "--json"]
        words = [*dry_run, f"--dir={scratch}", *(f"--at={each}" for each in places)]
        done = subprocess.run(
            [*launcher, *words, name, *chosen.arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    # the program may have printed before
    _, brace, text = f"\n{done.stdout}".rpartition("\n{\n")
    if not brace:
        said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        yield Check("bad", name, said.removeprefix("sauerkraut run: "))
        return
    told = json.loads(brace + text)
    for rank, lines in told["refused"].items():
        for line in lines:
            yield Check("bad", f"{name}, rank {rank}", line)
    for each in told["copied"]:
        text = f"{each} belongs to a package: the program has a copy of it after a restart"
        yield Check("note", name, text)
    if not told["refused"]:
        size = report.size(told["bytes"])
        yield Check("good", name, f"all can be captured at {told['safepoint']}: {size}")


def _loops(program: str) -> list[str]:
    source = Source(Path(program).read_bytes(), program)
    return [f"{program}:{line}" for _, line, _ in source.loops()]


def _slurm(seconds: float | None) -> Iterator[Check]:
    settings = checks.configuration()
    if settings is None:
        yield Check("note", "Slurm", "none answers here")
        return
    known, plugins = checks.partitions(), checks.mpi_plugins()
    yield from checks.check(settings, known, plugins, checkpoint=seconds)


def _last_checkpoint(directory: Path) -> float | None:
    """Seconds that the newest epoch took.

    Raises:
        NoCheckpoint: there is no such directory.
    """
    for entry in catalog.committed(directory):
        try:
            return catalog.read_manifest(entry.path).epoch.seconds
        except StorageError:
            continue
    return None
