"""SIGKILL at random moments, again and again: the examples end with the bytes of a quiet run.

KILLS in the environment is how many kills to count at least, over all programs and victims.
"""

import json
import math
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import pytest

from sauerkraut.testing import Job, events, find_launcher, histogram, kill_and_resume

pytestmark = pytest.mark.job

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("KILLS", "18"))
CHAIN = 3 if KILLS < 60 else 5
ENVIRONMENT = {"PYTHONHASHSEED": "0", "SAUERKRAUT_SIGNAL_LATENCY": "0.1"}
NOBODY = 65534
PROGRAMS = {
    "heat2d": (["examples/heat2d.py", "--size=256", "--steps=8000"], ["heat2d.npy", "heat2d.log"]),
    "nbody": (["examples/nbody.py", "--size=200", "--steps=3000"], ["nbody.npy", "nbody.txt"]),
    "late_save": (["tests/programs/late_save.py"], ["late_save.txt"]),
}
VICTIMS = ("rank", "all", "mpiexec")
SEEDS = range(math.ceil(KILLS / (CHAIN * len(VICTIMS) * 2)))


class Program:
    """One of PROGRAMS in a directory of its own."""

    def __init__(self, name, launcher, directory, **options):
        (script, *words), self.results = PROGRAMS[name]
        self.command = [sys.executable, str(ROOT / script), *words, "--dir=ckpt"]
        self.launcher, self.directory, self.options = launcher, Path(directory), options
        self.checkpoints = self.directory / "ckpt"

    def start(self, *, interval="0.2s", environment=ENVIRONMENT):
        return Job(
            self.launcher,
            4,
            [*self.command, f"--interval={interval}"],
            cwd=self.directory,
            output=self.directory / "output.txt",
            environment=environment,
            **self.options,
        )

    def finish(self, **options):
        with self.start(**options) as job:
            job.wait(300)
        assert (self.checkpoints / "COMPLETE").exists(), job.said()

    def bytes(self):
        return {name: (self.directory / name).read_bytes() for name in self.results}


@pytest.fixture(scope="module")
def launcher():
    return find_launcher()


@pytest.fixture
def scratch():
    """A directory that another user may be given: pytest's own are closed to them."""
    made = Path(tempfile.mkdtemp(prefix="sauerkraut-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def undisturbed(launcher, tmp_path_factory):
    """The bytes that a program leaves when it runs in one go, without a checkpoint on the way."""
    known = {}

    def run(name):
        if name not in known:
            program = Program(name, launcher, tmp_path_factory.mktemp(name))
            program.finish(interval="1h")
            known[name] = program.bytes()
        return known[name]

    return run


@pytest.fixture(scope="module")
def ledger():
    """Every counted kill of this module."""
    return []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("name", ["heat2d", "nbody"])
def test_chain_of_kills(name, victim, seed, launcher, undisturbed, ledger, tmp_path):
    program = Program(name, launcher, tmp_path)
    chance = random.Random(f"{name} {victim} {seed}")
    outlives = launcher.name == "openmpi" and victim == "mpiexec"  # and ends its checkpoint

    kills = kill_and_resume(
        program.start,
        program.checkpoints,
        chance,
        victim=victim,
        kills=CHAIN,
        inside=0 if outlives else 2 if launcher.name == "openmpi" else 1,
    )
    ledger += kills

    assert len(kills) >= CHAIN  # each restarted from a newer epoch than the one before
    assert program.bytes() == undisturbed(name)


def test_the_kills_are_as_many_as_asked_for_and_a_third_fell_into_a_checkpoint(
    ledger, launcher, record_property
):
    record_property("drawn", histogram(ledger))
    assert len(ledger) >= KILLS
    counted = [kill for kill in ledger if (launcher.name, kill.victim) != ("openmpi", "mpiexec")]
    assert 3 * sum(kill.inside for kill in counted) >= len(counted)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_kill_between_the_return_of_run_and_the_save(launcher, tmp_path):
    program = Program("late_save", launcher, tmp_path)
    with program.start() as job:
        wait_for(tmp_path / "returned", job)  # rank 0 sleeps after run() has returned
        job.kill("all", random.Random(1))
        job.wait(60)
    assert not (tmp_path / "late_save.txt").exists()

    (tmp_path / "save").touch()
    program.finish()

    assert program.bytes() == {"late_save.txt": b"computed 1 times: 4950\n"}


@pytest.mark.thorough
@pytest.mark.timeout(600)
def test_chain_of_kills_as_an_ordinary_user(launcher, undisturbed, ledger, scratch):
    options = {}  # somebody who is not root already runs every test here as such a user
    if os.getuid() == 0:
        os.chown(scratch, NOBODY, NOBODY)
        options = {"under": as_ordinary_user(scratch), "user": NOBODY}
    program = Program("heat2d", launcher, scratch, **options)

    ledger += kill_and_resume(
        program.start, program.checkpoints, random.Random(5), victim="all", kills=2, inside=1
    )

    assert program.bytes() == undisturbed("heat2d")
    status = program.checkpoints.stat()
    assert (status.st_mode & 0o777, status.st_uid) == (0o700, options.get("user", os.getuid()))


def as_ordinary_user(scratch):
    """Words that become NOBODY, for whom a Python below a closed home directory is opened.

    Only in a mount namespace of that one job: the home becomes an empty directory with the way to
    Python bound into it.
    """
    become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    base = Path(sys.base_prefix).resolve()
    closed = [each for each in base.parents if not each.stat().st_mode & 0o001]
    if not closed:
        return become
    home, way = closed[-1], scratch / "python"
    way.mkdir()
    script = '''set -e; way=$1 home=$2 base=$3; shift 3
mount --bind "$base" "$way"; mount -t tmpfs -o mode=755 none "$home"
mkdir -p "$base"; mount --bind "$way" "$base"; exec "$@"'''
    namespace = ["unshare", "--mount", "sh", "-c", script, "sh", way, home, base]
    return [*map(str, namespace), *become]


@pytest.mark.thorough
@pytest.mark.timeout(300)
def test_a_start_that_takes_over_fences_the_one_that_still_runs(launcher, undisturbed, tmp_path):
    program = Program("nbody", launcher, tmp_path)
    with program.start() as old:
        wait_for_commit(program.checkpoints, old)
        owner = json.loads((program.checkpoints / "OWNER").read_bytes())["incarnation"]
        program.finish(environment={**ENVIRONMENT, "SAUERKRAUT_TAKE_OVER": owner})
        status = old.wait(60)

    assert program.bytes() == undisturbed("nbody")
    assert (status, "Superseded" in old.said()) == (87, True), old.said()
    by = {event["incarnation"] for event in events(program.checkpoints)}
    assert len(by) == 2  # nobody else ever wrote here


def wait_for_commit(checkpoints, job):
    deadline = time.monotonic() + 60
    while not any(event["event"] == "commit" for event in events(checkpoints)):
        assert job.status is None, job.said()
        assert time.monotonic() < deadline, job.said()
        time.sleep(0.02)


def wait_for(path, job):
    deadline = time.monotonic() + 60
    while not path.exists():
        assert job.status is None, job.said()
        assert time.monotonic() < deadline, f"{path} never appeared:\n{job.said()}"
        time.sleep(0.01)
