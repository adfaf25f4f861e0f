"""Programs under coverage.py: it sees what a resumed stack runs, and the rest as ever."""

import os
import sys

import coverage
import pytest

from tests.processes import run_python

WORK = """
import sauerkraut as skt
def pause(kept):
    snapshot = skt.capture()  # before
    if snapshot:  # both
        kept.append(snapshot)  # before
def called(x):
    y = x * 2  # both
    return y  # both
def work(kept):
    total = 0  # before
    for i in range(4):  # both
        if i == 1:  # both
            pause(kept)  # before
            total += 100  # both
        total += called(i)  # both
    else:
        total += 1000  # both
    try:
        raise KeyError(total)  # both
    except KeyError as error:
        return error.args[0]  # both
end = 1
"""
FIRST = """
import pathlib, sauerkraut, work
kept = []
print(sauerkraut.call(work.work, kept))
pathlib.Path("frames.bin").write_bytes(kept[0].to_bytes())
print(eval("1"))
"""
SECOND = """
import pathlib, sauerkraut
print(sauerkraut.Snapshot.from_bytes(pathlib.Path("frames.bin").read_bytes()).resume())
print(eval("1"))
"""


def lines_with(text, source=WORK):
    return {n for n, line in enumerate(source.splitlines(), 1) if line and text in line}


def covered(folder, program, core):
    words = ["-m", "coverage", "run", "--data-file=data", program]
    done = run_python(
        *words, cwd=folder, env={**os.environ, "COVERAGE_CORE": core}, timeout=120, check=False
    )
    assert done.stdout == "1112\n1\n", done.stderr
    data = coverage.CoverageData(basename=str(folder / "data"))
    data.read()
    return [set(data.lines(str(folder / name)) or ()) for name in ("work.py", program)]


@pytest.mark.parametrize("core", ["ctrace", *(["sysmon"] if sys.version_info >= (3, 12) else [])])
def test_lines_of_a_resumed_stack_are_seen(tmp_path, core):
    for name, source in (("work.py", WORK), ("first.py", FIRST), ("second.py", SECOND)):
        (tmp_path / name).write_text(source)
    seen, caller = covered(tmp_path, "first.py", core)
    assert seen >= lines_with("#") | lines_with("def ") | lines_with("end")
    assert caller == lines_with("", FIRST)
    seen, caller = covered(tmp_path, "second.py", core)
    assert seen >= lines_with("# both")
    assert not seen & lines_with("# before")
    assert caller == lines_with("", SECOND)
