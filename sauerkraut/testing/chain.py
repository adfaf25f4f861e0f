"""Kill a job again and again at random moments, start it again, and account for every kill."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sauerkraut.testing.job import Job, Victim, events


@dataclass(frozen=True, slots=True)
class Kill:
    """One SIGKILL after a commit and before the end of the run."""

    victim: Victim
    generation: int
    """How many starts the directory had seen, this one included."""
    epoch: int
    """The last epoch committed before the kill."""
    inside: bool
    """Whether it fell between the ``begin`` of a checkpoint and its ``commit``."""


class ChainError(AssertionError):
    """A chain of kills did not go as a trustworthy checkpoint makes it go."""


def kill_and_resume(
    start: Callable[[], Job],
    checkpoints: str | Path,
    chance: random.Random,
    *,
    victim: Victim,
    kills: int = 3,
    inside: int = 1,
    patience: float = 120.0,
) -> list[Kill]:
    """Start a job, kill it after a commit of its own, and so on; then let it finish.

    Every start follows at once, so ranks that outlive their ``mpiexec`` overlap with the next job.

    Args:
        start: Starts the job, with the same command each time.
        checkpoints: The job's checkpoint directory, empty or absent at first.
        chance: Chooses moments and ranks.
        victim: What SIGKILL hits.
        kills: Kills to count at least.
        inside: How many of them must fall inside a checkpoint, a third in any case.
        patience: Seconds until a job must have committed, and to its end.

    Returns:
        The kills that counted, in order.

    Raises:
        ChainError: A job ended by itself too early, an epoch was lost, a restart did not happen
            or the directory is not complete at the end. No process of the jobs is left.
    """
    directory = Path(checkpoints)
    counted: list[Kill] = []
    with contextlib.ExitStack() as jobs:
        for generation in range(1, 4 * kills + 4):
            before = len(events(directory))
            job = jobs.enter_context(start())
            hits = sum(kill.inside for kill in counted)
            if len(counted) >= kills and hits >= inside and 3 * hits >= len(counted):
                job.wait(patience)
                _require((directory / "COMPLETE").exists(), job, "ended without COMPLETE")
                _check_restarts(events(directory), counted)
                return counted
            aim = hits < max(inside, len(counted) / 2)
            _wait_for_moment(job, directory, before, chance, patience, inside=aim)
            job.kill(victim, chance)
            job.wait(patience)
            seen = events(directory)
            if kill := _account(seen, victim, generation):
                counted.append(kill)
    raise ChainError(f"only {counted} of {kills} kills counted in {generation} generations")


def histogram(kills: Iterable[Kill]) -> str:
    """A table of kills by victim: how many, and how many fell inside a checkpoint."""
    total = Counter((kill.victim, kill.inside) for kill in kills)
    lines = []
    for victim in ("rank", "all", "mpiexec"):
        within, between = total[victim, True], total[victim, False]
        bar = "#" * within + "." * between
        lines.append(f"{victim:8} {within + between:4} kills, {within:4} in a checkpoint  {bar}")
    return "\n".join(lines)


def _wait_for_moment(
    job: Job,
    directory: Path,
    before: int,
    chance: random.Random,
    patience: float,
    *,
    inside: bool,
) -> None:
    """Wait for a commit by this job, then for a random time, or to a point in a checkpoint."""
    deadline = time.monotonic() + patience
    while not (durations := _durations(events(directory)[before:])):
        _require(job.status is None, job, "ended before it committed")
        _require(time.monotonic() < deadline, job, f"committed nothing in {patience} s")
        time.sleep(0.005)
    job.rank_pids()  # found now, so that the kill itself takes no time
    if not inside:
        time.sleep(chance.uniform(0, 0.5))
        return
    with (directory / "events.jsonl").open("rb") as log:
        log.seek(0, os.SEEK_END)
        while b'"begin"' not in log.read() and job.status is None:
            time.sleep(0.001)
    # Under load and through mpiexec it takes a while until the ranks are dead.
    time.sleep(chance.choice((0, 0, chance.uniform(0, 0.7))) * durations[-1])


def _durations(seen: list[dict[str, Any]]) -> list[float]:
    """Seconds of every checkpoint that was committed."""
    return [float(event["seconds"]) for event in seen if event["event"] == "commit"]


def _account(seen: list[dict[str, Any]], victim: Victim, generation: int) -> Kill | None:
    """The kill that ended the last of `seen`; None when it does not count."""
    commits = [event["epoch"] for event in seen if event["event"] == "commit"]
    if not commits or any(event["event"] == "complete" for event in seen):
        return None
    marks = [e["event"] for e in seen if e["event"] in ("begin", "commit", "failed")]
    return Kill(victim, generation, commits[-1], inside=marks[-1] == "begin")


def _check_restarts(seen: list[dict[str, Any]], kills: list[Kill]) -> None:
    """Every kill was followed by a restart from what was committed, and each got further."""
    restarts = [event["epoch"] for event in seen if event["event"] == "restart"]
    if len(restarts) < len(kills) or sorted(set(restarts)) != restarts:
        raise ChainError(f"restarts from epochs {restarts} after {kills}")
    for kill in kills:
        came_back = restarts[kill.generation - 1]  # every generation but the first restarts
        if came_back < kill.epoch:
            raise ChainError(f"epoch {kill.epoch} was lost: restarted from {came_back}")


def _require(condition: bool, job: Job, what: str) -> None:
    if not condition:
        raise ChainError(f"the job {what} (status {job.status}):\n{job.said()[-4000:]}")
