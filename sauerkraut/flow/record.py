"""What is known of a run of a pipeline, beside its state: plain values, stored as JSON."""

from __future__ import annotations

import functools
import json
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

INDEX = "checkpoint_index"
"""Key of the state that says which step is next."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What the code of a step says; empty text: not known."""

    source: str = ""
    """Hash of its syntax tree and of those of the project's functions that it reaches."""
    bytecode: str = ""
    """Hash of their bytecode, for functions without source; differs between CPython versions."""
    python: str = ""
    """Version that compiled the bytecode: ``3.11``."""
    params: str = ""
    """Digest of the keyword parameters; empty: none."""

    @property
    def code(self) -> str:
        """What the code says, as far as it is known."""
        return self.source or self.bytecode

    def is_like(self, other: Identity) -> bool:
        """Whether both say the same, as far as they can be compared."""
        if self.params != other.params:
            return False
        if self.source and other.source:
            return self.source == other.source
        if self.bytecode and other.bytecode and self.python == other.python:
            return self.bytecode == other.bytecode
        return True


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step of a run."""

    name: str
    identity: Identity = Identity()
    """As it was when it ran."""
    when: str | None = None
    """When it finished, or was skipped, ISO 8601 in UTC; None: not in this run."""
    seconds: float = 0.0
    """Time of loading, the step and saving."""
    peak_bytes: int = 0
    """Largest resident memory of the process meanwhile."""
    tries: int = 1
    skipped: str = ""
    """Why it did not run, though its turn had come; empty: it ran."""
    inputs: str = ""
    """Digest of all that it depends on; empty: it does not say what that is."""
    outputs: tuple[str, ...] | None = None
    """Keys of the state that it set or changed; None: nobody has to know."""
    _line: bytes | None = field(default=None, init=False, compare=False, repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return plain values; those that say something."""
        told = {name: getattr(self, name) for name in _TOLD_OF_STEP}
        said = {name: value for name, value in told.items() if value or value == ()}
        return said | {"identity": {n: v for n, v in _fields(self.identity).items() if v}}

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> StepRecord:
        """Read what `to_json` returned. Raises KeyError or TypeError when it is something else."""
        outputs = tuple(values["outputs"]) if "outputs" in values else None
        identity = Identity(**values["identity"])
        return cls(**{**values, "identity": identity, "outputs": outputs})

    @property
    def line(self) -> bytes:
        """The plain values as a line of JSON; made once: most steps are stored again and again."""
        if self._line is None:
            object.__setattr__(self, "_line", json.dumps(self.to_json()).encode())
        assert self._line is not None, "it was made just now"
        return self._line

    @classmethod
    @functools.lru_cache(maxsize=1 << 14)
    def of_line(cls, line: bytes) -> StepRecord:
        """Read a `line`. Raises KeyError, TypeError or ValueError when it is something else."""
        return cls.of_json(json.loads(line))


@dataclass(frozen=True, slots=True)
class Failure:
    """How a step ended that did not finish."""

    index: int
    name: str
    error: str
    """Class and message, one line."""
    traceback: str
    when: str

    @classmethod
    def of(cls, index: int, name: str, error: BaseException) -> Failure:
        """Describe an error that step ``index`` raised."""
        text = "".join(traceback.format_exception_only(error)).strip()
        if isinstance(error, SyntaxError):  # which begins with the place
            text = f"{type(error).__name__}: {error}"
        lines = "".join(traceback.format_exception(error))
        return cls(index, name, text.partition("\n")[0], lines, now())


@dataclass(frozen=True, slots=True)
class Record:
    """A run, as of one of its commits."""

    run: int
    """Number of the run, from 1 on."""
    index: int
    """0-based index of the next step; 0 at the end of a run, as the next one starts there."""
    steps: tuple[StepRecord, ...] = ()
    """All steps of the pipeline; empty: written by Gumly or a handler of the user's own."""
    finished: bool = False
    begins: bool = False
    """The run was started here: the state is not what the step before left, it may be given."""
    data_keys: tuple[str, ...] = ()
    """Keys of ``data`` when it was written, sorted."""
    when: str = ""
    """ISO 8601 in UTC."""
    failure: Failure | None = None

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Record:
        """What a state tells by itself, as Gumly wrote it.

        At the end of a run its index is 0; without one, no flow has run on it yet.

        Raises:
            ValueError: its ``checkpoint_index`` is no index.
        """
        index = state.get(INDEX)
        if index is not None and (type(index) is not int or index < 0):
            raise ValueError(f"{INDEX} is {index!r}, no index")
        return cls(run=1, index=index or 0, finished=index == 0, when=now())

    def to_json(self) -> dict[str, Any]:
        """Return plain values; of steps only those that say something."""
        return self.head() | {"steps": [step.to_json() for step in self.steps]}

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> Record:
        """Read what `to_json` returned.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        return cls.of_head(values, [StepRecord.of_json(each) for each in values["steps"]])

    def lines(self) -> list[bytes]:
        """The `StepRecord.line` of each step."""
        return [step._line or step.line for step in self.steps]

    def head(self) -> dict[str, Any]:
        """Return plain values of all but the steps."""
        told = _fields(self)
        del told["steps"]
        return told | {"failure": None if self.failure is None else _fields(self.failure)}

    @classmethod
    def of_head(cls, values: Mapping[str, Any], steps: Sequence[StepRecord]) -> Record:
        """Read what `head` returned, and add the steps; raises as `of_json` does."""
        failure = values["failure"]
        return cls(
            run=int(values["run"]),
            index=int(values["index"]),
            steps=tuple(steps),
            finished=bool(values["finished"]),
            begins=bool(values["begins"]),
            data_keys=tuple(map(str, values["data_keys"])),
            when=str(values["when"]),
            failure=None if failure is None else Failure(**failure),
        )


def _fields(record: Failure | Identity | Record) -> dict[str, Any]:
    # `asdict` copies values that nobody changes, at each commit
    return {name: getattr(record, name) for name in record.__slots__}


_TOLD_OF_STEP = [each.name for each in fields(StepRecord) if each.init]


def now() -> str:
    """The time, as it is recorded."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
