"""Look at a pipeline of steps, run it from any step, or forget what it stored.

status PATH: what finished when, how long it took, and how the step failed that did not.
run MODULE:FLOW (or FILE.py:FLOW): go on, or start over where the last run has finished.
reset PATH: forget all that is stored there: the next run starts over.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sauerkraut.cli import report
from sauerkraut.errors import FlowError, NoCheckpoint
from sauerkraut.flow import CheckpointFlow, handlers, policy, polling
from sauerkraut.flow.record import Failure, Record, StepRecord
from sauerkraut.wording import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    parser.add_argument("action", choices=("status", "run", "reset"))
    parser.add_argument("target", metavar="PATH or MODULE:FLOW", help="see above")
    run = parser.add_argument_group("run")
    run.add_argument("--from", dest="step", metavar="STEP", help="its name or index, from 0 on")
    run.add_argument("--why", action="store_true", help="say of each step whether it runs and why")
    run.add_argument("--load-policy", default=policy.NAMES[0], choices=policy.NAMES, help="of data")


def on_every_rank(chosen: argparse.Namespace) -> bool:
    """Under a launcher, every rank runs the steps; one looks."""
    return bool(chosen.action == "run")


def run(chosen: argparse.Namespace) -> int:
    """Do the action."""
    actions = {"status": _status, "run": _run, "reset": _reset}
    return actions[chosen.action](chosen)


def _status(chosen: argparse.Namespace) -> int:
    path = Path(chosen.target)
    if not path.exists():
        raise NoCheckpoint(
            f"{path}: nothing is stored there; where the flow runs inside of Checkpointer.run, "
            "sauerkraut ls shows the epochs of that run, with steps_done"
        )
    history = handlers.stored_at(path).read()
    record = history.newest
    if chosen.json:
        described = record and replace(record, failure=history.failure).to_json()
        report.print_json({"path": path.resolve(), "run": described})
        return 0
    if record is None:
        print(f"{path}: nothing is stored there yet")
        return 0
    show(str(path), record, history.failure)
    return 0


def show(where: str, record: Record, failure: Failure | None) -> None:
    """Print what is known of a run: its steps, and how one failed."""
    print(printable(f"{where}: {_headline(record, failure)}"))
    if record.steps:
        head = ("index", "step", "state", "finished (UTC)", "seconds", "peak", "tries")
        rows = [_row(i, each, record, failure) for i, each in enumerate(record.steps)]
        report.print_table(head, rows)
    if failure is not None and failure.index == record.index:
        for line in failure.traceback.rstrip().splitlines():
            print(printable(line))


def _headline(record: Record, failure: Failure | None) -> str:
    if record.finished:
        return f"run {record.run} has finished"
    steps = record.steps
    name = f" {steps[record.index].name!r}" if record.index < len(steps) else ""
    if failure is not None and failure.index == record.index:
        return f"run {record.run} stopped in step {record.index}{name}: {failure.error}"
    return f"run {record.run} is at step {record.index}{name}"


def _row(index: int, step: StepRecord, record: Record, failure: Failure | None) -> list[str]:
    if step.when is None:
        state = "-"
        if not record.finished and index == record.index:
            state = "failed" if failure is not None and failure.index == index else "next"
        return [str(index), step.name, state, *["-"] * 4]
    return [
        str(index),
        step.name,
        "skipped" if step.skipped else "done",
        report.moment(datetime.fromisoformat(step.when)),
        f"{step.seconds:.2f}",
        report.size(step.peak_bytes),
        str(step.tries),
    ]


def _run(chosen: argparse.Namespace) -> int:
    flow = _find(chosen.target)
    checkpoint = None if chosen.step is None else _index(flow, chosen.step)
    newest = flow.newest()
    if newest is None and checkpoint == 0:
        checkpoint = None  # nothing is stored that it could start from: as any first run
    if checkpoint is None and newest is not None and newest.finished:
        checkpoint = 0  # with what the first step saw
    flow.run(checkpoint=checkpoint, load_policy=chosen.load_policy, why=chosen.why)
    return 0


def _find(target: str) -> CheckpointFlow:
    """The flow that ``module:name`` or ``file.py:name`` means.

    Raises:
        FlowError: there is none.
    """
    where, _, name = target.rpartition(":")
    if not where:
        raise FlowError(f"{target}: a module and a flow in it, as in pipeline:flow")
    sys.path.insert(0, "")
    module: Any
    if where.endswith(".py"):
        path = Path(where)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None or not path.exists():
            raise FlowError(f"{where}: no such file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
    else:
        try:
            module = importlib.import_module(where)
        except ModuleNotFoundError as error:
            if error.name is not None and not f"{where}.".startswith(f"{error.name}."):
                raise
            raise FlowError(f"{where}: no such module, seen from here") from None
    flow = getattr(module, name, None)
    if not isinstance(flow, CheckpointFlow):
        raise FlowError(f"{target} is no CheckpointFlow: {flow!r:.60}")
    # What the program stored when it was started itself is of its __main__.
    sys.modules["__main__"] = module
    return flow


def _index(flow: CheckpointFlow, step: str) -> int:
    if step in flow.steps:
        return flow.steps.index(step)
    if step.isdecimal() and int(step) < len(flow.steps):
        return int(step)
    names = ", ".join(f"{index} {name}" for index, name in enumerate(flow.steps))
    raise FlowError(f"--from {step}: the steps are {names or 'none'}")


def _reset(chosen: argparse.Namespace) -> int:
    path = Path(chosen.target)
    frames = polling.place_of(path)

    def forget() -> None:
        polling.forget(frames)

    if path.exists():
        handlers.stored_at(path).reset(forget)
    elif frames.exists():
        forget()
    else:
        raise NoCheckpoint(f"{path}: nothing is stored there")
    print(f"{path}: forgotten", file=sys.stderr)
    return 0
