"""Beyond 2 GiB, where offsets of 32 bits end."""

from pathlib import Path

import pytest

from tests.processes import run_python

pytestmark = [pytest.mark.job, pytest.mark.thorough, pytest.mark.slow]


def test_a_block_beyond_two_gibibytes():
    program = Path(__file__).with_name("large_block.py")
    assert run_python(program, timeout=1200).stdout == "resumed\n"
