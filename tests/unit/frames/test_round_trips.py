"""Nothing is left behind by a capture and a resume, be it of an exception or of arrays."""

import os
from pathlib import Path

import pytest

from tests.processes import run_python


@pytest.mark.parametrize(("kind", "share"), [("plain", 1), ("throws", 5), ("array", 50)])
def test_round_trips_leave_nothing_behind(kind, share):
    count = max(int(os.environ.get("SAUERKRAUT_ROUND_TRIPS", "2000")) // share, 500)
    run_python(Path(__file__).with_name("round_trips.py"), count, kind, timeout=1500)
