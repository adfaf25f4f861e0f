"""`sauerkraut request` of a running job, alone and under `sauerkraut launch`."""

import json

import pytest

from tests.jobs.supervised import Supervised
from tests.processes import run_python

pytestmark = [pytest.mark.job, pytest.mark.timeout(300)]


@pytest.fixture
def job(launcher, tmp_path):
    with Supervised(launcher, tmp_path, interval="1h", steps=2_000_000) as job:
        job.wait_for_start()
        yield job


def test_a_checkpoint_on_request_and_then_a_stop(job):
    first = run_python("-m", "sauerkraut", "request", "--json", job.checkpoints, timeout=120)
    assert json.loads(first.stdout)["epoch"]["number"] == 1
    assert "asked the job of pid" in first.stderr
    assert job.process.poll() is None

    second = run_python("-m", "sauerkraut", "request", "--stop", job.checkpoints, timeout=120)
    assert second.stdout.startswith("epoch 2, step ")
    assert job.wait() == 85, job.said()  # a supervisor does not start it again
    assert "stopped by a request" in job.said()
