"""What launch reads out of a command line, and what it changes in it."""

from pathlib import Path

import pytest

from sauerkraut.launch.command import Command
from sauerkraut.launch.hosts import Hosts


@pytest.fixture
def launcher(tmp_path):
    """A launcher that says whose it is, as the real ones do."""

    def make(version, name="mpirun"):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\necho '{version}'\n")
        path.chmod(0o755)
        return str(path)

    return make


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("mpirun (Open MPI) 4.1.4", "openmpi"),
        ("prterun (PRRTE) PRTE 3.0.1", "openmpi"),
        ("HYDRA build details: Version: 4.0.2", "hydra"),
    ],
)
def test_the_launcher_says_whose_it_is(launcher, version, kind):
    command = Command.of(
        ["env", "A=1", launcher(version), "-np", "4", "python3.11", "x.py", "-n", "9"]
    )

    assert (command.kind, command.launcher, command.ranks) == (kind, 2, 4)


def test_srun_and_no_launcher():
    assert Command.of(["srun", "--mpi=pmix", "--ntasks=8", "python", "x.py"]).ranks == 8
    assert Command.of(["srun", "python", "x.py"]).kind == "srun"
    assert Command.of(["python", "mpirun.py"]).kind == "none"
    assert Command.of(["python", "x.py"]).ranks == 1


def test_several_programs_do_not_tell_the_number_of_ranks(launcher):
    words = [launcher("Open MPI"), "-n", "2", "python", "a.py", ":", "-n", "3", "python", "b.py"]

    assert Command.of(words).ranks is None


@pytest.mark.parametrize("words", [["-n", "4"], ["--np=4"]])
def test_it_can_start_fewer_ranks(launcher, words):
    command = Command.of([launcher("HYDRA"), *words, "python", "x.py", "-n", "4"])
    fewer = command.with_ranks(3)
    assert (command.ranks, fewer.ranks) == (4, 3)
    assert fewer.words[-3:] == ("x.py", "-n", "4")
    assert fewer.probe().ranks == 1


@pytest.mark.parametrize(
    ("words", "fewer"),
    [
        (["--nodes=3", "-n", "6"], ["--nodes=2", "-n", "4"]),
        (["-N3", "-n6"], ["-N2", "-n4"]),
        (["-N", "3"], ["--ntasks=4", "-N", "2"]),
        ([], ["--nodes=2", "--ntasks=4"]),
    ],
)
def test_srun_can_start_fewer_ranks_on_fewer_nodes(words, fewer):
    command = Command.of(["srun", *words, "python", "x.py", "-n", "6"])
    left = command.with_nodes(2, 4, ["n1", "n3"])
    assert left.words == ("srun", "--exclude=n1,n3", *fewer, "python", "x.py", "-n", "6")


@pytest.mark.parametrize("words", [["--dir", "x/ckpt"], ["--dir=x/ckpt"]])
def test_the_program_tells_its_directory(words):
    assert Command.of(["python", "p.py", *words, "--n=1"]).directory == Path("x/ckpt")
    assert Command.of(["python", "p.py", "--dir", "first", *words]).directory == Path("x/ckpt")
    assert Command.of(["python", "p.py"]).directory is None


def test_open_mpi_is_told_which_variables_other_hosts_need(launcher):
    mpirun = launcher("Open MPI")
    command = Command.of([mpirun, "-x", "B=2", "-n", "2", "python", "x.py", "-x", "A"])

    words = command.with_variables(["A", "B"]).words

    assert words[:3] == (mpirun, "-x", "A")
    assert words[3:] == command.words[1:]


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("Open MPI", ["--host", "a:2,b:2,c"]),
        ("Open MPI", ["--host=a:2,b:2,c"]),
        ("HYDRA", ["-hosts", "a:2,b:2,c"]),
    ],
)
def test_a_host_is_left_out_of_a_list(launcher, tmp_path, version, words):
    command = Command.of([launcher(version), *words, "-n", "3", "python", "x.py"])
    hosts = Hosts.of(command)

    assert [(host.name, host.slots) for host in hosts.entries] == [("a", 2), ("b", 2), ("c", 1)]
    assert hosts.has_spares(3)
    assert not hosts.has_spares(5)
    left = hosts.without({"b"})
    assert [left.ranks_left(ranks, hosts) for ranks in (2, 3, 5, 10)] == [2, 3, 3, 6]
    rest = left.put_into(command, tmp_path).words
    assert rest[1:] == (words[0].partition("=")[0], "a:2,c", "-n", "3", "python", "x.py")


@pytest.mark.parametrize(
    ("version", "lines"),
    [
        ("Open MPI", ["a slots=2 max_slots=4", "# none", "", "b slots=1"]),
        ("HYDRA", ["a:2", "# none", "b"]),
    ],
)
def test_a_host_is_left_out_of_a_file(launcher, tmp_path, version, lines):
    file = tmp_path / "hosts"
    file.write_text("\n".join(lines) + "\n")
    option = "--hostfile" if version == "Open MPI" else "-f"
    command = Command.of([launcher(version), option, str(file), "-n", "1", "python", "x.py"])
    hosts = Hosts.of(command)

    assert [(host.name, host.slots) for host in hosts.entries] == [("a", 2), ("b", 1)]
    words = hosts.without({"a"}).put_into(command, tmp_path).words
    assert Path(words[2]).read_text() == f"{lines[-1]}\n"


def test_no_host_is_probed_where_the_program_is_not_known(launcher):
    words = [launcher("Open MPI"), "--host", "a,b,c", "-n", "2", "./heat", "-f", "input"]

    assert Hosts.of(Command.of(words)) is None


def test_a_probe_starts_true_where_the_program_would_start(launcher):
    mpirun = launcher("Open MPI")
    command = Command.of([mpirun, "--host", "a", "-n", "3", "numactl", "-l", "python", "x.py"])

    words = (mpirun, "--host", "a", "-n", "1", "numactl", "-l", "true")
    assert command.probe().words == words
