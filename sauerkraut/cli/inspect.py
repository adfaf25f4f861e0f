"""Show where every rank stood in a checkpoint: its call stack with the locals, outermost first.

Per frame: file, line, function and the source line; per local: type, dtype and shape, size, and the
value where it is small. Generators and coroutines that wait come after the frames. Arrays that all
ranks hold together come first, with the shape of the whole. The newest committed epoch unless
--epoch names another, all ranks unless --rank does. Of a TaskPool: the tasks that were with each
rank, what each waited for, its messages and frames. Of a run that has returned: the value, where it
is small, and the arrays that were stored. For a directory postmortem-N in that of the
checkpoints: the frames that an error left. No code of the checkpoint runs.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sauerkraut.cli import flow, frames, report, tasks
from sauerkraut.errors import CorruptCheckpoint, NoCheckpoint, ResumeError
from sauerkraut.flow import handlers
from sauerkraut.flow.record import Record
from sauerkraut.frames import aftermath, stored
from sauerkraut.nonsense import NONSENSE, wrong
from sauerkraut.objects import inert
from sauerkraut.storage import Array, Manifest, Shard, catalog, dtypes, layout, postmortem
from sauerkraut.storage.epoch import GlobalArray
from sauerkraut.wording import counted, printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    parser.add_argument("directory", type=Path, help="checkpoint directory")
    parser.add_argument("--epoch", type=int, metavar="N", help="not the newest")
    parser.add_argument(
        "--rank", type=int, action="append", metavar="R", help="this rank only; repeatable"
    )


def run(chosen: argparse.Namespace) -> int:
    """Show the stacks."""
    if layout.postmortem_number(chosen.directory.absolute().name) is not None:
        return _show_postmortem(chosen)
    path = _epoch(chosen.directory, chosen.epoch)
    manifest = catalog.read_manifest(path)
    ranks = range(manifest.world_size) if chosen.rank is None else chosen.rank
    if not all(0 <= rank < manifest.world_size for rank in ranks):
        raise NoCheckpoint(f"{path}: its ranks are 0 to {manifest.world_size - 1}")
    if isinstance(told := manifest.about.more.get("flow"), dict):
        return _show_flow(chosen, manifest, _record(told, path), ranks)
    stacks = [{"rank": rank, **_described(manifest, rank)} for rank in ranks]
    if chosen.json:
        document = {
            "epoch": manifest.epoch.number,
            "step": manifest.epoch.step,
            "final": manifest.about.final,
            "arrays": [_global(array) for array in manifest.arrays().values()],
            "numbers": manifest.numbers,
            "ranks": stacks,
        }
        report.print_json(document)
        return 0
    print(_headline(manifest))
    for line in _global_lines(manifest):
        print(printable(line))
    for stack in stacks:
        print()
        for line in _rank_lines(stack) if manifest.tasks is None else tasks.lines(stack):
            print(printable(line))
    return 0


def _rank_lines(stack: dict[str, Any]) -> Iterator[str]:
    yield f"rank {stack['rank']}"
    if (returned := stack.get("returned")) is not None:
        value = returned["value"]
        yield f"  no frames: the run has returned{'' if value is None else f' {value}'}"
        yield from map(_row, returned["arrays"])
    for frame in (*stack["frames"], *stack["generators"]):
        yield from frames.lines(frame)


def _show_postmortem(chosen: argparse.Namespace) -> int:
    """Show the frames that an error left."""
    left = [_postmortem(path) for path in postmortem.shards(chosen.directory)]
    if not left:
        raise NoCheckpoint(f"{chosen.directory}: nothing was stored in it")
    if all("refused" in each for each in left):
        raise CorruptCheckpoint(left[0]["refused"])
    if chosen.json:
        report.print_json({"ranks": left})
        return 0
    for each in left:
        if "refused" in each:
            print(printable(f"{each['file']}: cannot be read: {each['refused']}"))
            continue
        after = f"after epoch {each['epoch']}" if each["epoch"] else "before the first epoch"
        when = report.moment(datetime.fromisoformat(each["time"]))
        print(
            f"rank {each['rank']} of {each['world_size']} on {each['host']} failed {after}, ",
            end="",
        )
        print(f"{when} UTC")
        for frame in each["frames"]:
            for line in frames.lines(frame):
                print(printable(line))
        print(printable(each["error"]))
    return 0


def _postmortem(path: Path) -> dict[str, Any]:
    """What one rank left, as plain values; why not, where it was ended meanwhile."""
    try:
        return _read_postmortem(path)
    except CorruptCheckpoint as error:
        return {"rank": layout.shard_rank(path.name), "file": path.name, "refused": str(error)}


def _read_postmortem(path: Path) -> dict[str, Any]:
    with Shard.open(path) as shard:
        try:
            values = json.loads(bytes(shard.stream("postmortem")))
            told = {key: str(values[key]) for key in ("error", "traceback", "host", "time")}
            datetime.fromisoformat(told["time"])
            left = aftermath.read(bytes(shard.stream("frames")), shard.stream("objects"))
        except NONSENSE as error:
            raise CorruptCheckpoint(f"{path} holds no post-mortem: {wrong(error)}") from error
        of_run = {"rank": shard.seal.rank, "world_size": shard.world_size, "epoch": shard.epoch}
    shown = [{**frame, "locals": [_left(local) for local in frame["locals"]]} for frame in left]
    return {**of_run, **told, "frames": shown}


def _left(told: dict[str, Any]) -> dict[str, Any]:
    local = stored.Local(told["name"], told["type"], told["bytes"], told["value"])
    refused = {"refused": told["refused"]} if "refused" in told else {}
    return {**frames.described_local(local), **refused}


def _record(told: dict[str, Any], epoch: Path) -> Record:
    try:
        return Record.of_json(told)
    except NONSENSE as error:
        raise CorruptCheckpoint(f"{epoch} tells of no pipeline: {wrong(error)}") from error


def _show_flow(
    chosen: argparse.Namespace, manifest: Manifest, record: Record, ranks: Sequence[int]
) -> int:
    """Show the steps of a pipeline, which has no stacks, and the states that it left."""
    newest = handlers.stored_at(chosen.directory).read()
    failure = newest.failure if newest.newest == record else None
    states = {rank: _state_of_flow(manifest, rank) for rank in ranks}
    if chosen.json:
        flow_of = replace(record, failure=failure).to_json()
        described = [{"rank": rank, "state": rows} for rank, rows in states.items()]
        epoch = manifest.epoch
        report.print_json(
            {"epoch": epoch.number, "bytes": epoch.bytes, "flow": flow_of, "ranks": described}
        )
        return 0
    print(f"{_headline(manifest)}, {report.size(manifest.epoch.bytes)}")
    flow.show("pipeline", record, failure)
    for rank, rows in states.items():
        print(f"\nrank {rank}")
        for row in rows:
            print(printable(_row(row)))
    return 0


def _row(row: dict[str, Any]) -> str:
    """A key of a state, or an array, for people."""
    nbytes = report.size(row["bytes"]) if row["bytes"] else ""
    return f"  {row['key']}  {row['value'] or ''}  {nbytes}".rstrip()


def _state_of_flow(manifest: Manifest, rank: int) -> list[dict[str, Any]]:
    """The keys of the state, with values where they are small, and its arrays."""
    seal = manifest.seals[rank]
    with Shard.open(manifest.epoch.path / seal.file, seal=seal) as shard:
        if "flow/objects" not in shard.names():
            raise CorruptCheckpoint(f"{shard.path} holds no state of a pipeline")
        values, _ = inert.read(shard.stream("flow/objects"))
        state, arrays = values[0] if values else None, shard.arrays()
    rows = [
        {"key": f"state[{key!r}]", "value": inert.text(value), "bytes": None}
        for key, value in (state.items() if isinstance(state, dict) else ())
    ]
    known = {each.path: each for each in arrays}
    for row in rows:
        if (array := known.pop(str(row["key"]), None)) is not None:
            row |= _array(array)
    return rows + [{"key": path, **_array(each)} for path, each in known.items()]


def _array(array: Array) -> dict[str, Any]:
    nbytes = math.prod(array.shape) * _item_size(array.dtype)
    return {"value": f"{array.dtype} {array.shape}", "bytes": nbytes}


def _item_size(dtype: str) -> int:
    digits = re.search(r"\d+$", dtype)
    return int(digits[0]) if digits else 0


def _epoch(directory: Path, number: int | None) -> Path:
    """Directory of the epoch to show.

    Raises:
        NoCheckpoint: There is none, or not the one asked for.
    """
    for entry in catalog.committed(directory):
        if number in (None, entry.name.number):
            return entry.path
    raise catalog.none_committed(directory, number)


def _described(manifest: Manifest, rank: int) -> dict[str, Any]:
    """What is shown of one rank, as plain values; no frames in a final epoch."""
    if manifest.tasks is not None:
        return tasks.described(manifest, rank)
    seal = manifest.seals[rank]
    with Shard.open(manifest.epoch.path / seal.file, seal=seal) as shard:
        if manifest.about.final and "objects" in shard.names():
            return {"frames": [], "generators": [], "returned": _returned(shard)}
        if not {"control", "objects"} <= set(shard.names()):
            return {"frames": [], "generators": []}
        stack = stored.read(bytes(shard.stream("control")), shard.stream("objects"))
    return frames.described_stack(stack)


def _returned(shard: Shard) -> dict[str, Any]:
    """The value that a run returned, where it is small, and all arrays of its end."""
    value = None
    with suppress(ResumeError):
        value = next((inert.text(each) for each in inert.read(shard.stream("objects"))[0]), None)
    return {
        "value": value,
        "arrays": [{"key": each.path, **_array(each)} for each in shard.arrays()],
    }


def _global(array: GlobalArray) -> dict[str, Any]:
    return {
        "name": array.name,
        "dtype": array.dtype,
        "shape": array.shape,
        "bytes": _size(array),
        "blocks": [
            {"rank": rank, "start": block.place.start, "shape": block.shape}
            for rank, block in array.blocks.items()
        ],
    }


def _size(array: GlobalArray) -> int | None:
    """Bytes of an array; None where its elements are of no known type."""
    try:
        return math.prod(array.shape) * dtypes.parse(array.dtype).itemsize
    except NONSENSE:
        return None


def _global_lines(manifest: Manifest) -> Iterator[str]:
    arrays = [_global(array) for array in manifest.arrays().values()]
    if arrays:
        yield ""
        yield "arrays of all ranks together"
    for row in arrays:
        size = "of no known type" if row["bytes"] is None else report.size(row["bytes"])
        cells = [row["name"], row["dtype"], str(row["shape"]), size]
        yield f"  {'  '.join(cells)}  blocks of ranks: {len(row['blocks'])}"
    for name, value in manifest.numbers.items():
        yield f"  {name} = {value!r}"


def _headline(manifest: Manifest) -> str:
    epoch, about = manifest.epoch, manifest.about
    parts = [f"epoch {epoch.number}"]
    if manifest.tasks is not None:
        parts.append(f"{report.number(epoch.step)} of {counted(int(about.of or 0), 'task')} ended")
    elif epoch.step is not None:
        of = "" if about.of is None else f" of {report.number(about.of)}"
        parts.append(f"step {report.number(epoch.step)}{of}")
    parts += [f"committed {report.moment(epoch.when)} UTC", counted(manifest.world_size, "rank")]
    if about.final:
        parts.append("final: the run has returned")
    return ", ".join(parts)
