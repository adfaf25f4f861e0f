"""Every ``SAUERKRAUT_*`` environment variable, its meaning and its default; an argument wins."""

from __future__ import annotations

import os
from dataclasses import dataclass

_LONGEST_TOUCH = 60.0  # seconds; after 300 without one an owner counts as gone


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings read from the environment; see `from_environment`."""

    take_over: str | None = None
    """SAUERKRAUT_TAKE_OVER: id of the incarnation whose directory may be taken over."""
    trust_owner: str | None = None
    """SAUERKRAUT_TRUST_OWNER: user whose checkpoints may be unpickled beside one's own."""
    supervisor: str | None = None
    """SAUERKRAUT_SUPERVISOR: id of what starts this job again, set by it; it may take over."""
    key_file: str | None = None
    """SAUERKRAUT_KEY_FILE: path of a key; streams are then authenticated before unpickling."""
    end_time: float | None = None
    """SAUERKRAUT_END_TIME, else SLURM_JOB_END_TIME: when the job is ended, in seconds since 1970;
    with interval="auto" it checkpoints and stops before."""
    reserve: float = 30.0
    """SAUERKRAUT_RESERVE: seconds before that which are kept for the last checkpoint, and three
    times what one takes."""
    postmortem: bool = False
    """SAUERKRAUT_POSTMORTEM: 1 stores the frames of a rank that fails, for `inspect`."""
    mtbf: float | None = None
    """SAUERKRAUT_MTBF: mean time between failures of the job in seconds, for interval="auto"; by
    default from its log, beginning with a day."""
    patience: float = 60.0
    """SAUERKRAUT_PATIENCE: seconds before a waiting rank says which ranks are missing."""
    give_up: float | None = None
    """SAUERKRAUT_GIVE_UP: seconds before a wait for missing ranks ends the job; None: never."""
    node_timeout: float | None = None
    """SAUERKRAUT_NODE_TIMEOUT: seconds without a sign of life from a node after which the job is
    ended; 0: never; None: 60 where the job has several nodes, never where it has one."""
    signal_latency: float = 5.0
    """SAUERKRAUT_SIGNAL_LATENCY: seconds from a signal to the agreement to act on it, at most.
    By default a quarter of SAUERKRAUT_GRACE, the seconds from the signal to the end of the job."""
    block_threshold: int = 64 * 1024
    """SAUERKRAUT_BLOCK_THRESHOLD: bytes from which an array gets a dataset of its own."""
    drain: float = 5.0
    """SAUERKRAUT_DRAIN: seconds a checkpoint waits for requests that are not complete."""
    marker_ranks: int | None = None
    """SAUERKRAUT_MARKER_RANKS: on communicators of more ranks, messages in flight are looked for
    only from and to rank 0 and along the axes of a Cartesian topology, and checkpoints say so;
    None: between all ranks of all communicators."""
    owner_wait: float = 60.0
    """SAUERKRAUT_OWNER_WAIT: seconds a start waits for a dying owner on this host."""
    owner_touch: float = 10.0
    """SAUERKRAUT_OWNER_TOUCH: seconds between two touches of OWNER, which show that a run lives."""

    @classmethod
    def from_environment(cls) -> Settings:
        """Read the settings of this process; a value that does not parse raises ValueError."""

        def number(name: str, default: float) -> float:
            text = os.environ.get(name)
            if not text:
                return default
            try:
                return float(text)
            except ValueError:
                raise ValueError(f"{name}={text!r} is not a number") from None

        give_up = number("SAUERKRAUT_GIVE_UP", -1.0)
        node_timeout = number("SAUERKRAUT_NODE_TIMEOUT", -1.0)
        mtbf = number("SAUERKRAUT_MTBF", -1.0)
        marker_ranks = number("SAUERKRAUT_MARKER_RANKS", -1.0)
        end_time = number("SAUERKRAUT_END_TIME", number("SLURM_JOB_END_TIME", -1.0))
        grace = number("SAUERKRAUT_GRACE", 20.0)
        touch = number("SAUERKRAUT_OWNER_TOUCH", 10.0)
        if grace <= 0:
            raise ValueError(f"SAUERKRAUT_GRACE={grace:g}: seconds, more than 0")
        if not 0 < touch <= _LONGEST_TOUCH:
            raise ValueError(
                f"SAUERKRAUT_OWNER_TOUCH={touch:g}: seconds, more than 0 and at most "
                f"{_LONGEST_TOUCH:g}"
            )
        return cls(
            take_over=os.environ.get("SAUERKRAUT_TAKE_OVER") or None,
            trust_owner=os.environ.get("SAUERKRAUT_TRUST_OWNER") or None,
            supervisor=os.environ.get("SAUERKRAUT_SUPERVISOR") or None,
            end_time=None if end_time <= 0 else end_time,
            reserve=number("SAUERKRAUT_RESERVE", 30.0),
            mtbf=None if mtbf <= 0 else mtbf,
            postmortem=number("SAUERKRAUT_POSTMORTEM", 0) != 0,
            key_file=os.environ.get("SAUERKRAUT_KEY_FILE") or None,
            patience=number("SAUERKRAUT_PATIENCE", 60.0),
            give_up=None if give_up < 0 else give_up,
            node_timeout=None if node_timeout < 0 else node_timeout,
            signal_latency=number("SAUERKRAUT_SIGNAL_LATENCY", grace / 4),
            block_threshold=int(number("SAUERKRAUT_BLOCK_THRESHOLD", 64 * 1024)),
            drain=number("SAUERKRAUT_DRAIN", 5.0),
            marker_ranks=None if marker_ranks < 0 else int(marker_ranks),
            owner_wait=number("SAUERKRAUT_OWNER_WAIT", 60.0),
            owner_touch=touch,
        )
