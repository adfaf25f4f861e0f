"""Say before hours are spent what this machine and its scheduler mean for a job.

Looks at the settings (SAUERKRAUT_*), the MPI launcher, and Slurm where there is one: grace times,
signals at a preemption, requeueing, and what srun starts. With --dir the last checkpoint of a job
is compared with the grace times. Exit status: 1 when work would be lost, else 0.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path

from sauerkraut.cli import report
from sauerkraut.errors import StorageError
from sauerkraut.launch import Command
from sauerkraut.settings import Settings
from sauerkraut.slurm import checks
from sauerkraut.slurm.checks import Check
from sauerkraut.storage import catalog

BEYOND_SETTINGS = ("GRACE",)  # read into another setting
WORLD = "import sys; from mpi4py import MPI; sys.stdout.write(f'size {MPI.COMM_WORLD.size}\\n')"
TRAPS = {
    "openmpi": "its mpirun exits with 0 when it loses a node, and kills the ranks at TERM",
    "hydra": "it does not notice a cut cable, and dies of USR2",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    parser.add_argument("--dir", type=Path, metavar="DIR", help="checkpoint directory of a job")
    parser.add_argument("--launcher", default="mpiexec", help="of MPI (%(default)s)")


def run(chosen: argparse.Namespace) -> int:
    """Print the checks."""
    seconds = None if chosen.dir is None else _last_checkpoint(chosen.dir)
    found = [*_settings(), *_launcher(chosen.launcher), *_slurm(seconds)]
    bad = any(each.state == "bad" for each in found)
    if chosen.json:
        report.print_json(
            {"settings": asdict(_read_settings()[0]), "checks": [each._asdict() for each in found]}
        )
        return int(bad)
    for each in found:
        print(report.printable(f"{each.state:4}  {each.name}: {each.text}"))
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
    sizes = _world_sizes([*words.split(), "-n", "2", sys.executable, "-c", WORLD])
    if sizes == ["2", "2"]:
        yield Check("good", "launcher", f"{path} starts one world")
    elif sizes:
        text = f"{path} starts jobs of one rank: it is of another MPI than mpi4py's"
        yield Check("bad", "launcher", text)
    else:
        yield Check("note", "launcher", f"{path} does not start two ranks with mpi4py here")
    if command.kind in TRAPS:
        text = f"{TRAPS[command.kind]}: `sauerkraut launch` judges by COMPLETE, and asks with USR1"
        yield Check("note", f"launcher ({command.kind})", text)


def _world_sizes(command: list[str]) -> list[str]:
    try:
        said = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=60,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    return re.findall(r"size (\d+)", said)


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
