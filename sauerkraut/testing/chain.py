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

MARKS = ("begin", "commit", "failed", "complete")


@dataclass(frozen=True, slots=True)
class Kill:
    """One SIGKILL after a commit and before the end of the run."""

    victim: Victim
    generation: int
    """How many starts the directory had seen, this one included."""
    epoch: int
    """The last epoch that the killed incarnation committed."""
    inside: bool
    """Whether it fell into a checkpoint: a ``begin`` of the incarnation without a ``commit``."""


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
        inside: How many of them must fall inside a checkpoint, and then a third of all; 0 for
            ranks that outlive their ``mpiexec`` and end what they were writing (Open MPI).
        patience: Seconds until a job must have committed, and to its end.

    Returns:
        The kills that counted, in order.

    Raises:
        ChainError: A job ended by itself too early, an epoch was lost, a restart did not happen
            or the directory is not complete at the end. No process of the jobs is left.
    """
    directory = Path(checkpoints)
    killed: list[str] = []
    counted: list[Kill] = []
    with contextlib.ExitStack() as jobs:
        while len(killed) < 4 * kills + 4:
            known = {event["incarnation"] for event in events(directory)}
            job = jobs.enter_context(start())
            counted = _account(events(directory), killed, victim)
            hits = sum(kill.inside for kill in counted)
            share = len(counted) if inside else 0
            if len(counted) >= kills and hits >= inside and 3 * hits >= share:
                job.wait(patience)
                _require((directory / "COMPLETE").exists(), job, "ended without COMPLETE")
                return _checked(events(directory), killed, victim)
            aim = hits < max(inside, share / 2)
            incarnation = _wait_for_moment(job, directory, known, chance, patience, inside=aim)
            if incarnation is None:  # the program was done before it could be killed once more
                _require(len(counted) >= kills, job, "ended before it was killed often enough")
                return _checked(events(directory), killed, victim)
            killed.append(incarnation)
            job.kill(victim, chance)
            job.wait(patience)
    raise ChainError(f"too few kills counted in {len(killed)} generations: {counted}")


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
    known: set[str],
    chance: random.Random,
    patience: float,
    *,
    inside: bool,
) -> str | None:
    """Wait for a commit by this job, then for a random time, or to a point in a checkpoint.

    Returns:
        The id of its incarnation: the one that commits and is not among the `known` ones, whose
        ranks may outlive their launcher and commit too. None: it finished before.
    """
    deadline = time.monotonic() + patience
    while not (
        commits := [e for e in _commits(events(directory)) if e["incarnation"] not in known]
    ):
        if job.status is not None:
            _require((directory / "COMPLETE").exists(), job, "ended before it committed")
            return None
        _require(time.monotonic() < deadline, job, f"committed nothing in {patience} s")
        time.sleep(0.005)
    job.rank_pids()  # found now, so that the kill itself takes no time
    if inside:
        with (directory / "events.jsonl").open("rb") as log:
            log.seek(0, os.SEEK_END)
            while b'"begin"' not in log.read() and job.status is None:
                time.sleep(0.001)
        # Under load and through mpiexec it takes a while until the ranks are dead.
        time.sleep(chance.choice((0, 0, chance.uniform(0, 0.7))) * float(commits[-1]["seconds"]))
    else:
        time.sleep(chance.uniform(0, 0.5))
    return str(commits[-1]["incarnation"])


def _commits(seen: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in seen if event["event"] == "commit"]


def _account(seen: list[dict[str, Any]], killed: list[str], victim: Victim) -> list[Kill]:
    """The kills that count: the incarnation had committed, and its run was not over."""
    counted = []
    for generation, incarnation in enumerate(killed, 1):
        own = [event for event in seen if event["incarnation"] == incarnation]
        marks = [event["event"] for event in own if event["event"] in MARKS]
        if "complete" not in marks:
            last = _commits(own)[-1]["epoch"]
            counted.append(Kill(victim, generation, last, inside=marks[-1] == "begin"))
    return counted


def _checked(seen: list[dict[str, Any]], killed: list[str], victim: Victim) -> list[Kill]:
    """The kills, each followed by a restart from what was committed that got further."""
    restarts = [event["epoch"] for event in seen if event["event"] == "restart"]
    kills = _account(seen, killed, victim)
    if len(restarts) != len(killed) or sorted(set(restarts)) != restarts:
        raise ChainError(f"restarts from epochs {restarts} after {kills}")
    for kill in kills:
        came_back = restarts[kill.generation - 1]  # every generation but the first restarts
        if came_back < kill.epoch:
            raise ChainError(f"epoch {kill.epoch} was lost: restarted from {came_back}")
    return kills


def _require(condition: bool, job: Job, what: str) -> None:
    if not condition:
        raise ChainError(f"the job {what} (status {job.status}):\n{job.said()[-4000:]}")
