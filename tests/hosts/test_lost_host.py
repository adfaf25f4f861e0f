"""`sauerkraut launch` on several hosts: one is lost, and a spare one takes its place."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sauerkraut.testing import events

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(600)]

PACED = Path(__file__).resolve().parents[1] / "programs" / "paced.py"


@pytest.fixture
def start(three_hosts, launcher, across, tmp_path):
    """Start paced.py on two ranks, on hosts 1 and 2, supervised on host 1."""
    jobs = []

    def start(*options, steps=400):
        program = [sys.executable, PACED, f"--steps={steps}", "--pause=0.05", "--interval=1s"]
        command = [*across, *program, "--dir", "ckpt"]
        supervisor = [sys.executable, "-m", "sauerkraut", "launch", *options, "--", *command]
        there = ["sh", "-c", 'cd "$0" && exec "$@"', tmp_path]  # another mount namespace: at /
        with (tmp_path / "output").open("ab") as out:
            jobs.append(
                subprocess.Popen(
                    three_hosts.on(three_hosts.names[0], *there, *supervisor),
                    env={**os.environ, **launcher.environment, "SAUERKRAUT_NODE_TIMEOUT": "10"},
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                )
            )
        return jobs[-1]

    yield start
    for job in jobs:
        if job.poll() is None:
            job.send_signal(signal.SIGKILL)
        job.wait()


def wait_for_commit(job, directory):
    deadline = time.monotonic() + 120
    while not any(each["event"] == "commit" for each in events(directory / "ckpt")):
        assert job.poll() is None, said(directory)
        assert time.monotonic() < deadline, said(directory)
        time.sleep(0.1)


def said(directory):
    return (directory / "output").read_text(errors="replace")


@pytest.mark.parametrize("fault", ["kill", "cut"])
def test_a_lost_host_is_left_out(three_hosts, launcher, start, tmp_path, fault):
    """MPICH does not notice a cut cable by itself: the beats of the host are missing."""
    job = start()
    wait_for_commit(job, tmp_path)
    getattr(three_hosts, fault)(three_hosts.names[1])

    assert job.wait(400) == 0, said(tmp_path)
    assert f"do not answer, left out: {three_hosts.names[1]}" in said(tmp_path)
    assert any(each["event"] == "restart" for each in events(tmp_path / "ckpt"))

    words = [sys.executable, str(PACED), "--steps=400", "--pause=0", "--interval=1h"]
    quiet = tmp_path / "quiet"
    quiet.mkdir()
    subprocess.run(
        [*launcher.command(2), *words],
        cwd=quiet,
        env={**os.environ, **launcher.environment},
        stdin=subprocess.DEVNULL,
        timeout=300,
        check=True,
    )
    assert (tmp_path / "result").read_text() == (quiet / "result").read_text()
