"""An interrupt or a lack of memory at any place of a capture or resume leaves a healthy program."""

import subprocess
import sys
from pathlib import Path

import pytest

# Every place takes minutes: `python tests/unit/objects/interrupted.py trace capture 1`.
STRIDE = {"trace": 67, "memory": 41, "signal": 17}


@pytest.mark.parametrize("what", ["capture", "resume"])
@pytest.mark.parametrize("way", list(STRIDE))
def test_interrupted_anywhere(way, what):
    if way == "memory":
        pytest.importorskip("_testcapi")
    script = Path(__file__).with_name("interrupted.py")
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", script, way, what, str(STRIDE[way])],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen, _, growth = done.stdout.rpartition("grown by")
    assert "'interrupted'" in seen
    assert int(growth) <= 20, done.stdout
