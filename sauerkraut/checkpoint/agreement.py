"""Turn one rank's error into the same error on every rank.

A step that may fail on some rank only runs under `together`, `shared` or `agreed`. Afterwards
either all ranks go on, or all raise: an error that is a `RankError` and also of the class of the
lowest failing rank's error, so that callers catch what they would catch in one process.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from sauerkraut.errors import CodeChanged, RankError, SauerkrautError
from sauerkraut.group import Group

T = TypeVar("T")

HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: the class was made by a class statement


class InterruptError(RankError):
    """Some rank was interrupted in a collective step, by Ctrl-C say: no run goes on after that.

    Whoever lets it out of a run calls `raise_interrupt`.
    """


def raise_interrupt(error: RankError) -> None:
    """Raise what a rank was interrupted by, as it is there, and ``error`` on the others.

    Does nothing with the error of a failure.
    """
    if isinstance(error, InterruptError):
        own = error.__cause__
        if own is not None and not isinstance(own, Exception):
            raise own from None
        raise error


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as it travels between ranks."""

    text: str
    """With its class, but for an error that was made here before: that names one already."""
    said: str
    """Without, where the class of what will be raised tells it."""
    module: str
    qualname: str
    is_exception: bool
    os_error: tuple[int | None, str | None, str | None] | None = None
    detail: str = ""
    """Lines to be shown below the message: how code has changed."""

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Describe ``error``; runs nothing of it but ``str``, and raises nothing."""
        kind, said = _class_of(error), text_of(error)
        if isinstance(error, RankError) and type(error) is not RankError:
            text = said
        else:
            text = f"{kind.__name__}: {said}" if said else kind.__name__
        detail = ""
        if issubclass(kind, CodeChanged):
            said, _, detail = said.partition("\n")
            text = text.partition("\n")[0]
        details = None
        if isinstance(error, OSError):
            name = error.filename
            details = (error.errno, error.strerror, None if name is None else text_of(name))
        short = said if said and isinstance(error, SauerkrautError) else text
        is_exception = isinstance(error, Exception)
        return cls(text, short, kind.__module__, kind.__qualname__, is_exception, details, detail)


def text_of(value: object) -> str:
    """``str(value)``, also where that raises."""
    try:
        return str(value)
    except Exception as problem:  # noqa: BLE001 - the other ranks wait for a text
        return f"(its text cannot be had: {type(problem).__name__} in str())"


def together(group: Group, phase: str, work: Callable[[], T]) -> list[T]:
    """Run rank-local ``work`` on every rank and give every rank all results. Collective.

    ``work`` must hold no collective call: a rank that raises early would leave others in it.

    Raises:
        RankError: on every rank, when ``work`` raised on any; see the module.
    """
    result: T | None = None
    error: BaseException | None = None
    try:
        result = work()
    except BaseException as caught:  # noqa: BLE001 - carried to every rank below
        error = caught
    group.where = phase
    gathered = group.allgather((result, None if error is None else Failure.of(error)))
    failures = {rank: failure for rank, (_, failure) in enumerate(gathered) if failure is not None}
    if failures:
        raise_together(group, phase, failures, error)
    return [value for value, _ in gathered]  # type: ignore[misc] # all are results: none failed


def shared(group: Group, phase: str, work: Callable[[], T]) -> T:
    """Run ``work`` on rank 0 alone and give every rank its result. Collective.

    Raises:
        RankError: on every rank, when ``work`` raised; see the module.
    """
    result: T | None = None
    error: BaseException | None = None
    failure: Failure | None = None
    if group.rank == 0:
        try:
            result = work()
        except BaseException as caught:  # noqa: BLE001 - carried to every rank below
            error, failure = caught, Failure.of(caught)
    group.where = phase
    result, failure = group.bcast((result, failure))
    if failure is not None:
        raise_together(group, phase, {0: failure}, error, name_rank=False)
    return result  # type: ignore[return-value] # rank 0 did not fail


@contextmanager
def agreed(group: Group, phase: str) -> Iterator[None]:
    """Run a rank-local block; leave it together, either all well or all raising. Collective.

    Raises:
        RankError: on every rank, when the block raised on any; see the module.
    """
    error: BaseException | None = None
    try:
        yield
    except BaseException as caught:  # noqa: BLE001 - carried to every rank below
        error = caught

    def outcome() -> None:
        if error is not None:
            raise error

    together(group, phase, outcome)


def refuse_unlike(group: Group, what: str, values: Mapping[str, str]) -> None:
    """Refuse named values that are not the same on every rank, showing both. Collective.

    Raises:
        RankError: on every rank.
    """
    ranks = together(group, what, lambda: values)
    for name, value in ranks[0].items():
        other = next((rank for rank, each in enumerate(ranks) if each[name] != value), None)
        if other is not None:
            raise RankError(
                f"{what}: {name} must be the same on every rank: {value} on rank 0, "
                f"{ranks[other][name]} on rank {other}",
                {other: f"{name}: {ranks[other][name]}"},
            )


def raise_together(
    group: Group,
    phase: str,
    failures: Mapping[int, Failure],
    own: BaseException | None,
    *,
    name_rank: bool = True,
) -> NoReturn:
    """Raise the error made of ``failures`` (the same on every rank). Collective."""
    lowest = min(failures)
    kind = _combined(failures[lowest])
    if not all(group.allgather(kind is not None)):
        kind = None
    raise _build(
        kind, message(phase, failures, name_rank=name_rank and group.size > 1), failures, lowest
    ) from own


def message(phase: str, failures: Mapping[int, Failure], *, name_rank: bool) -> str:
    """One line: the phase, the lowest failing rank and its error, how many more there are.

    Where code has changed, the lines of the difference follow.
    """
    lowest = min(failures)
    text = " ".join(failures[lowest].said.split("\n"))
    others = len(failures) - 1
    more = f" (and {others} more rank{'s' * (others > 1)})" if others else ""
    where = f"rank {lowest}: " if name_rank else ""
    return f"{phase}: {where}{text}{more}\n{failures[lowest].detail}".rstrip()


def _class_of(error: BaseException) -> type[BaseException]:
    """The class of ``error``, or what it stands for when it was made here."""
    kind = type(error)
    return getattr(kind, "stands_for", kind)


def _combined(failure: Failure) -> type[RankError] | None:
    """The class that is a RankError and the failure's class; None where it cannot be had."""
    if not failure.is_exception:
        return None
    try:
        found: Any = importlib.import_module(failure.module)
        for name in failure.qualname.split("."):
            found = getattr(found, name)
        if not (isinstance(found, type) and issubclass(found, Exception)):
            return None
        if issubclass(RankError, found):
            return RankError
        bases = (found,) if issubclass(found, RankError) else (RankError, found)
        body = {
            "__module__": found.__module__,
            "__qualname__": found.__qualname__,
            "__str__": _first_argument,
            "stands_for": found,
        }
        kind = type(found.__name__, bases, body)
        _new(kind)
    except Exception:  # noqa: BLE001 - whatever the user's class does, RankError is left
        return None
    return kind


def _build(
    kind: type[RankError] | None, text: str, failures: Mapping[int, Failure], lowest: int
) -> RankError:
    if not all(each.is_exception for each in failures.values()):
        kind = InterruptError
    if kind in (None, RankError, InterruptError):
        return (kind or RankError)(text, {rank: each.text for rank, each in failures.items()})
    error: Any = _new(kind)
    error.args = (text,)
    error.failures = {rank: failure.text for rank, failure in failures.items()}
    details = failures[lowest].os_error
    if details is not None:
        error.errno, error.strerror, error.filename = details
    assert isinstance(error, RankError)
    return error


def _new(kind: type[BaseException]) -> BaseException:
    """Make an instance without ``__init__``, by the innermost built-in class below ``kind``."""
    built_in: Any = kind
    while built_in.__flags__ & HEAP_TYPE:
        built_in = built_in.__base__
    made = built_in.__new__(kind)
    assert isinstance(made, BaseException)
    return made


def _first_argument(error: BaseException) -> str:
    return str(error.args[0]) if error.args else ""
