"""Checkpoint and restart for MPI Python programs: live call stacks, mid-loop, in HDF5."""

from __future__ import annotations

from sauerkraut.errors import SauerkrautError

__version__ = "0.1.0"
__all__ = ["SauerkrautError", "__version__"]
