"""What the end of a start means: done, start again, or leave, and with which exit status."""

from __future__ import annotations

from dataclasses import dataclass

DONE = 0
CHECKPOINTED = 85
RANKS_LOST = 86
REFUSED = 87


@dataclass(frozen=True, slots=True)
class End:
    """How a start ended; what the directory says, and beside it what the launcher says."""

    status: int
    """Of the launcher, as a shell says it. Only 85 and 87 mean something: both are the program's
    own, and neither claims that work was done which was not."""
    complete: bool
    """COMPLETE is there."""
    asked: bool
    """The supervisor was told to stop."""
    requested: bool
    """The newest epoch of this start answers a request."""
    time_is_over: bool
    """What is left of the job's time is what a stop before its end leaves."""
    progress: bool
    """This start committed an epoch."""
    restarts_left: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do now."""

    status: int | None
    """Exit status to leave with; None: start again."""
    why: str


def judge(end: End) -> Verdict:
    """Decide what follows a start.

    The run is done when COMPLETE is there and what the program does after it, such as saving its
    result, has not failed. A stop that was asked for leaves with 85 when there was a checkpoint
    for it, with 86 when the job ended otherwise: earlier epochs are as good as ever.
    """
    if end.complete and end.status == 0:
        return Verdict(DONE, "complete")
    if end.status == REFUSED and not end.complete:
        return Verdict(REFUSED, "the program refuses to run: another start would meet the same")
    if end.asked:
        if end.status == CHECKPOINTED:
            return Verdict(CHECKPOINTED, "checkpointed as asked; the same command goes on")
        return Verdict(RANKS_LOST, "asked to stop, ended without a checkpoint for it")
    if end.status == CHECKPOINTED and end.requested:
        return Verdict(CHECKPOINTED, "checkpointed and stopped by a request")
    if end.status == CHECKPOINTED and end.time_is_over:
        return Verdict(CHECKPOINTED, "checkpointed before the job's time is over")
    if not end.complete:
        what = {
            0: "not complete, whatever the launcher's 0 says",
            CHECKPOINTED: "not complete: its ranks were told to stop",
        }.get(end.status, "not complete")
        if end.restarts_left:
            return Verdict(None, what)
        if end.progress:
            return Verdict(RANKS_LOST, f"{what}; it is not to be started again here")
        return Verdict(REFUSED, f"{what}, and nothing new in so many starts: giving up")
    what = f"complete, but what follows the run ended with status {end.status}"
    if not end.restarts_left:
        return Verdict(end.status, f"{what}, at every start: giving up")
    return Verdict(None, what)
