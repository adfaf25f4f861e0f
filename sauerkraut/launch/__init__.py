"""Supervise an ``mpirun``: start it, pass signals on, start it again until it is complete.

No MPI here: the launcher is a program like any other, and its exit status is never evidence.
"""

from __future__ import annotations

from sauerkraut.launch.command import Command
from sauerkraut.launch.log import Log
from sauerkraut.launch.supervisor import Options, Supervisor

__all__ = ["Command", "Log", "Options", "Supervisor"]
