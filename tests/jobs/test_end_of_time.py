"""`interval="auto"`: a job checkpoints and stops before its time is over."""

import os
import subprocess
import sys
import time

import pytest

from sauerkraut.testing import events

pytestmark = [pytest.mark.job, pytest.mark.thorough]

PROGRAM = """\
import time
import sauerkraut as skt


def work(steps):
    for step in range(steps):
        ckpt.poll(step)
        time.sleep(0.005)
    return step


ckpt = skt.Checkpointer("ckpt", interval="auto")
print(ckpt.run(work, 3000))
"""


def test_a_job_stops_before_its_end_and_goes_on(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    soon = {"SAUERKRAUT_SIGNAL_LATENCY": "0.1", "SAUERKRAUT_RESERVE": "20", "PYTHONHASHSEED": "0"}

    def start(**environment):
        return subprocess.run(
            [sys.executable, "program.py"],
            cwd=tmp_path,
            env={**os.environ, **soon, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    stopped = start(SAUERKRAUT_END_TIME=str(time.time() + 30))
    assert (stopped.returncode, stopped.stdout) == (85, ""), stopped.stderr
    assert [each["event"] for each in events(tmp_path / "ckpt")][-2:] == ["commit", "stop"]

    done = start()
    assert (done.returncode, done.stdout) == (0, "2999\n"), done.stderr
    assert "restart 1" in done.stderr
