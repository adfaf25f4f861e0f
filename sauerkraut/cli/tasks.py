"""How the tasks of an epoch are shown: as plain values for JSON, as lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sauerkraut.cli import frames, report
from sauerkraut.mpi.tasks import stored
from sauerkraut.storage import Manifest, Shard
from sauerkraut.wording import counted


def described(manifest: Manifest, rank: int) -> dict[str, Any]:
    """What one rank had of the pool, as plain values."""
    seal = manifest.seals[rank]
    with Shard.open(manifest.epoch.path / seal.file, seal=seal) as shard:
        found = stored.read(shard)
    size = manifest.world_size
    return {
        "tasks": [
            {
                "id": task.id,
                "name": task.name,
                "home": task.id % size,
                "state": task.state,
                "moves": task.moves,
                "seconds": task.seconds,
                "letters": task.letters,
                "letter_bytes": task.letter_bytes,
                "call": task.call,
                **frames.described_stack(task.stack),
            }
            for task in found.tasks
        ],
        "ended": [
            {"id": each.id, "name": each.name, "value": each.value, "error": each.error}
            for each in found.outcomes
        ],
        "letters": found.letters,
        "letter_bytes": found.letter_bytes,
    }


def lines(rank: dict[str, Any]) -> Iterator[str]:
    """What one rank had, for people."""
    head = f"rank {rank['rank']}: {counted(len(rank['tasks']), 'task')}"
    if rank["ended"]:
        head += f", {counted(len(rank['ended']), 'outcome')}"
    if rank["letters"]:
        head += f", {_letters(rank)} for tasks it had not heard of"
    yield head
    for task in rank["tasks"]:
        yield ""
        yield f"  task {task['id']} {task['name']!r}: {', '.join(_facts(task))}"
        if task["call"] is not None:
            yield f"    {task['call']}"
        for frame in (*task["frames"], *task["generators"]):
            yield from ("  " + line for line in frames.lines(frame))
    if rank["ended"]:
        yield ""
    for ended in rank["ended"]:
        what = f"raised {ended['error']}" if ended["error"] else f"returned {ended['value'] or ''}"
        yield f"  task {ended['id']} {ended['name'] or ''!r} {what}".rstrip()


def _facts(task: dict[str, Any]) -> Iterator[str]:
    yield task["state"]
    yield f"home: rank {task['home']}"
    if task["moves"]:
        yield counted(task["moves"], "move")
    if task["letters"]:
        yield f"{_letters(task)} not taken"


def _letters(of: dict[str, Any]) -> str:
    return f"{counted(of['letters'], 'message')} of {report.size(of['letter_bytes'])}"
