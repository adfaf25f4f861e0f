"""`sauerkraut run`: programs that know nothing of checkpoints, killed and brought back."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sauerkraut.cli.resume import newest_manifest
from sauerkraut.testing import Job, events, kill_and_resume
from tests.processes import run

pytestmark = pytest.mark.job

UNMODIFIED = Path(__file__).resolve().parents[1] / "programs" / "unmodified"
RUN = [sys.executable, "-m", "sauerkraut", "run", "--dir", "ckpt"]
SOON = {"PYTHONHASHSEED": "0", "SAUERKRAUT_SIGNAL_LATENCY": "0.1", "SAUERKRAUT_GIVE_UP": "40"}
LIMIT = 120
STEP = "print(step, *(repr(body.x)"


def line_of(program, text):
    lines = (UNMODIFIED / program).read_text().splitlines()
    return next(i for i, line in enumerate(lines, 1) if line.strip().startswith(text))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The programs, in the test's directory."""
    shutil.copytree(UNMODIFIED, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start(*words, environment=(), **options):
    environment = {**SOON, **dict(environment)}
    return run(*words, environment=environment, timeout=LIMIT, check=False, **options)


def bodies(*options, at=None, steps=20):
    at = at or f"bodies.py:{line_of('bodies.py', STEP)}"
    return start(*RUN, "--every=0.05s", "--at", at, *options, "bodies.py", f"--steps={steps}")


def killed_after_commits(commits, words):
    """Start a program of one process and kill it once it has committed so often."""
    before = len(events("ckpt")) if Path("ckpt").exists() else 0
    with subprocess.Popen(
        words, env={**os.environ, **SOON}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as process:
        deadline = time.monotonic() + LIMIT
        while not Path("ckpt").exists() or (
            sum(each["event"] == "commit" for each in events("ckpt")[before:]) < commits
        ):
            assert process.poll() is None, "it ended before it was killed"
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)


def said_by_the_program(name):
    """The lines of a file but those that sauerkraut logs, through the program's own handler."""
    lines = Path(name).read_bytes().splitlines(keepends=True)
    return [line for line in lines if not line.startswith(b"sauerkraut ")]


@pytest.mark.timeout(300)
def test_killed_four_times_and_equal(here):
    undisturbed = start(sys.executable, "bodies.py", "--steps=400")
    expected = {name: said_by_the_program(name) for name in ("bodies.log", "bodies.messages")}
    for name in expected:
        Path(name).unlink()
    place = f"bodies.py:{line_of('bodies.py', STEP)}"
    words = [*RUN, "--every=0.2s", "--at", place, "bodies.py", "--steps=400", "--pause=0.01"]

    for _ in range(4):
        killed_after_commits(2, words)
    done = start(*words)

    assert done.returncode == 0, done.stderr
    assert done.stdout == undisturbed.stdout
    assert {name: said_by_the_program(name) for name in expected} == expected
    assert Path("ckpt/COMPLETE").exists()
    assert start(*words).stdout == ""  # it has finished, and is not run again


def test_the_program_finds_what_it_finds_under_python(here):
    plain = start(sys.executable, "bodies.py", "--steps=3")
    under = bodies(steps=3)
    assert under.stderr == plain.stderr
    assert under.stdout == plain.stdout
    assert under.returncode == plain.returncode == 0


def test_its_exit_status_is_the_program_s(here):
    done = bodies(steps=13)
    assert done.returncode == 3
    assert not Path("ckpt/COMPLETE").exists()


def test_its_error_is_the_program_s(here):
    Path("bodies.py").write_text("def f(x):\n    return 1 / x\n\n\nf(1)\nf(0)\n")
    done = bodies(at="bodies.py:f")
    assert done.returncode == 1
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert f'File "{here}/bodies.py", line 2, in f' in done.stderr


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("program", "at"),
    [("ring.py", "smoothing:smooth"), ("halo.py", "halo.py:20")],
    ids=["in a module", "persistent requests and a file of MPI"],
)
def test_ranks_are_killed(here, launcher, program, at):
    def job(steps, out):
        words = [*RUN, "--every=0.1s", f"--at={at}", program, steps, out]
        return Job(launcher, 4, words, cwd=here, output=here / "output", environment=SOON)

    with Job(
        launcher,
        4,
        [sys.executable, program, "400", "plain.npy"],
        cwd=here,
        output=here / "plain",
    ) as undisturbed:
        assert undisturbed.wait(LIMIT) == 0

    kill_and_resume(
        lambda: job("400", "out.npy"), here / "ckpt", random.Random(5), victim="all", inside=0
    )

    assert Path("out.npy").read_bytes() == Path("plain.npy").read_bytes()
    assert (here / "plain").read_text().strip() in (here / "output").read_text()


