"""Clusters, and jobs of the scripts in `jobs/` that run programs at a given pace."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from sauerkraut.testing import events, find_launcher
from tests.processes import run_python
from tests.slurm import cluster

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "tests" / "programs"
RANKS = 2
ENDS = ("COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED")


@pytest.fixture(scope="session")
def launcher():
    found = find_launcher()
    assert found.name == "openmpi", "srun --mpi=pmix starts ranks of Open MPI: run its environment"
    return found


@contextlib.contextmanager
def running_cluster(**options):
    if (lacking := cluster.missing()) is not None:
        pytest.fail(f"no Slurm here: {lacking}")
    directory = Path(tempfile.mkdtemp(prefix="slurm-"))
    directory.chmod(0o755)
    try:
        with cluster.Cluster(directory / "cluster", **options) as made:
            yield made
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def slurm(request):
    """The cluster of a module; its options are in the module's CLUSTER."""
    with running_cluster(**getattr(request.module, "CLUSTER", {})) as made:
        yield made


@pytest.fixture(scope="session")
def undisturbed(launcher, tmp_path_factory):
    """What paced.py computes in so many steps when nothing happens to it."""
    known = {}

    def run(steps):
        if steps not in known:
            directory = tmp_path_factory.mktemp("quiet")
            words = [sys.executable, PROGRAMS / "paced.py", f"--steps={steps}"]
            words += ["--pause=0", "--interval=1h"]
            subprocess.run(
                [*launcher.command(RANKS), *map(str, words)],
                cwd=directory,
                env={**os.environ, **launcher.environment},
                stdin=subprocess.DEVNULL,
                timeout=300,
                check=True,
            )
            known[steps] = (directory / "result").read_text()
        return known[steps]

    return run


@pytest.fixture
def submit(slurm, launcher, tmp_path):
    """Submit a script of `jobs/`; `mpi` is "srun" or "mpirun"."""
    made = []

    def submit(
        script,
        *options,
        mpi="srun",
        steps=200,
        pause=0.05,
        interval="3s",
        checkpoints="ckpt",
        program=(),
        filled=None,
        of="paced.py",
        **environment,
    ):
        paces = [f"--steps={steps}", f"--pause={pause}", f"--interval={interval}"]
        paces += [] if checkpoints is None else ["--dir", checkpoints]
        words = [sys.executable, PROGRAMS / of, *paces]
        made.append(Submitted(slurm, launcher, tmp_path, words))
        if filled is not None:
            script = made[-1].filled_in(filled)
        made[-1].start(script, options, mpi, program, environment)
        return made[-1]

    yield submit
    for job in made:
        slurm.run("scancel", job.number, check=False)
        job.wait_for(lambda job=job: not slurm.run("squeue", "-h", check=False).strip(), 60)


class Submitted:
    """One job of a script, in the test's directory."""

    def __init__(self, slurm, launcher, directory, program):
        self.slurm, self.launcher, self.directory = slurm, launcher, directory
        self.checkpoints = directory / "ckpt"
        self.program = program
        self.number = None

    def filled_in(self, words):
        """Path of what `sauerkraut slurm script` prints."""
        said = run_python("-m", "sauerkraut", "slurm", "script", *words, *self.program).stdout
        path = self.directory / "filled.sbatch"
        path.write_text(said)
        return path

    def start(self, script, options, mpi, program, environment):
        beside = str(Path(sys.executable).parent)
        variables = {
            "PATH": f"{beside}:{cluster.search_path()}",
            "SAUERKRAUT_SIGNAL_LATENCY": "0.2",
            **self.launcher.environment,
            **environment,
        }
        if mpi == "mpirun":
            variables["LAUNCHER"] = " ".join(self.launcher.command(RANKS))
        words = ["sbatch", "--parsable", "--output=job.log", *options, ROOT / "jobs" / script]
        said = self.slurm.run(*words, *self.program, *program, cwd=self.directory, **variables)
        self.number = said.strip()

    def said(self):
        files = sorted(self.directory.glob("*.log"))
        text = "\n".join(path.read_text(errors="replace") for path in files)
        return f"{self.slurm.run('scontrol', 'show', 'job', self.number, check=False)}\n{text}"

    def wait_for(self, condition, limit=90):
        deadline = time.monotonic() + limit
        while not condition():
            assert time.monotonic() < deadline, f"{self.said()}\n{self.slurm.logs()}"
            time.sleep(0.2)

    def wait_for_commit(self, directory="ckpt"):
        before = self.commits(directory)
        self.wait_for(lambda: self.commits(directory) > before or self.state() in ENDS)
        assert self.commits(directory) > before, self.said()

    def wait_for_start(self):
        """Wait until the ranks heed signals."""
        self.wait_for(lambda: self.count("start") or self.state() in ENDS)

    def commits(self, directory="ckpt"):
        return self.count("commit", directory)

    def restarts(self, directory="ckpt"):
        return self.count("restart", directory)

    def count(self, event, directory="ckpt"):
        return sum(each["event"] == event for each in events(self.directory / directory))

    def nodes(self):
        """Names of the nodes it has."""
        listed = self.slurm.job(self.number)["NodeList"]
        return self.slurm.run("scontrol", "show", "hostnames", listed).split()

    def state(self):
        return self.slurm.job(self.number).get("JobState", "gone")

    def wait_for_end(self, limit=240):
        """Wait until Slurm is done with it; its state, which is no COMPLETED without COMPLETE."""
        self.wait_for(lambda: self.state() in ENDS, limit)
        assert self.is_complete() or self.state() != "COMPLETED", self.said()
        return self.state()

    def ranks_on(self, node):
        """PIDs of the program's ranks there."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended
                variables = (process / "environ").read_bytes().split(b"\0")
                words = (process / "cmdline").read_bytes().split(b"\0")
                if f"SLURMD_NODENAME={node}".encode() in variables and words[0].endswith(b"python"):
                    found.append(int(process.name))
        return found

    def requeues(self):
        """How often Slurm started it again, as it says and as the last ranks were told."""
        count = int(self.slurm.job(self.number)["Restarts"])
        told = self.directory / "restart-count"
        assert not told.exists() or int(told.read_text()) <= count
        if self.state() == "COMPLETED" and told.exists():
            assert int(told.read_text()) == count
        return count

    def is_complete(self):
        return (self.checkpoints / "COMPLETE").exists()

    def result(self):
        return (self.directory / "result").read_text()
