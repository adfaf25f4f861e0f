"""A resumed stack does what one that never stopped does, whatever it was in the middle of."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import scenarios
from scenarios import pausing

from sauerkraut import Snapshot

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def elsewhere():
    """Resumes a snapshot in another process and returns what it returned, as text."""
    with subprocess.Popen(
        [sys.executable, "-P", HERE / "resume_files.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def resume(path):
            process.stdin.write(f"{path}\n")
            process.stdin.flush()
            return ast.literal_eval(process.stdout.readline())

        yield resume
        process.stdin.close()


@pytest.mark.parametrize("name", scenarios.scenarios)
def test_resumed_equals_undisturbed(name, elsewhere, tmp_path):
    expected, pauses, _ = scenarios.run(name)
    assert pauses > 0
    for at in range(1, pauses + 1):
        value, _, snapshot = scenarios.run(name, at)
        assert value == expected, f"capturing at pause {at} changed the program"
        path = tmp_path / f"{name}-{at}.skt"
        path.write_bytes(snapshot.to_bytes())
        assert elsewhere(path) == expected, f"resumed from pause {at}"


@pytest.mark.parametrize("name", scenarios.scenarios)
def test_captured_again_in_the_resumed_stack_five_times(name):
    expected, pauses, _ = scenarios.run(name)
    for step in {1, max(1, pauses // 6)}:
        _, _, snapshot = scenarios.run(name, step)
        for generation in range(5):
            if snapshot is None:
                break  # no pause was left
            thawed = Snapshot.from_bytes(snapshot.to_bytes()).thaw()
            thawed.check()
            thawed.touch_files()
            pausing.begin(scenarios.scenarios[name], step)  # bringing objects back may pause too
            assert repr(thawed.run()) == expected, f"every {step}, generation {generation}"
            snapshot = pausing.kept
