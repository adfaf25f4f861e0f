"""What is known of a run of a pipeline, beside its state: plain values, stored as JSON."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


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
        index = state.get("checkpoint_index")
        if index is not None and (type(index) is not int or index < 0):
            raise ValueError(f"checkpoint_index is {index!r}, no index")
        return cls(run=1, index=index or 0, finished=index == 0, when=now())

    def to_json(self) -> dict[str, Any]:
        """Return plain values; of steps only those that say something."""
        steps = [_told(step) | {"identity": _told(step.identity)} for step in self.steps]
        failure = None if self.failure is None else _fields(self.failure)
        return _fields(self) | {"steps": steps, "failure": failure}

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> Record:
        """Read what `to_json` returned.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        steps = tuple(
            StepRecord(
                **{
                    **each,
                    "identity": Identity(**each["identity"]),
                    "outputs": None if "outputs" not in each else tuple(each["outputs"]),
                }
            )
            for each in values["steps"]
        )
        failure = values["failure"]
        return cls(
            run=int(values["run"]),
            index=int(values["index"]),
            steps=steps,
            finished=bool(values["finished"]),
            begins=bool(values["begins"]),
            data_keys=tuple(map(str, values["data_keys"])),
            when=str(values["when"]),
            failure=None if failure is None else Failure(**failure),
        )


def _fields(record: Failure | Record) -> dict[str, Any]:
    # `asdict` copies values that nobody changes, at each commit
    return {name: getattr(record, name) for name in record.__slots__}


def _told(record: Identity | StepRecord) -> dict[str, Any]:
    # all steps are in each commit; no outputs are not the same as outputs that nobody knows
    told = {name: getattr(record, name) for name in record.__slots__}
    return {name: value for name, value in told.items() if value or value == ()}


def now() -> str:
    """The time, as it is recorded."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
