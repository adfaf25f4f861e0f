"""How often the bytes of a large array are copied: no more than the step's name says."""

import json
from pathlib import Path

from tests.processes import run_python

PROGRAM = Path(__file__).with_name("copies_of_arrays.py")
MIB = 64
EXPECTED = {
    "capture borrow": 0,
    "capture copy": 1,
    "to_buffers": 0,
    "from_buffers": 0,
    "resume": 1,
    "to_bytes": 1,
    "from_bytes": 0,
    "resume of bytes": 1,
}


def test_copies_of_an_array():
    told = json.loads(run_python(PROGRAM, MIB).stdout)
    for step, copies in told.items():
        name = step if step in EXPECTED else step.rpartition(" ")[0]
        assert abs(copies - EXPECTED[name]) <= 0.2, told
