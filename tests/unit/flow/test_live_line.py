"""What a person at a terminal sees while a step runs; the terminal is a real one."""

import os
import pty
import re
import select
import subprocess
import sys
import time

import pytest

PROGRAM = """
import sys
from sauerkraut.flow import CheckpointFlow
flow = CheckpointFlow(sys.argv[1], quiet=len(sys.argv) > 2)

@flow.add_step()
def slow(state, data):
    print("printed in the step")
    sys.stdin.readline()
    state["x"] = 1

flow.run({})
print("the end")
"""
LIMIT = 60  # seconds until the program counts as hung
ERASE_LINE = "\x1b[2K"
END = r"(?!)"


class Terminal:
    """A program whose input, output and errors are one terminal."""

    def __init__(self, *words):
        self._own, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
        )
        os.close(theirs)
        self.shown = ""

    def until(self, pattern):
        """Read until the program has shown what matches; to its end, where nothing can."""
        deadline = time.monotonic() + LIMIT
        while not re.search(pattern, self.shown):
            ready, _, _ = select.select([self._own], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"{pattern!r} was not shown: {self.shown!r}"
            try:
                self.shown += os.read(self._own, 4096).decode()
            except OSError:  # as Linux says that the other side is closed
                assert pattern == END, self.shown
                return

    def type(self, text):
        os.write(self._own, text.encode())

    def close(self):
        self._process.kill()
        self._process.wait()
        os.close(self._own)


@pytest.fixture
def start(path):
    made = []

    def start(*words):
        made.append(Terminal(str(path), *words))
        return made[-1]

    yield start
    for each in made:
        each.close()


def test_a_line_tells_the_step_and_its_time_while_it_runs_and_then_goes(start):
    pytest.importorskip("rich", reason="pip install rich")
    terminal = start()
    terminal.until("sauerkraut: step 0 of 1 'slow': 0 s")
    terminal.until("printed in the step")
    terminal.until(r"sauerkraut: step 0 of 1 'slow': [1-9]\d* s")
    terminal.type("\n")
    terminal.until(END)
    after = re.split(r"'slow': \d+ s", terminal.shown)[-1]
    erased, _, told = after.partition("sauerkraut: ")
    assert ERASE_LINE in erased
    assert re.match(r"step 0 of 1 'slow': \d+\.\d s, peak .*\r\nthe end\r\n$", told), after


def test_there_is_none_where_no_news_are_asked_for(start):
    terminal = start("quiet")
    terminal.until("printed in the step")
    terminal.type("\n")
    terminal.until(END)
    assert terminal.shown.split() == ["printed", "in", "the", "step", "the", "end"]
