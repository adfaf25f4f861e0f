"""The options of a Checkpointer, checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar

KINDS = ("threads", "processes")


@dataclass(frozen=True, slots=True)
class Options:
    """See `Checkpointer` for what each means.

    Raises:
        ValueError: one means nothing; names it and what it may be.
    """

    SAME_EVERYWHERE: ClassVar = (
        *("interval", "auto", "budget", "keep", "code_changes", "on_changed", "strict"),
        *("on_failure", "rehearse", "share", "allow"),
    )
    """Those that the ranks compare."""

    interval: float | None
    """Seconds."""
    auto: bool
    """Whether ``interval`` is only the first one, and the best is found."""
    budget: float | None
    """Share of the run time."""
    keep: int
    exclude: Collection[str] | Mapping[str, Collection[str]]
    globals: str | Sequence[ModuleType]
    code_changes: str
    on_failure: str
    rehearse: bool
    signals: bool
    share: str | None
    allow: Collection[str]
    on_changed: str
    strict: bool
    postmortem: bool | None
    """None: as the settings say."""

    def __post_init__(self) -> None:
        if self.keep < 1:
            raise ValueError(f"keep={self.keep}: at least 1 epoch is kept")
        _one_of("code_changes", self.code_changes, "frames", "all")
        _one_of("on_failure", self.on_failure, "warn", "raise")
        if isinstance(self.allow, str):
            raise TypeError(f"allow={self.allow!r}: a tuple of names")
        for each in self.allow:
            _one_of("allow", each, *KINDS)
        _one_of("on_changed", self.on_changed, "raise", "warn")
        _one_of("share", self.share, None, "group")
        if isinstance(self.globals, str):
            _one_of("globals", self.globals, "auto", "none")


def _one_of(name: str, value: object, *allowed: object) -> None:
    if value not in allowed:
        raise ValueError(f"{name}={value!r}: one of {', '.join(map(repr, allowed))}")
