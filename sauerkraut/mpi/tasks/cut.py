"""All of a pool at a moment when nothing of it runs or is under way: as an epoch, and back.

Each rank stores the tasks that are with it, each by itself, and what only it knows. Any number of
ranks reads that: who takes which task is found anew.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping
from contextvars import Context
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sauerkraut.checkpoint.agreement import agreed, together
from sauerkraut.checkpoint.store import Store
from sauerkraut.errors import CaptureError, CorruptCheckpoint, ResumeError
from sauerkraut.frames.capture import capture_values
from sauerkraut.frames.snapshot import Snapshot, Thawed
from sauerkraut.group import Group
from sauerkraut.mpi.tasks import contexts
from sauerkraut.mpi.tasks.outcomes import Outcome
from sauerkraut.mpi.tasks.packing import Packing, Unpacking, place_of
from sauerkraut.mpi.tasks.placing import place
from sauerkraut.mpi.tasks.record import BESIDE, beside, resident_of
from sauerkraut.mpi.tasks.residents import Residents, beginning
from sauerkraut.mpi.tasks.task import Letter, Resident, measured
from sauerkraut.nonsense import NONSENSE, wrong
from sauerkraut.objects.graph import Block
from sauerkraut.storage import Array, Manifest, Piece, Stream
from sauerkraut.storage.epoch import TASKS

T = TypeVar("T")

INDEX = f"{TASKS}/index"


@dataclass(slots=True)
class Cut:
    """What one rank has of a pool."""

    residents: list[Resident]
    """The tasks that are with it."""
    outcomes: dict[int, Outcome]
    """Of tasks whose home it is."""
    letters: list[Letter]
    """Messages that it keeps for tasks it has not heard of."""
    following: int
    """No task has this number, or a larger one."""
    mailbox: int
    """See `TaskPool`."""
    whereabouts: list[tuple[int, int, int]] = field(default_factory=list)
    """Task, rank and moves of those whose home it is."""
    measured: dict[int, float] = field(default_factory=dict)
    """Task -> seconds of its load that are not in its luggage any more."""


class Written:
    """A cut as bytes. It borrows the memory of arrays until `release`, so no task may run."""

    def __init__(self, cut: Cut, residents: Residents, rank: int) -> None:
        self.alive, self.ended = len(cut.residents), len(cut.outcomes)
        self.following, self.mailbox = cut.following, cut.mailbox
        self._held: list[Snapshot] = []
        self._arrays: list[Array] = []
        packing = Packing(TASKS)
        try:
            tasks = [self._task(each, residents, packing, cut) for each in cut.residents]
        except BaseException:
            self.release()
            raise
        outcomes = [
            {"id": task, "asked": each.asked, "data": packing.put(f"outcomes/{task}", each.data)}
            for task, each in cut.outcomes.items()
        ]
        letters = pickle.dumps([each.fields() for each in cut.letters], 5)
        index = {
            "tasks": tasks,
            "outcomes": outcomes,
            "letters": packing.put("letters", letters),
            "kept": measured(cut.letters),
        }
        streams = (Stream(INDEX, json.dumps(index).encode()), *packing.streams())
        self.piece = Piece(rank, streams, tuple(self._arrays))

    def _task(
        self, resident: Resident, residents: Residents, packing: Packing, cut: Cut
    ) -> dict[str, Any]:
        luggage = resident.luggage
        snapshot = _captured(resident, residents)
        self._held.append(snapshot)
        self._arrays += [
            Array(_array(luggage.id, i), each.memory, each.dtype, each.shape, each.path)
            for i, each in enumerate(snapshot.blocks)
        ]
        return {
            "id": luggage.id,
            "name": luggage.name,
            "begun": resident.begin is None,
            "moves": luggage.moves,
            "load": cut.measured.get(luggage.id, 0.0) + luggage.load,
            "seconds": luggage.seconds,
            "waits": None if luggage.wait is None else str(luggage.wait),
            "letters": measured([*luggage.mailbox, *luggage.early.values()]),
            "control": packing.put(f"{luggage.id}/control", snapshot.control),
            "objects": packing.put(f"{luggage.id}/objects", snapshot.objects),
            "arrays": [[each.dtype, each.shape, each.path] for each in snapshot.blocks],
        }

    def release(self) -> None:
        """Let the tasks have their arrays again."""
        for each in self._held:
            each.release()


def _captured(resident: Resident, residents: Residents) -> Snapshot:
    """A task as it is. Raises CaptureError, which names it."""
    try:
        if resident.begin is not None:
            function, *args = resident.begin.args
            names = (*BESIDE, "its function", *map("its argument {}".format, range(len(args))))
            values = [*beside(resident), function, *args]
            return capture_values(values, names=names.__getitem__, arrays="borrow")
        captured = residents.capture(resident)
        captured.original.forget()
    except CaptureError as error:
        refusal: BaseException | None = error
    else:
        if captured.snapshot is not None:
            return captured.snapshot
        refusal = captured.error
    raise CaptureError(f"{resident.luggage.name!r} cannot be stored: {refusal}") from refusal


def read(store: Store, group: Group, manifest: Manifest) -> Cut | str:
    """What this rank has of the pool from now on; or why bytes are wrong. Collective.

    Raises:
        RankError: on every rank: a task cannot be brought back here, and why; or it is no pool's
            epoch. No file of the program was touched, and no task ran.
    """
    phase = f"reading {manifest.epoch.path.name}"
    with agreed(group, phase):
        told = manifest.tasks
        if told is None:
            raise ResumeError(
                "it is no checkpoint of a TaskPool: give the pool a directory of its own"
            )
    indexes = _unless_damaged(group, phase, lambda: _indexes(store, group, manifest))
    if isinstance(indexes, str):
        return indexes
    shards = {shard: index for each in indexes for shard, index in each.items()}
    tasks = [each for index in shards.values() for each in index["tasks"]]
    measure = "load" if any(each["load"] for each in tasks) else "seconds"
    ranks = place({each["id"]: each[measure] for each in tasks}, group.size)
    reading = _Reading(group, ranks)
    problem = _unless_damaged(group, phase, lambda: reading.read(store, manifest, shards))
    if isinstance(problem, str):
        return problem
    with agreed(group, f"{phase}: the tasks"):
        residents = reading.residents()
    with agreed(group, f"{phase}: files of the tasks"):
        reading.touch_files()
    whereabouts = [
        (each["id"], ranks[each["id"]], each["moves"])
        for each in tasks
        if each["id"] % group.size == group.rank
    ]
    following, mailbox = int(told["next"]), int(told.get("mailbox", 0))
    return Cut(residents, reading.outcomes, reading.letters, following, mailbox, whereabouts)


class _Reading:
    """What this rank takes out of the shards."""

    def __init__(self, group: Group, ranks: dict[int, int]) -> None:
        self.outcomes: dict[int, Outcome] = {}
        self.letters: list[Letter] = []
        self._group = group
        self._ranks = ranks
        self._snapshots: list[tuple[dict[str, Any], Snapshot]] = []
        self._thawed: list[tuple[Context, Thawed]] = []

    def read(self, store: Store, manifest: Manifest, shards: dict[int, dict[str, Any]]) -> None:
        """Read what this rank takes of each shard, and nothing else of it."""
        rank, size = self._group.rank, self._group.size
        for shard, index in sorted(shards.items()):
            tasks = [each for each in index["tasks"] if self._ranks[each["id"]] == rank]
            outcomes = [each for each in index["outcomes"] if each["id"] % size == rank]
            if not tasks and not outcomes and shard % size != rank:
                continue
            with store.open(manifest, shard) as opened:
                unpacking = Unpacking(opened)
                for each in tasks:
                    self._snapshots.append((each, _snapshot(each, unpacking)))
                for each in outcomes:
                    outcome = self.outcomes[each["id"]] = Outcome(unpacking.get(each["data"]))
                    outcome.asked = each["asked"]
                if shard % size == rank:
                    self.letters += _letters(unpacking.get(index["letters"]), opened.path)

    def residents(self) -> list[Resident]:
        """The tasks that were read; none of them runs."""
        self._thawed = [_thawed(entry, snapshot) for entry, snapshot in self._snapshots]
        entries = (entry for entry, _ in self._snapshots)
        return [_resident(entry, *each) for entry, each in zip(entries, self._thawed, strict=True)]

    def touch_files(self) -> None:
        """Set files that they were writing to what they were."""
        for context, thawed in self._thawed:
            context.run(thawed.touch_files)


def _indexes(store: Store, group: Group, manifest: Manifest) -> dict[int, dict[str, Any]]:
    """What is in the shards that this rank looks into for all."""
    found = {}
    for shard in range(group.rank, manifest.world_size, group.size):
        with store.open(manifest, shard) as opened:
            found[shard] = parsed(bytes(Unpacking(opened).whole(INDEX)), opened.path)
    return found


def parsed(index: bytes, where: Path) -> dict[str, Any]:
    """What `Written` told of one shard. Raises CorruptCheckpoint when it is something else."""
    try:
        values = json.loads(index)
        return {
            "tasks": [_entry(each) for each in values["tasks"]],
            "outcomes": [
                {
                    "id": int(each["id"]),
                    "asked": bool(each["asked"]),
                    "data": place_of(each["data"]),
                }
                for each in values["outcomes"]
            ],
            "letters": place_of(values["letters"]),
        }
    except NONSENSE as error:
        raise CorruptCheckpoint(f"{where} does not describe tasks: {wrong(error)}") from error


def _entry(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": int(values["id"]),
        "name": str(values["name"]),
        "begun": bool(values["begun"]),
        "moves": int(values["moves"]),
        "load": float(values["load"]),
        "seconds": float(values["seconds"]),
        "control": place_of(values["control"]),
        "objects": place_of(values["objects"]),
        "arrays": [
            (str(dtype), tuple(map(int, shape)), str(path))
            for dtype, shape, path in values["arrays"]
        ],
    }


def _letters(data: bytes, where: Path) -> list[Letter]:
    """Messages. Raises CorruptCheckpoint when they are something else."""
    try:
        return [Letter(*each) for each in pickle.loads(data)]
    except (pickle.UnpicklingError, EOFError, ImportError, *NONSENSE) as error:
        raise CorruptCheckpoint(f"{where} holds no messages: {wrong(error)}") from error


def _snapshot(entry: dict[str, Any], unpacking: Unpacking) -> Snapshot:
    blocks = [
        Block(unpacking.whole(_array(entry["id"], i)), dtype, shape, path)
        for i, (dtype, shape, path) in enumerate(entry["arrays"])
    ]
    control, objects = (unpacking.get(entry[part]) for part in ("control", "objects"))
    return Snapshot.of_parts(control, objects, blocks)


def _thawed(entry: dict[str, Any], snapshot: Snapshot) -> tuple[Context, Thawed]:
    context = contexts.of_program()
    try:
        thawed = context.run(snapshot.thaw)
        thawed.check()
    except ResumeError as error:
        raise type(error)(f"{entry['name']!r} cannot go on here: {error}") from error
    return context, thawed


def _resident(entry: dict[str, Any], context: Context, thawed: Thawed) -> Resident:
    told, call = thawed.values[: len(BESIDE)], thawed.values[len(BESIDE) :]
    resident = resident_of(told, context)
    if entry["begun"]:
        resident.arrived = thawed
    else:
        function: Any = call[0]
        resident.begin = beginning(function, tuple(call[1:]))
    return resident


def _array(task: int, number: int) -> str:
    return f"{TASKS}/{task}/arrays/{number}"


def _unless_damaged(group: Group, phase: str, work: Callable[[], T]) -> list[T] | str:
    """What ``work`` returns on each rank, or which bytes are wrong. Collective."""

    def tried() -> tuple[Any, str | None]:
        try:
            return work(), None
        except CorruptCheckpoint as error:
            return None, str(error)

    results = together(group, phase, tried)
    problems = [problem for _, problem in results if problem is not None]
    return problems[0] if problems else [result for result, _ in results]
