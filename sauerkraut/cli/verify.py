"""Check every byte of the committed epochs: 0 good, 1 damage, 2 usage, 87 not checked.

All committed epochs, or those that --epoch names; files that belong to none are mentioned. With
SAUERKRAUT_KEY_FILE set, owner, permissions and key are checked too; epochs that were written with a
key cannot be checked without it, nor with another. Nothing is changed and no code of a checkpoint
runs.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from sauerkraut.cli import report
from sauerkraut.errors import SauerkrautError, UntrustedCheckpoint
from sauerkraut.settings import Settings
from sauerkraut.storage import Finding, Trust, catalog
from sauerkraut.wording import counted, printable

SHOWN = 5  # names of files that belong to no epoch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    parser.add_argument("directory", type=Path, help="checkpoint directory")
    parser.add_argument(
        "--epoch", type=int, action="append", metavar="N", help="check this epoch only; repeatable"
    )


def run(chosen: argparse.Namespace) -> int:
    """Check; 1 when a byte is wrong or a file cannot be read.

    Raises:
        UntrustedCheckpoint: Some could not be checked, with this key or without one, and none of
            the others is damaged.
    """
    settings = Settings.from_environment()
    trust = Trust.of(settings) if settings.key_file else None
    results: list[tuple[catalog.Entry, list[Finding]]] = []
    refused: dict[catalog.Entry, UntrustedCheckpoint] = {}
    for entry in _wanted(chosen):
        try:
            findings = catalog.verify(entry.path, trust)
        except UntrustedCheckpoint as error:
            findings = []
            refused[entry] = error
        except SauerkrautError as error:  # one that cannot be read must not hide the others
            findings = [Finding(entry.path.name, None, str(error))]
        if findings and not entry.path.exists():  # a run that goes on removed it meanwhile
            continue
        results.append((entry, findings))
        if not chosen.json and entry in refused:
            print(f"epoch {entry.name.number}: not checked")
        elif not chosen.json:
            _print(entry, findings)
    others = catalog.others(chosen.directory)
    if chosen.json:
        epochs = [
            {
                "epoch": entry.name.number,
                "path": entry.path,
                "good": None if entry in refused else not findings,
                "refused": str(refused[entry]) if entry in refused else None,
                "findings": [asdict(finding) for finding in findings],
            }
            for entry, findings in results
        ]
        directory = chosen.directory.resolve()
        report.print_json({"directory": directory, "epochs": epochs, "others": others})
    elif others:
        shown = ", ".join(others[:SHOWN]) + (", ..." if len(others) > SHOWN else "")
        print(printable(f"not of any epoch, left alone: {len(others)} ({shown})"))
    if any(findings for _, findings in results):
        return 1
    for refusal in refused.values():
        raise refusal
    return 0


def _wanted(chosen: argparse.Namespace) -> list[catalog.Entry]:
    """The epochs to check, newest first.

    Raises:
        NoCheckpoint: There are none, or not the ones asked for.
    """
    there = catalog.committed(chosen.directory)
    if not there:
        raise catalog.none_committed(chosen.directory)
    if chosen.epoch is None:
        return there
    missing = set(chosen.epoch) - {entry.name.number for entry in there}
    if missing:
        raise catalog.none_committed(chosen.directory, min(missing))
    return [entry for entry in there if entry.name.number in chosen.epoch]


def _print(entry: catalog.Entry, findings: list[Finding]) -> None:
    verdict = "DAMAGED" if findings else f"good, {_amount(entry.path)}"
    print(f"epoch {entry.name.number}: {verdict}")
    for finding in findings:
        where = finding.file if finding.stream is None else f"{finding.file}, {finding.stream}"
        print(printable(f"  {where}: {finding.problem}"))


def _amount(epoch: Path) -> str:
    try:
        sizes = [path.stat().st_size for path in epoch.iterdir() if path.is_file()]
    except OSError:
        return "and removed meanwhile"
    return f"{report.size(sum(sizes))} in {counted(len(sizes), 'file')}"
