"""Jobs of 1 to 8 ranks, and of 64, are killed and resumed, and end with the sum of a quiet run."""

import random
import re
import sys
from pathlib import Path

import pytest

from sauerkraut.testing import Job, events, kill_and_resume

pytestmark = [pytest.mark.job, pytest.mark.thorough, pytest.mark.slow]

PROGRAMS = Path(__file__).resolve().parents[1] / "programs"
PACED = PROGRAMS / "paced.py"


@pytest.fixture
def start(launcher, tmp_path):
    def start(name, ranks, steps, interval):
        directory = tmp_path / name
        directory.mkdir(exist_ok=True)
        words = [f"--steps={steps}", f"--interval={interval}"]
        return Job(
            launcher,
            ranks,
            [sys.executable, str(PACED), *words],
            cwd=directory,
            output=directory / "output",
            environment={"SAUERKRAUT_SIGNAL_LATENCY": "0.1"},
        )

    return start


def end_as_if_undisturbed(start, directory, ranks, *, steps, victim, kills, patience):
    with start("quiet", ranks, steps, "1h") as job:
        job.wait(patience)
        quiet = (directory / "quiet" / "result").read_text()

    done = kill_and_resume(
        lambda: start("killed", ranks, steps, "0.2s"),
        directory / "killed" / "ckpt",
        random.Random(ranks),
        victim=victim,
        kills=kills,
        inside=0,
        patience=patience,
    )

    assert len(done) >= kills  # each was followed by a restart that got further
    assert quiet.endswith(f" on {ranks}\n")
    assert (directory / "killed" / "result").read_text() == quiet


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("ranks", "victim"), [(1, "rank"), (2, "rank"), (3, "rank"), (8, "rank"), (8, "mpiexec")]
)
def test_a_job_of_few_ranks(start, tmp_path, ranks, victim):
    end_as_if_undisturbed(start, tmp_path, ranks, steps=150, victim=victim, kills=2, patience=300)


@pytest.mark.timeout(900)
def test_a_job_of_64_ranks(start, launcher, tmp_path):
    if launcher.name == "openmpi":
        pytest.skip("missing: MPICH, here Open MPI runs: `make test-all` runs 64 ranks on MPICH")
    end_as_if_undisturbed(start, tmp_path, 64, steps=60, victim="rank", kills=1, patience=400)
    restarts = [each for each in events(tmp_path / "killed" / "ckpt") if each["event"] == "restart"]
    assert len(restarts) == 1


@pytest.mark.timeout(900)
def test_messages_between_neighbours_of_65_ranks_come_back(on_ranks, launcher):
    if launcher.name == "openmpi":
        pytest.skip("missing: MPICH, here Open MPI runs: `make test-all` runs 65 ranks on MPICH")
    program, ranks = PROGRAMS / "held_back.py", 65
    assert on_ranks(ranks, program, environment={"KILL_AT": "1"}, timeout=400).returncode != 0
    done = on_ranks(ranks, program, timeout=400)
    said = re.findall(r"rank (\d+): .*received: from (\d+)", done.stdout)
    expected = {(str(rank), str((rank - 1) % ranks)) for rank in range(ranks)}
    assert set(said) == expected, done.stderr
