"""examples/flow.py, as a reader types it."""

from tests.processes import run_python
from tests.unit.flow.test_transcript import EXAMPLE, FIRST, SECOND


def test_it_breaks_and_goes_on(path):
    broken = run_python(EXAMPLE, "--path", path, "--broken", check=False)
    assert broken.returncode == 1
    assert broken.stdout == FIRST
    assert "RuntimeError: This thing broke!" in broken.stderr
    assert "step 1 'f2' did not finish; the next run starts there" in broken.stderr

    mended = run_python(EXAMPLE, "--path", path)
    assert mended.stdout == SECOND
    assert "run 1 goes on at step 1 'f2'" in mended.stderr
    assert "step 2 of 3 'f3': " in mended.stderr