def stopped(here):
    """A run of bodies.py that was stopped by a signal after some steps."""
    place = f"bodies.py:{line_of('bodies.py', STEP)}"
    words = [*RUN, "--every=1h", "--at", place, "bodies.py", "--steps=500", "--pause=0.01"]
    with subprocess.Popen(words, env={**os.environ, **SOON}, stdin=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + LIMIT
        while not Path("bodies.log").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGUSR1)
        assert process.wait(LIMIT) == 85
    return words


def test_a_comment_moves_the_line_and_nothing_else(here):
    words = stopped(here)
    source = Path("bodies.py").read_text()
    Path("bodies.py").write_text(source.replace("ABSENT = ", "# a comment\nABSENT = "))
    again = start(*words)
    assert again.returncode == 0, again.stderr
    assert len(Path("bodies.log").read_text().splitlines()) == 500


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("self.x += self.v * dt", "self.x += self.v * dt * 2"), "Body.move()"),
        pytest.param(
            ("state = np.zeros((3, 4))", "state = np.zeros((3, 5))"),
            "the module's body",
            marks=pytest.mark.thorough,
        ),
    ],
)
def test_a_changed_program_is_refused(here, change, message):
    words = stopped(here)
    source = Path("bodies.py").read_text()
    Path("bodies.py").write_text(source.replace(*change))
    again = start(*words)
    assert again.returncode == 87
    assert f"has changed since the epoch: {message}" in again.stderr
    assert "--fresh" in again.stderr
    fresh = start(*words[:6], "--fresh", *words[6:-1], "--pause=0")
    assert fresh.returncode == 0, fresh.stderr


def test_other_arguments_are_refused(here):
    words = stopped(here)
    again = start(*words[:-2], "--steps=2")
    assert again.returncode == 87
    assert "('--steps=500', '--pause=0.01') then" in again.stderr
    assert "--fresh starts anew" in again.stderr


def test_other_safepoints_than_those_of_the_epoch_are_told_once(here):
    words = stopped(here)
    then = words[words.index("--at") + 1]
    now = f"bodies.py:{line_of('bodies.py', 'advance(bodies, 0.01)')}"

    other = start(*(now if each == then else each for each in words))
    assert other.returncode == 0, other.stderr
    told = f"the newest epoch was taken with --at {then}, this start says --at {now}: bodies.py "
    assert other.stderr.count(told) == 1
    recorded = newest_manifest(Path("ckpt")).about.more["safepoints"]
    assert {each["wanted"] for each in recorded} == {then, now}  # the next start is told as well
    assert len(Path("bodies.log").read_text().splitlines()) == 500


def test_the_same_safepoint_by_other_words_is_none_to_tell(here):
    words = stopped(here)
    source = Path("bodies.py").read_text()
    Path("bodies.py").write_text(source.replace("ABSENT = ", "# a comment\nABSENT = "))
    place = words[words.index("--at") + 1]
    moved = f"./bodies.py:{int(place.partition(':')[2]) + 1}"
    again = start(*(moved if each == place else each for each in words))
    assert again.returncode == 0, again.stderr
    assert "this start says" not in again.stderr


def test_an_epoch_of_another_kind_of_start_is_refused(here):
    Path("main.py").write_text(
        "import sauerkraut as skt\nskt.Checkpointer('ckpt', interval=None).run(lambda: 1)\n"
    )
    assert start(sys.executable, "main.py").returncode == 0
    done = bodies()
    assert done.returncode == 87
    assert "a program that calls Checkpointer.run wrote it" in done.stderr


