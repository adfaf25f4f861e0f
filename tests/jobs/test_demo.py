"""`make demo`, smaller: its exit status is its verdict."""

from pathlib import Path

import pytest

from tests.processes import run_python

pytestmark = pytest.mark.job

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_demo_passes_and_draws(tmp_path):
    out = tmp_path / "out"
    demo = run_python(
        ROOT / "examples" / "demo.py",
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
