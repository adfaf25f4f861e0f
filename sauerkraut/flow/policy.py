"""Load policies: before which steps, and for which, large data is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeGuard

NAMES = ("first only", "always", "needed")

LoadPolicy = Literal["first only", "always", "needed"] | Sequence[bool]


def check(policy: object, steps: int) -> TypeGuard[LoadPolicy]:
    """Refuse what is no load policy for so many steps.

    Raises:
        ValueError: a name that there is not.
        TypeError: neither a name nor a list of as many booleans as there are steps.
    """
    if isinstance(policy, str):
        if policy not in NAMES:
            raise ValueError(f"load_policy={policy!r}: one of {', '.join(map(repr, NAMES))}")
        return True
    if not isinstance(policy, (list, tuple)) or not all(type(each) is bool for each in policy):
        raise TypeError(
            f"load_policy={policy!r} is neither a name nor a list of booleans, one per step"
        )
    if len(policy) != steps:
        raise TypeError(
            f"load_policy has {len(policy)} booleans, there are {steps} steps: one per step"
        )
    return True


def loaded_before(policy: LoadPolicy, last: int | None, index: int) -> Sequence[int]:
    """Indices of the steps whose data is loaded, in this order, before step ``index`` runs.

    Args:
        policy: As checked.
        last: Index of the last step that this run has executed; None: of none so far.
        index: Of the next one, which is not passed over.
    """
    if policy == "needed":
        return range(0 if last is None else last + 1, index + 1)
    if policy == "first only":
        return (index,) if last is None else ()
    return (index,) if policy == "always" or policy[index] else ()
