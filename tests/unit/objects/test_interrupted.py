"""An interrupt or a lack of memory at any place of a capture or resume leaves a healthy program."""

from pathlib import Path

import pytest

from tests.processes import run_python

# Every place takes minutes: `python tests/unit/objects/interrupted.py trace capture 1`.
STRIDE = {"trace": 67, "memory": 41, "signal": 17}


@pytest.mark.parametrize("what", ["capture", "resume"])
@pytest.mark.parametrize("way", list(STRIDE))
def test_interrupted_anywhere(way, what):
    if way == "memory":
        pytest.importorskip("_testcapi", reason="missing: a CPython built with its test modules")
    script = Path(__file__).with_name("interrupted.py")
    done = run_python("-X", "faulthandler", script, way, what, STRIDE[way], timeout=100)
    seen, _, growth = done.stdout.rpartition("grown by")
    assert "'interrupted'" in seen
    assert int(growth) <= 20, done.stdout
