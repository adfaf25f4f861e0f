"""Hosts on this machine, and what starts two ranks on them."""

import contextlib
import shutil
import tempfile
from pathlib import Path

import pytest

from sauerkraut.testing import find_launcher
from tests.hosts import machines
from tests.hosts.supervised import PACED, Supervised, undisturbed

PACE = "--pause=0.05", "--interval=1s"
OPENMPI = """--host {hosts} -n 2 --map-by ppr:1:node:oversubscribe --prtemca plm_ssh_agent {agent}
  --prtemca prte_if_include 10.77.0.0/24 --mca pml ob1 --mca btl self,sm,tcp
  --mca btl_tcp_if_include 10.77.0.0/24 --mca mpi_yield_when_idle 1"""
MPICH = """-launcher ssh -launcher-exec {agent} -iface eth0 -hosts {hosts} -n 2
  -genv UCX_RNDV_THRESH 1000"""  # by itself it hangs in messages of some KiB: docs/limits.md


@pytest.fixture(scope="session")
def launcher():
    return find_launcher()


@contextlib.contextmanager
def running_machines(count):
    if (lacking := machines.missing()) is not None:
        pytest.fail(f"no hosts here: {lacking}")
    directory = Path(tempfile.mkdtemp(prefix="hosts-"))
    with machines.Machines(directory, count) as made:
        yield made
    shutil.rmtree(directory)


@pytest.fixture
def three_hosts():
    with running_machines(3) as made:
        yield made


@pytest.fixture
def five_hosts():
    with running_machines(5) as made:
        yield made


@pytest.fixture
def across(three_hosts, launcher):
    """The words that start a program on two ranks, one on each of the first two hosts."""
    return words_across(three_hosts, launcher, three_hosts.names)


def words_across(hosts, launcher, names):
    """The same, on the first two of these hosts: one rank on each."""
    listed = ",".join(f"{name}:1" for name in names)
    template = OPENMPI if launcher.name == "openmpi" else MPICH
    return [launcher.mpiexec, *template.format(hosts=listed, agent=hosts.agent).split()]


@pytest.fixture
def supervise(launcher, tmp_path):
    """Start paced.py, or another program, on the first two hosts, supervised on the host `on`."""
    jobs = []

    def supervise(hosts, names, on, *options, steps=0, program=None, **variables):
        words = words_across(hosts, launcher, names)
        variables["program"] = program or [PACED, f"--steps={steps}", *PACE]
        jobs.append(
            Supervised(hosts, words, launcher.environment, tmp_path, on, *options, **variables)
        )
        return jobs[-1]

    yield supervise
    for job in jobs:
        job.end()


@pytest.fixture(scope="session")
def expected(launcher, tmp_path_factory):
    """What paced.py writes when nothing happens to it, by the number of its steps."""
    known = {}

    def expected(steps):
        if steps not in known:
            known[steps] = undisturbed(launcher, tmp_path_factory.mktemp("quiet"), steps)
        return known[steps]

    return expected
