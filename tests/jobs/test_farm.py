"""examples/farm.py, as a reader types it, killed and started again on fewer ranks."""

import random
import sys
import time
from pathlib import Path

import pytest

from sauerkraut.launch.progress import newest_epoch
from sauerkraut.testing import Job

pytestmark = pytest.mark.job
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "farm.py"
WORDS = "--dir=farm", "--queens=12", "--every=0.2s"
LIMIT = 120  # seconds that a job may take


def test_it_goes_on_on_fewer_ranks_and_checks_itself(launcher, tmp_path):
    words = [sys.executable, str(EXAMPLE), *WORDS]
    output = tmp_path / "output"
    with Job(launcher, 3, words, cwd=tmp_path, output=output) as job:
        while job.status is None and not newest_epoch(tmp_path / "farm"):
            time.sleep(0.01)
        assert job.status is None, job.said()
        job.kill("rank", random.Random(1))
    with Job(launcher, 2, words, cwd=tmp_path, output=output) as job:
        assert job.wait(LIMIT) == 0, job.said()
    said = output.read_text()
    assert "stored by 3 ranks, on 2" in said
    assert "12 queens: 14200 ways, as is known" in said
