"""List the epochs of a checkpoint directory, newest first.

One line per epoch: number, state (committed, final, flow-finished where a pipeline ended, or why
a restart passes it over), the program's own step, when it was committed (UTC), ranks, size, seconds
it took, metrics. Whether the run has finished comes last.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sauerkraut.cli import report
from sauerkraut.errors import StorageError
from sauerkraut.storage import About, catalog


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    parser.add_argument("directory", type=Path, help="checkpoint directory")


def run(chosen: argparse.Namespace) -> int:
    """List; 0 also when there is nothing, as long as the directory exists."""
    epochs = [_described(entry) for entry in catalog.entries(chosen.directory)]
    complete = catalog.completion(chosen.directory)
    if chosen.json:
        document = {
            "directory": chosen.directory.resolve(),
            "epochs": epochs,
            "complete": asdict(complete) if complete else None,
        }
        report.print_json(document)
        return 0
    if epochs:
        head = ("epoch", "state", "step", "committed (UTC)", "ranks", "size", "seconds", "metrics")
        report.print_columns(head, [_row(epoch) for epoch in epochs])
    else:
        print("no epochs")
    if complete:
        print(f"complete: the run ended with epoch {complete.epoch}")
    return 0


def _described(entry: catalog.Entry) -> dict[str, Any]:
    """What is known of an entry; its manifest is read only when it is committed."""
    facts: dict[str, Any] = {
        "epoch": entry.name.number,
        "state": entry.name.state,
        "path": entry.path,
    }
    if entry.name.state != "committed":
        return facts
    try:
        manifest = catalog.read_manifest(entry.path)
    except StorageError as error:
        if not entry.path.exists():  # a run that goes on removed it meanwhile
            return {**facts, "state": "removed"}
        return {**facts, "state": "unreadable", "problem": str(error)}
    epoch, about = manifest.epoch, manifest.about
    return facts | {
        "state": _state(about),
        "attempt": epoch.attempt,
        "parent": manifest.parent,
        "step": epoch.step,
        "of": about.of,
        "when": epoch.when,
        "ranks": manifest.world_size,
        "bytes": epoch.bytes,
        "seconds": epoch.seconds,
        "metrics": dict(epoch.metrics),
    }


def _state(about: About) -> str:
    if about.final:
        return "final"
    told = about.more.get("flow")
    return "flow-finished" if isinstance(told, dict) and told.get("finished") else "committed"


def _row(epoch: dict[str, Any]) -> list[str]:
    if "attempt" not in epoch:
        return [str(epoch["epoch"]), epoch["state"], *["-"] * 5, epoch.get("problem", "-")]
    step = report.number(epoch["step"])
    metrics = " ".join(f"{name}={report.number(value)}" for name, value in epoch["metrics"].items())
    return [
        str(epoch["epoch"]),
        epoch["state"],
        step if epoch["of"] is None else f"{step} of {report.number(epoch['of'])}",
        report.moment(epoch["when"]),
        str(epoch["ranks"]),
        report.size(epoch["bytes"]),
        f"{epoch['seconds']:.2f}",
        metrics or "-",
    ]
