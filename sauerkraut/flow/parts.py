"""Parts of a flow inside of `Checkpointer.run`, which all ranks end alike."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

from sauerkraut.checkpoint.checkpointer import current
from sauerkraut.flow.place import group
from sauerkraut.flow.ranks import Ranks
from sauerkraut.storage.epoch import Back

T = TypeVar("T")


def together(part: str, work: Callable[[], T]) -> list[T]:
    """Do something that may fail on some ranks only; returns all results. Collective."""
    done: list[T] = []
    error: BaseException | None = None
    within = current().begin_part()
    try:
        done.append(work())
    except BaseException as caught:  # noqa: BLE001 - raised where all ranks are
        error = caught
    end(part, error, within=within)
    return group().allgather(done[0]) if group().size > 1 else done


def end(part: str, error: BaseException | None, *, within: bool, again: bool = False) -> None:
    """End a part with the error of any rank. Collective.

    Args:
        part: What a person calls it.
        error: What this rank raised in it; None: nothing.
        within: As `Checkpointer.begin_part` returned.
        again: All ranks can try it again.
    """
    if group().size > 1:
        ranks = Ranks(group(), group())
        late = functools.partial(ranks.wait_or_lose, part, again=again)
        current().end_part(part, error, late, within=within)
    elif error is not None:
        raise error


def goes_back(part: str) -> Back | None:
    """From here on a restart that finds other code on the stack goes back to the last epoch.

    Returns:
        Where it went back to until now.
    """
    last = current().last
    return current().goes_back(None if last is None else Back(last.number, part))


def may_repeat(failure: BaseException) -> bool:
    """Whether a part failed, and not what ranks do together, and no rank was interrupted.

    Collective, where all ranks know of a part that failed.
    """
    if group().size > 1 and failure is not current().inside("a flow").failure_of_part:
        return False
    causes = (failure, failure.__cause__ or failure)
    return all(group().allgather(all(isinstance(each, Exception) for each in causes)))
