"""Three hosts on this machine, and what starts two ranks on them."""

import shutil
import tempfile
from pathlib import Path

import pytest

from sauerkraut.testing import find_launcher
from tests.hosts import machines

OPENMPI = """--host {hosts} -n 2 --map-by ppr:1:node:oversubscribe --prtemca plm_ssh_agent {agent}
  --prtemca prte_if_include 10.77.0.0/24 --mca pml ob1 --mca btl self,sm,tcp
  --mca btl_tcp_if_include 10.77.0.0/24 --mca mpi_yield_when_idle 1"""
MPICH = "-launcher ssh -launcher-exec {agent} -iface eth0 -hosts {hosts} -n 2"


@pytest.fixture(scope="session")
def launcher():
    return find_launcher()


@pytest.fixture
def three_hosts():
    if (lacking := machines.missing()) is not None:
        pytest.fail(f"no hosts here: {lacking}")
    directory = Path(tempfile.mkdtemp(prefix="hosts-"))
    with machines.Machines(directory, 3) as made:
        yield made
    shutil.rmtree(directory)


@pytest.fixture
def across(three_hosts, launcher):
    """The words that start a program on two ranks, one on each of the first two hosts."""
    hosts = ",".join(f"{name}:1" for name in three_hosts.names)
    template = OPENMPI if launcher.name == "openmpi" else MPICH
    return [launcher.mpiexec, *template.format(hosts=hosts, agent=three_hosts.agent).split()]
