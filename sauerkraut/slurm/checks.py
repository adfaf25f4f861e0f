"""What a cluster's settings mean for a job that checkpoints when it is told to stop."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from sauerkraut.slurm import commands

State = Literal["good", "note", "bad"]

_STRAYS = "makes each task a job of its own, which ends with status 87"


class Check(NamedTuple):
    """One line of a pre-flight."""

    state: State
    """``bad``: work will be lost; ``note``: something to know."""
    name: str
    text: str


class Partition(NamedTuple):
    """A partition, as far as preemption goes."""

    name: str
    grace: int
    """Seconds between a preemption and the end."""
    preempt_mode: str


def configuration() -> dict[str, str] | None:
    """Settings of the cluster around the caller by name; None where there is none."""
    said = commands.output("scontrol", "show", "config")
    return None if said is None else parse_configuration(said)


def partitions() -> list[Partition]:
    """Its partitions."""
    said = commands.output("scontrol", "--oneliner", "show", "partition") or ""
    return [parse_partition(line) for line in said.splitlines() if line.strip()]


def mpi_plugins() -> list[str]:
    """What ``srun --mpi=`` takes; empty where it does not say."""
    said = commands.output("srun", "--mpi=list")
    return [] if said is None else re.findall(r"^\s+(\w+)$", said, re.MULTILINE)


def parse_configuration(text: str) -> dict[str, str]:
    """Read ``scontrol show config``."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def parse_partition(line: str) -> Partition:
    """Read a line of ``scontrol --oneliner show partition``."""
    words = dict(word.partition("=")[::2] for word in line.split() if "=" in word)
    grace = _seconds(words.get("GraceTime", "0"))
    return Partition(words.get("PartitionName", "?"), grace, words.get("PreemptMode", "OFF"))


def check(
    settings: Mapping[str, str],
    known: list[Partition],
    plugins: list[str],
    *,
    checkpoint: float | None = None,
) -> Iterator[Check]:
    """Say what the settings mean.

    Args:
        settings: Of `configuration`.
        known: Of `partitions`.
        plugins: Of `mpi_plugins`.
        checkpoint: Seconds that the job's last checkpoint took; None: not known.
    """
    yield _requeue(settings)
    yield _kill_wait(settings, checkpoint)
    yield from _preemption(settings, known, checkpoint)
    yield _srun(settings, plugins)


def _requeue(settings: Mapping[str, str]) -> Check:
    if settings.get("JobRequeue", "1").startswith("1"):
        return Check("good", "JobRequeue", "jobs may be requeued; keep #SBATCH --requeue")
    return Check(
        "note", "JobRequeue", "off: a job must ask with --requeue; else time_limit_chain.sbatch"
    )


def _kill_wait(settings: Mapping[str, str], checkpoint: float | None) -> Check:
    seconds = _seconds(settings.get("KillWait", "30"))
    text = f"{seconds} s from TERM to KILL, at the time limit, at scancel and at a requeue"
    if checkpoint is not None and checkpoint > seconds:
        text += f": a checkpoint took {checkpoint:.0f} s, so ask earlier: --signal=B:USR1@SECONDS"
        return Check("bad", "KillWait", text)
    return Check("good", "KillWait", text)


def _preemption(
    settings: Mapping[str, str], known: list[Partition], checkpoint: float | None
) -> Iterator[Check]:
    if settings.get("PreemptType", "preempt/none") in ("preempt/none", "(null)"):
        yield Check("good", "PreemptType", "none: no job is preempted")
        return
    asks = "preempt_send_user_signal" in settings.get("SlurmctldParameters", "")
    if asks:
        text = "on: --signal=B:USR1@SECONDS comes at the start of a preemption"
        yield Check("good", "preempt_send_user_signal", text)
    else:
        text = (
            "off: at a preemption the batch script hears nothing, ranks under srun get TERM, and "
            "mpirun dies at once with status 0: prefer srun, or expect to lose the time since the "
            "last checkpoint"
        )
        yield Check("note", "preempt_send_user_signal", text)
    for partition in known:
        if partition.preempt_mode.upper() in ("OFF", "SUSPEND"):
            continue
        name = f"partition {partition.name}"
        text = f"preempted by {partition.preempt_mode}, GraceTime {partition.grace} s"
        if partition.grace == 0:
            yield Check("note", name, f"{text}: no time to checkpoint; a short interval helps")
        elif checkpoint is not None and checkpoint > partition.grace:
            yield Check("bad", name, f"{text}: a checkpoint took {checkpoint:.0f} s")
        else:
            yield Check("good", name, f"{text}; set SAUERKRAUT_GRACE={partition.grace}")


def _srun(settings: Mapping[str, str], plugins: list[str]) -> Check:
    default = settings.get("MpiDefault", "none")
    if "pmix" not in plugins:
        text = f"no pmix plugin: for Open MPI, srun {_STRAYS}; use mpirun"
        return Check("note", "srun --mpi", text)
    if not default.startswith("pmix"):
        text = f"say srun --mpi=pmix: the default, {default}, {_STRAYS}"
        return Check("note", "srun --mpi", text)
    return Check("good", "srun --mpi", f"{default} is the default")


def _seconds(text: str) -> int:
    """``30``, ``30 sec``, ``00:00:30`` or ``1-00:00:30``."""
    clock = re.match(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", text)
    if clock:
        days, hours, minutes, seconds = (int(each or 0) for each in clock.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    number = re.match(r"\d+", text)
    return int(number[0]) if number else 0
