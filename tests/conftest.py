"""What every test may rely on, with and without mpiexec.

Three kinds of test, told apart by marker:

    (none)       one process, never imports mpi4py
    mpi(ranks)   every rank of `mpiexec -n N pytest -m mpi` runs the body
    job          one process that starts and ends its own jobs
"""

import functools
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

# Set by mpiexec of Open MPI and of MPICH; read here so that serial tests never load MPI.
WORLD_SIZE = int(os.environ.get("OMPI_COMM_WORLD_SIZE") or os.environ.get("PMI_SIZE") or 1)
RANK = int(os.environ.get("OMPI_COMM_WORLD_RANK") or os.environ.get("PMI_RANK") or 0)
UNDER_MPIEXEC = "OMPI_COMM_WORLD_SIZE" in os.environ or "PMI_SIZE" in os.environ


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    """Let rank 0 alone draw the progress line."""
    if RANK > 0:
        config.pluginmanager.unregister(name="terminalreporter")


def pytest_terminal_summary(terminalreporter):
    """Show what tests drew, also those of other processes."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, text in report.user_properties:
            if name == "drawn" and report.when == "call":
                terminalreporter.write_line(f"{report.nodeid}\n{text}")


def pytest_collection_modifyitems(config, items):
    """Leave out what this launch cannot run: mpi tests need mpiexec, all others one process."""
    here, elsewhere = [], []
    for item in items:
        marker = item.get_closest_marker("mpi")
        runs = WORLD_SIZE in _sizes(marker) and UNDER_MPIEXEC if marker else not UNDER_MPIEXEC
        (here if runs else elsewhere).append(item)
    items[:] = here
    if elsewhere:
        config.hook.pytest_deselected(items=elsewhere)


def _sizes(marker):
    ranks = marker.kwargs.get("ranks", (1, 2, 4))
    return ranks if isinstance(ranks, tuple) else (ranks,)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Fail on every rank when a test failed on one, and say which."""
    report = yield
    if call.when == "call" and item.get_closest_marker("mpi") and WORLD_SIZE > 1:
        if report.failed:  # shown now: a rank left waiting may never reach the summary
            print(f"\n[rank {RANK}] {item.nodeid}\n{report.longreprtext}", file=sys.__stderr__)
        failed = _harness_comm().allgather(report.failed)
        if any(failed) and not report.failed:
            report.outcome = "failed"
            report.longrepr = f"failed on ranks {[r for r, f in enumerate(failed) if f]}"
    return report


@functools.cache
def _harness_comm():
    from mpi4py import MPI

    return MPI.COMM_WORLD.Dup()


@pytest.fixture(scope="session")
def harness_comm():
    """Communicator of the test harness, so that it never crosses the code's own."""
    return _harness_comm()


@pytest.fixture
def comm(harness_comm):
    """A fresh communicator for one test."""
    own = harness_comm.Dup()
    yield own
    own.Free()


@pytest.fixture
def shared_dir(harness_comm):
    """One empty directory, the same on every rank.

    Not built on tmp_path: its clean-up races between the ranks' pytest sessions.
    """
    made = tempfile.mkdtemp(prefix="sauerkraut-") if harness_comm.rank == 0 else None
    path = Path(harness_comm.bcast(made, root=0))
    yield path
    harness_comm.barrier()
    if harness_comm.rank == 0:
        shutil.rmtree(path)
