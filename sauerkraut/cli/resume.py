"""Start the job of a checkpoint directory again, with the command it was started with.

The command, its working directory and the number of ranks are those of the newest committed epoch;
it runs under `mpiexec -n RANKS`, or under what --launcher says ("srun -n 8"); a job of one rank
runs without a launcher. The mpiexec is the first, of that on PATH and that beside the command's
Python, that gives two ranks one world. Ends with 0 only when the run is complete, whatever the
launcher says, with 86 when it ended without an error and is not complete, else with the launcher's
status.
"""

from __future__ import annotations

import argparse
import os
import queue
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from sauerkraut.cli import report
from sauerkraut.errors import CorruptCheckpoint, NoCheckpoint, StorageError
from sauerkraut.launch import progress
from sauerkraut.launch.mpiexec import find_launcher
from sauerkraut.settings import Settings
from sauerkraut.storage import Manifest, Trust, catalog, owner

# Open MPI's launcher kills its ranks soon after TERM; USR1 also asks for checkpoint and stop.
FORWARDED = {signal.SIGTERM: signal.SIGUSR1, signal.SIGUSR1: signal.SIGUSR1}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    parser.add_argument("directory", type=Path, help="checkpoint directory")
    parser.add_argument("--launcher", help="what starts the ranks (mpiexec -n RANKS)")
    parser.add_argument(
        "--take-over",
        action="store_true",
        help="also when the owner of the directory may still run: it must then end without writing",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print directory and command, start nothing"
    )


def run(chosen: argparse.Namespace) -> int:
    """Start the job and wait for it."""
    manifest = newest_manifest(chosen.directory)
    about = manifest.about
    if not about.command:
        raise StorageError(f"{manifest.epoch.path} does not say what the job's command was")
    launcher, settings = _launcher(chosen.launcher, manifest)
    command = [*launcher, *about.command]
    environment = {"PYTHONHASHSEED": progress.hash_seed(chosen.directory), **settings}
    if chosen.take_over:
        environment["SAUERKRAUT_TAKE_OVER"] = _owner(chosen.directory)
    described = {
        "working_directory": about.working_directory,
        "command": command,
        "environment": environment,
        "epoch": manifest.epoch.number,
        "ranks": manifest.world_size,
    }
    if chosen.json:
        report.print_json(described)
    else:
        line = shlex.join(["env", *(f"{k}={v}" for k, v in environment.items()), *command])
        shown = sys.stdout if chosen.dry_run else sys.stderr
        print(f"cd {shlex.quote(about.working_directory)} && {line}", file=shown)
    if chosen.dry_run:
        return 0
    sys.stdout.flush()
    return _start(command, about.working_directory, environment, chosen.directory.resolve())


def newest_manifest(directory: Path) -> Manifest:
    """The manifest of the newest committed epoch whose manifest is whole.

    Raises:
        NoCheckpoint: There is no committed epoch.
        UntrustedCheckpoint: Its command may not be run: somebody else may have written it.
        StorageError: It cannot be read, or none is whole; the error of the newest.
    """
    trust = Trust.of(Settings.from_environment())
    first: StorageError | None = None
    for entry in catalog.committed(directory):
        try:
            return catalog.read_manifest(entry.path, trust)
        except CorruptCheckpoint as error:
            first = first or error
    raise first or NoCheckpoint(f"{directory}: no committed epoch")


def _launcher(words: str | None, manifest: Manifest) -> tuple[list[str], Mapping[str, str]]:
    """What starts the ranks, and the variables that it needs."""
    if words is not None:
        try:
            return shlex.split(words), {}
        except ValueError as error:
            raise StorageError(f"--launcher {words!r}: {error}") from error
    ranks = manifest.world_size
    if ranks == 1:
        return [], {}
    python = manifest.about.command[0]
    if "/" in python:  # also as it was given: beside a virtual environment's lies its mpiexec
        python = str(Path(manifest.about.working_directory, python))
    try:
        found = find_launcher(shutil.which(python) or python)
    except FileNotFoundError as error:
        raise StorageError(
            f"{error}; or say what starts them: --launcher 'srun -n {ranks}'"
        ) from error
    # its options are for more ranks than cores
    return [found.mpiexec, "-n", str(ranks)], found.environment


def _owner(directory: Path) -> str:
    """Id of the incarnation that owns the directory."""
    found = owner.read(directory)
    if found is None:
        raise StorageError(f"{directory} has no owner to take it over from")
    return found.incarnation.id


def _start(command: list[str], cwd: str, environment: dict[str, str], directory: Path) -> int:
    """Run the job, passing on what a scheduler signals; the exit status of the verb."""
    early: list[signal.Signals] = []  # came before there was a job to pass them on to
    previous = {
        received: signal.signal(received, lambda *_, passed_on=passed_on: early.append(passed_on))
        for received, passed_on in FORWARDED.items()
    }
    # Not passed on: MPICH's launcher dies of it.
    orders: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    previous[signal.SIGUSR2] = signal.signal(signal.SIGUSR2, lambda number, _: orders.put(number))
    threading.Thread(target=_ask, args=(directory, orders), daemon=True).start()
    try:
        try:
            job = subprocess.Popen(command, cwd=cwd, env={**os.environ, **environment})
        except OSError as error:
            raise StorageError(f"cannot start {command[0]} in {cwd}: {error.strerror}") from error
        for received, passed_on in FORWARDED.items():
            signal.signal(received, lambda *_, passed_on=passed_on: job.send_signal(passed_on))
        for passed_on in early:
            job.send_signal(passed_on)
        status = job.wait()
    finally:
        for received, handler in previous.items():
            signal.signal(received, handler)
        orders.put(None)
    if catalog.completion(directory):
        return 0
    if status < 0:
        return 128 - status  # as a shell says it
    return 86 if status == 0 else status


def _ask(directory: Path, orders: queue.SimpleQueue[int | None]) -> None:
    """Ask for a checkpoint at each order, until there is None."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are for who waits
    while orders.get() is not None:
        try:
            progress.ask_for_checkpoint(directory, "resume")
        except StorageError as error:
            print(f"sauerkraut resume: {error}", file=sys.stderr)
