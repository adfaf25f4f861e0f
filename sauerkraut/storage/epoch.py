"""What an epoch is, as plain picklable values: said by the job, sealed by ranks, committed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from numbers import Integral
from pathlib import Path
from typing import Any

from sauerkraut.storage import layout
from sauerkraut.storage.piece import Place

NUMBERS = "numbers"
"""Where `About.more` has the numbers that all ranks saved alike."""
TASKS = "tasks"
"""Where it has what a pool of tasks says of them; the tasks themselves lie in shards so, too."""
BACK = "back"
"""Where it has the earlier epoch to go back to when a function on its stack has changed."""


@dataclass(frozen=True, slots=True)
class Back:
    """An earlier epoch of the run, for which an epoch keeps it: there its part of the run began."""

    epoch: int
    part: str
    """What a person calls that part."""

    def to_json(self) -> list[object]:
        """Return plain values."""
        return [self.epoch, self.part]


@dataclass(frozen=True, slots=True)
class About:
    """What the job says of an epoch when staging starts; the same on every rank.

    Every shard carries it, so that an attempt which is rolled forward keeps it.
    """

    step: float | None = None
    of: float | None = None
    """The step at which the run will be done, as given to ``poll``."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    final: bool = False
    """The last epoch of a run that returned."""
    requests: tuple[str, ...] = ()
    """Ids of the requests that this epoch satisfies."""
    restarts: int = 0
    """Restarts of this timeline before this epoch."""
    command: tuple[str, ...] = ()
    """``sys.orig_argv`` of rank 0, with the path of a Python that was found on PATH."""
    working_directory: str = ""
    """Of rank 0, when staging started."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else the caller wants kept: JSON values with string keys."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values; numbers of other libraries become Python's."""
        return {
            "step": _plain(self.step),
            "of": _plain(self.of),
            "metrics": {name: _plain(value) for name, value in self.metrics.items()},
            "final": self.final,
            "requests": list(self.requests),
            "restarts": self.restarts,
            "command": list(self.command),
            "working_directory": self.working_directory,
            "more": dict(self.more),
        }

    @property
    def back(self) -> Back | None:
        """The epoch to go back to when a function on the stack has changed; None: there is none."""
        told = self.more.get(BACK)
        if told is None:
            return None
        number, part = told
        if not isinstance(number, int):
            raise TypeError(f"{number!r} is no number of an epoch")
        return Back(number, _text(part))

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> About:
        """Read what `to_json` returned; missing values get their defaults (older formats).

        Raises:
            TypeError, ValueError: a value is not of its kind.
        """
        known = {name: values[name] for name in cls.__dataclass_fields__ if name in values}
        for name in ("step", "of"):
            known[name] = _plain(known.get(name))
        for name in ("requests", "command"):
            known[name] = tuple(_text(each) for each in known.get(name, ()))
        known["metrics"] = {name: _plain(v) for name, v in dict(known.get("metrics", {})).items()}
        known["restarts"] = int(known.get("restarts", 0))
        known["working_directory"] = _text(known.get("working_directory", ""))
        known["more"] = dict(known.get("more", {}))
        numbers = dict(known["more"].get(NUMBERS, {}))
        if not all(isinstance(value, (int, float)) for value in numbers.values()):
            raise TypeError(f"{NUMBERS} that are no numbers")
        about = cls(**known)
        _ = about.back  # raises where it means nothing
        return about


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to write an epoch. Made by rank 0 in `begin` and sent to all ranks (picklable)."""

    directory: Path
    """The checkpoint directory."""
    epoch: int
    id: str
    parent: str | None
    """Attempt of the epoch this run last committed or resumed from."""
    world_size: int
    about: About
    incarnation: str
    """Who writes it."""
    share: str | None = None

    @property
    def path(self) -> Path:
        """The partial directory it is written to."""
        return self.directory / str(layout.EpochName(self.epoch, "partial", self.id))


@dataclass(frozen=True, slots=True)
class Block:
    """A dataset of a shard that is a part of a larger array."""

    name: str
    """Path of the dataset below ``/ranks/<rank>``."""
    dtype: str
    shape: tuple[int, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class GlobalArray:
    """An array of which each rank stored a block."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    blocks: Mapping[int, Block]
    """By rank."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What the writer of a shard tells rank 0 (picklable); the manifest records it."""

    rank: int
    file: str
    """Name in the epoch's directory."""
    nbytes: int
    """Size of the file."""
    digest: str
    """Hexadecimal hash of the shard's user block, and so of everything in the file."""
    blocks: tuple[Block, ...] = ()
    """What of it is a part of a larger array."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """A committed checkpoint."""

    number: int
    attempt: str
    step: float | None
    when: datetime
    """When it was committed, in UTC."""
    seconds: float
    """From the start of staging to the manifest; 0 for an attempt that was rolled forward."""
    bytes: int
    """Size of all shards."""
    metrics: Mapping[str, float]
    path: Path


@dataclass(frozen=True, slots=True)
class Manifest:
    """Content of ``manifest.h5``."""

    epoch: Epoch
    parent: str | None
    world_size: int
    about: About
    seals: tuple[Seal, ...]
    """One per rank, in rank order."""
    incarnation: str
    """Who published it."""
    host: str
    user: str

    @property
    def tasks(self) -> Mapping[str, int] | None:
        """What a pool of tasks says of them; None: it is no pool's epoch."""
        return self.about.more.get(TASKS)

    @property
    def numbers(self) -> dict[str, float]:
        """Those that all ranks saved alike, by provider and name."""
        return dict(self.about.more.get(NUMBERS, {}))

    def arrays(self) -> dict[str, GlobalArray]:
        """The arrays of which ranks stored blocks, by name."""
        blocks: dict[str, dict[int, Block]] = {}
        for seal in self.seals:
            for block in seal.blocks:
                blocks.setdefault(block.place.array, {})[seal.rank] = block
        found = {}
        for name in sorted(blocks):
            first = next(iter(blocks[name].values()))
            found[name] = GlobalArray(name, first.dtype, first.place.shape, blocks[name])
        return found


def _plain(number: Any) -> int | float | None:
    if number is None:
        return None
    return int(number) if isinstance(number, Integral) else float(number)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