def test_without_a_safepoint_it_shows_the_loops(here):
    done = start(*RUN, "bodies.py")
    assert done.returncode == 2
    assert f"--at bodies.py:{line_of('bodies.py', 'advance(bodies, 0.01)')}" in done.stderr
    assert not Path("ckpt").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--at", "bodies.py:1"], "no statement starts there"),
        (
            ["--at", f"bodies.py:{line_of('bodies.py', 'def advance')}"],
            "inside of it: --at bodies.py:",
        ),
        (["--at", "nothing.py:1"], "nothing.py: No such file"),
        (["--at", "bodies:nothing"], "has no function 'nothing'"),
        (["--at", "bodies"], "FILE:LINE or module:function"),
        (["--every", "soon", "--at", "bodies:advance"], "soon"),
    ],
)
def test_what_means_nothing_is_a_usage_error(here, words, message):
    done = start(*RUN, *words, "bodies.py")
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert not Path("ckpt").exists()


def test_a_safepoint_that_was_never_met_is_told(here):
    done = start(*RUN, "--at=absent:f", "bodies.py", "--steps=2")
    assert done.returncode == 0
    assert "--at absent:f: no such module was loaded" in done.stderr


OTHERS = """\
import os
import sys
from pathlib import Path

sys.path.append(Path("lib"))  # which means nothing
os.makedirs("elsewhere")
os.chdir("elsewhere")
import smoothing


def step(i): global total; total += i


total = 0
for i in range(5):
    step(i)
print(total, sys.argv)
"""


@pytest.mark.parametrize("at", ["others.py:16", "others.py:step", "others:step"])
def test_odd_things_that_programs_do(here, at):
    Path("others.py").write_text(OTHERS)
    done = start(*RUN[:-1], here / "ckpt", "--every=0.0001s", "--at", at, "others.py", "--", "a")
    assert (done.returncode, done.stdout) == (0, "10 ['others.py', '--', 'a']\n"), done.stderr
    assert len([each for each in events("ckpt") if each["event"] == "commit"]) > 1


REFUSED = """\
import socket

held = socket.socket()


def work(n):
    connection = socket.socket()
    for i in range(n):
        connection.fileno()


work(3)
held.close()
"""


def test_a_dry_run_names_every_variable(here):
    Path("refused.py").write_text(REFUSED)
    words = [*RUN, "--dry-run", "--at=refused.py:9"]

    told = start(*words, "refused.py")
    assert told.returncode == 1
    assert "work() -> local 'connection': socket.socket cannot be captured" in told.stdout
    assert "item 'held': socket.socket cannot be captured" in told.stdout
    assert not Path("ckpt").exists()

    good = start(*words, "--json", "--exclude=held", "--exclude=connection", "refused.py")
    assert good.returncode == 0
    assert json.loads(good.stdout)["refused"] == {}


TABLES = """\
import json.decoder as package

held = {"table": package.BACKSLASH}
for i in range(3):
    print(held["table"]["n"])
"""


def test_a_dry_run_names_what_belongs_to_packages(here):
    Path("tables.py").write_text(TABLES)
    words = [*RUN, "--dry-run", "--at=tables.py:5"]
    done = start(*words, "--json", "tables.py")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["copied"] == ["json.decoder.BACKSLASH"]
    assert "json.decoder.BACKSLASH belongs to a package" in start(*words, "tables.py").stdout


def test_a_dry_run_on_ranks(here, launcher):
    words = [*RUN, "--dry-run", "--at=smoothing:smooth", "ring.py", "5", "out.npy"]
    with Job(launcher, 3, words, cwd=here, output=here / "output", environment=SOON) as job:
        status = job.wait(LIMIT)
    assert (status, Path("ckpt").exists(), Path("out.npy").exists()) == (0, False, False)
    assert "all can be captured" in job.said()
    assert "3 ranks" in job.said()


def test_the_doctor_looks_at_a_program(here, launcher):
    Path("refused.py").write_text(REFUSED)
    doctor = [sys.executable, "-m", "sauerkraut", "doctor", "--json"]

    told = start(*doctor, "refused.py")
    checks = {each["name"]: each for each in json.loads(told.stdout)["checks"]}
    assert told.returncode == 1
    assert "local 'connection'" in checks["refused.py, rank 0"]["text"] + told.stdout

    words = ["--launcher", " ".join(launcher.command(2)[:-2]), "--ranks=2", "--at=smoothing:smooth"]
    good = start(*doctor, *words, "ring.py", "5", "out.npy", environment=launcher.environment)
    checks = {each["name"]: each for each in json.loads(good.stdout)["checks"]}
    assert checks["ring.py"]["state"] == "good", checks
