"""Ask a running job for a checkpoint; with --stop, to stop after it.

The job answers at one of its next polls. Waits for the epoch and prints it; Ctrl-C, or --timeout,
takes the request back. Refused when no run uses the directory. Exit status: 0 when there is an
epoch for it (with --no-wait: when it is asked), 1 when the run ended without one.
"""

from __future__ import annotations

import argparse
import getpass
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

from sauerkraut.checkpoint import requests
from sauerkraut.checkpoint.requests import Request
from sauerkraut.cli import report
from sauerkraut.errors import NoCheckpoint, StorageError
from sauerkraut.storage import Epoch, Manifest, catalog, events, layout, owner
from sauerkraut.storage.owner import Owner
from sauerkraut.wording import printable

LOOK = 1.0
"""Seconds between two looks: the file system is everybody's."""
PATIENCE = 10.0
"""Seconds of silence after which it is said that it waits."""
LEAVING = 60.0
"""Seconds that a job may take to leave once it has checkpointed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    parser.add_argument("directory", type=Path, help="checkpoint directory")
    parser.add_argument("--stop", action="store_true", help="checkpoint and stop (status 85)")
    parser.add_argument("--no-wait", action="store_true", help="do not wait for the answer")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="of waiting (none)")


def run(chosen: argparse.Namespace) -> int:
    """Place the request, and wait for what comes of it."""
    who = _running(chosen.directory)
    known = {entry.name.number for entry in catalog.committed(chosen.directory)}
    request = Request(layout.new_id(), chosen.stop, f"{_user()}@{socket.gethostname()}")
    requests.write(chosen.directory, request)
    first = who.incarnation.processes[0]
    then = "and stop" if chosen.stop else "and go on"
    _say(f"asked the job of pid {first.pid} on {first.host} to checkpoint {then}")
    epoch = None
    if not chosen.no_wait:
        epoch = _wait(chosen.directory, request, known, chosen.timeout)
    if chosen.json:
        told = None if epoch is None else {"number": epoch.number, "step": epoch.step}
        report.print_json({"request": request.id, "stop": request.stop, "epoch": told})
    elif epoch is not None:
        step = "" if epoch.step is None else f", step {report.number(epoch.step)}"
        print(f"epoch {epoch.number}{step}, committed {report.moment(epoch.when)} UTC")
    return 0


def _running(directory: Path) -> Owner:
    """The owner of a directory that a run uses.

    Raises:
        NoCheckpoint: there is no such directory, or no run uses it.
    """
    catalog.entries(directory)
    found = owner.read(directory)
    if found is None or found.released or _is_gone(found):
        raise NoCheckpoint(f"{directory}: no run uses it now, so nobody would answer")
    return found


def _wait(directory: Path, request: Request, known: set[int], timeout: float | None) -> Epoch:
    """The epoch that answers a request; unless there is one, the request is taken back."""
    try:
        epoch = _watch(directory, request, known, timeout)
    except BaseException:
        requests.remove(directory, [request])
        raise
    if request.stop:
        deadline = time.monotonic() + LEAVING
        while not _has_ended(directory) and time.monotonic() < deadline:
            time.sleep(LOOK)
    return epoch


def _watch(directory: Path, request: Request, known: set[int], timeout: float | None) -> Epoch:
    """Show what the job does until it has answered.

    Raises:
        StorageError: the run ended without an answer, or time is up.
    """
    began = told = time.monotonic()
    said = len(events.read(directory))
    while True:
        ended = _has_ended(directory)  # before the look at the epochs: nothing comes after it
        for entry in catalog.committed(directory):
            if entry.name.number not in known and (manifest := _manifest(entry.path)):
                if request.id in manifest.about.requests:
                    return manifest.epoch
                known.add(entry.name.number)
        waited = time.monotonic() - began
        if ended:
            raise StorageError(f"{directory}: the run ended without a checkpoint for this")
        if timeout is not None and waited > timeout:
            raise StorageError(f"{directory}: no answer in {timeout:g} s; the request is gone")
        happened = events.read(directory)
        for event in happened[said:]:
            _tell(event)
            told = time.monotonic()
        said = len(happened)
        if time.monotonic() - told > PATIENCE:
            told = time.monotonic()
            _say(f"waiting for {waited:.0f} s: the job answers at its next poll")
        time.sleep(LOOK if timeout is None else min(LOOK, timeout - waited))


def _manifest(path: Path) -> Manifest | None:
    with suppress(StorageError):  # removed meanwhile, or damaged: not an answer
        return catalog.read_manifest(path)
    return None


def _tell(event: dict[str, object]) -> None:
    if event.get("event") in ("begin", "sealed", "commit", "failed"):
        why = f": {event['error']}" if "error" in event else ""
        _say(printable(f"{event['event']} epoch {event.get('epoch', '?')}{why}"))


def _has_ended(directory: Path) -> bool:
    try:
        found = owner.read(directory)
    except StorageError:
        return False
    return found is None or found.released or _is_gone(found)


def _is_gone(found: Owner) -> bool:
    """Whether its processes ran on this host, and have ended."""
    return all(process.is_gone() for process in found.incarnation.processes)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container without an entry for the user
        return "?"


def _say(text: str) -> None:
    print(f"sauerkraut request: {text}", file=sys.stderr)
