"""How loads are balanced, as all ranks of a pool say it alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sauerkraut.checkpoint.interval import parse
from sauerkraut.errors import MigrationError
from sauerkraut.group import Group
from sauerkraut.mpi.tasks.balance import STRATEGIES, Strategy


@dataclass(frozen=True, slots=True)
class Options:
    """When loads are balanced, and how; see `TaskPool`."""

    strategy: Strategy | None
    every: float | None
    """Seconds; None: when it pays."""

    @classmethod
    def agreed(
        cls,
        group: Group,
        balance: str | Strategy | None,
        every: float | str | timedelta,
    ) -> Options:
        """Those of all ranks. Collective.

        Raises:
            ValueError: there is no such strategy, or ``every`` is not positive.
            TypeError: one of them is of another type.
            MigrationError: on every rank: they differ between ranks.
        """
        seconds = None if every == "auto" else parse(every, "every")
        strategy = _strategy(balance)
        kind = type(balance).__qualname__  # an object that is called may have no other name
        called = getattr(balance, "__qualname__", kind) if callable(balance) else balance
        told = group.allgather(f"balance={called}, every={every}")
        for rank, other in enumerate(told):
            if other != told[0]:
                raise MigrationError(
                    f"all ranks must balance alike: {told[0]} on rank 0, {other} on rank {rank}"
                )
        return cls(strategy, seconds)


def _strategy(balance: Any) -> Strategy | None:
    """What is meant by it."""
    if isinstance(balance, str):
        if balance not in STRATEGIES:
            raise ValueError(f"balance={balance!r}: {', '.join(STRATEGIES)}, or a function")
        return STRATEGIES[balance]
    if balance is not None and not callable(balance):
        kind = type(balance).__name__
        raise TypeError(f"balance must be None, a name or a function, not {kind}")
    found: Strategy | None = balance
    return found
