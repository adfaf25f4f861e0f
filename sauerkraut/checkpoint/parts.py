"""Parts of the function given to ``run`` that all ranks end alike, such as the steps of a flow."""

from __future__ import annotations

import traceback
from typing import NoReturn

from sauerkraut.checkpoint.agreement import Failure, raise_together
from sauerkraut.errors import RankError
from sauerkraut.group import Group


def raise_failures(group: Group, part: str, error: BaseException | None) -> NoReturn:
    """Raise what some ranks failed with in a part, once all know that some did. Collective.

    Args:
        group: The ranks.
        part: What a person calls it, on a rank that failed.
        error: What this rank raised in it; None: nothing.

    Raises:
        RankError: of the class of the error of the lowest rank that failed as well, with its
            traceback as a note on the others. An ``error`` that is no `Exception` (an interrupt,
            `SystemExit`) is raised as it is on its rank.
    """
    own = None
    if error is not None:
        own = part, Failure.of(error), "".join(traceback.format_exception(error)).rstrip()
    told = {rank: each for rank, each in enumerate(group.allgather(own)) if each is not None}
    lowest = min(told)
    named, _, trace = told[lowest]
    try:
        raise_together(
            group, named, {rank: failure for rank, (_, failure, _) in told.items()}, error
        )
    except RankError as raised:
        if lowest != group.rank:
            raised.add_note(f"rank {lowest}:\n{trace}")
        if error is None or isinstance(error, Exception):
            raise
    raise error
