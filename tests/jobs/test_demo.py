"""`make demo`, smaller: its exit status is its verdict."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.job

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_demo_passes_and_draws(tmp_path):
    out = tmp_path / "out"
    demo = subprocess.run(
        [
            sys.executable,
            ROOT / "examples" / "demo.py",
            "--size=192",
            "--steps=4000",
            "--seed=3",
            f"--out={out}",
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert demo.stdout.rstrip().endswith("PASS: killed, resumed, and not a byte is different")
    assert "resumed from epoch" in demo.stdout
    for picture in ("at-the-kill.png", "at-the-end.png"):
        assert (out / picture).read_bytes().startswith(b"\x89PNG")
