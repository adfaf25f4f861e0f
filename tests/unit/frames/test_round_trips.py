"""Nothing is left behind by a capture and a resume, be it of an exception or of arrays."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(("kind", "share"), [("plain", 1), ("throws", 5), ("array", 50)])
def test_round_trips_leave_nothing_behind(kind, share):
    count = max(int(os.environ.get("SAUERKRAUT_ROUND_TRIPS", "2000")) // share, 500)
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("round_trips.py"), str(count), kind],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
