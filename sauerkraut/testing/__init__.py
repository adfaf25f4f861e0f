"""Start and kill MPI jobs, and watch their checkpoints: for the demo, our tests and your own."""

from __future__ import annotations

from sauerkraut.launch.mpiexec import Launcher, find_launcher
from sauerkraut.testing.chain import ChainError, Kill, histogram, kill_and_resume
from sauerkraut.testing.job import Job, events

__all__ = [
    "ChainError",
    "Job",
    "Kill",
    "Launcher",
    "events",
    "find_launcher",
    "histogram",
    "kill_and_resume",
]
