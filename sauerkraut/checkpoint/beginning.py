"""How a run was begun, as each rank stores it beside its objects: read before anything else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from sauerkraut.errors import ResumeError
from sauerkraut.nonsense import NONSENSE, wrong
from sauerkraut.storage import Piece


@dataclass(frozen=True, slots=True)
class OfProgram:
    """What an epoch says of an unmodified program."""

    functions: Mapping[str, str]
    """Fingerprint of each function of the script, by qualified name."""
    path: list[str]
    """``sys.path``."""
    environment: Mapping[str, str | None]
    """Variables that the program had changed; None: it had removed it."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a restart compares with its own start."""

    arguments: Mapping[str, str]
    """Of the function given to ``run``, as `describe_arguments` tells them."""
    providers: list[str]
    roots: list[str]
    interpreter: tuple[str, str]
    """Implementation and version."""
    environment: Mapping[str, str]
    """Facts of the process."""
    program: OfProgram | None = None
    """None: no unmodified program."""
    function: Mapping[str, str] = field(default_factory=dict)
    """Given to ``run`` on this rank, as `fit.told_of` tells it; early epochs do not."""

    def to_json(self) -> bytes:
        """Return a line of JSON."""
        told = {name: getattr(self, name) for name in self.__slots__}
        if self.program is None:
            del told["program"]
        else:
            told["program"] = self.program.to_json()
        return json.dumps(told).encode()

    @classmethod
    def of(cls, piece: Piece) -> Self:
        """Read that of a rank's part of an epoch. Raises ResumeError when it has none."""
        return cls.of_json(bytes(stream_of(piece, "run")))

    @classmethod
    def of_json(cls, text: bytes) -> Self:
        """Read what `to_json` returned. Raises ResumeError when it is something else."""
        try:
            values = json.loads(text)
            implementation, version = values["interpreter"]
            program = values.get("program")
            return cls(
                _texts(values["arguments"]),
                list(map(_text, values["providers"])),
                list(map(_text, values["roots"])),
                (_text(implementation), _text(version)),
                _texts(values["environment"]),
                None if program is None else _of_program(program),
                _texts(values.get("function", {})),
            )
        except NONSENSE as error:
            raise ResumeError(
                f"the epoch does not say how its run began: {wrong(error)}"
            ) from error


def stream_of(piece: Piece, name: str) -> Any:
    """Find a stream of a rank's part of an epoch.

    Args:
        piece: That part.
        name: Of the stream.

    Raises:
        ResumeError: it has none of that name.
    """
    for each in piece.streams:
        if each.name == name:
            return each.data
    raise ResumeError(
        f"the epoch holds no {name!r}, as that of a pipeline does not: give run a directory of its "
        "own"
    )


def _of_program(values: Mapping[str, Any]) -> OfProgram:
    environment = {
        _text(name): None if value is None else _text(value)
        for name, value in values["environment"].items()
    }
    return OfProgram(_texts(values["functions"]), list(map(_text, values["path"])), environment)


def _texts(values: Any) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in values.items()}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
