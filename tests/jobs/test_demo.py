"""`make demo`, smaller: its exit status is its verdict."""

import shutil
from pathlib import Path

import pytest

from tests.processes import run_python

pytestmark = pytest.mark.job

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_demo_passes_and_draws(tmp_path):
    out = tmp_path / "out"
    demo = run_python(
        EXAMPLES / "demo.py",
        "--size=192",
        "--steps=4000",
        "--seed=3",
        f"--out={out}",
        timeout=280,
    )
    assert demo.stdout.rstrip().endswith("PASS: killed, resumed, and not a byte is different")
    assert "resumed from epoch" in demo.stdout
    for picture in ("at-the-kill.png", "at-the-end.png"):
        assert (out / picture).read_bytes().startswith(b"\x89PNG")


@pytest.mark.thorough
@pytest.mark.timeout(300)
def test_a_difference_is_a_failure(tmp_path):
    """Of a simulation whose noise is another one at every fresh start."""
    shutil.copy(EXAMPLES / "demo.py", tmp_path)
    text = (EXAMPLES / "heat2d.py").read_text()
    (tmp_path / "heat2d.py").write_text(
        text.replace("default_rng([2026, comm.rank])", "default_rng()")
    )
    options = ["--size=192", "--steps=3000", "--seed=3", f"--out={tmp_path / 'out'}"]
    demo = run_python(tmp_path / "demo.py", *options, timeout=280, check=False)
    assert demo.returncode == 1, demo.stderr
    assert "resumed from epoch" in demo.stdout
    assert "heat2d.npy" in demo.stdout
    assert demo.stdout.count("DIFFERENT") == 2
    assert demo.stdout.rstrip().endswith("FAIL")
