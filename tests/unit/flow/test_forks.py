"""Processes that a step forks do not have the run."""

import os
import signal
import subprocess
import sys

import pytest

from tests.unit.flow.pipelines import HANDLERS, Pipeline

PROGRAM = """
import os, signal, sys
from sauerkraut.flow import CheckpointFlow
from tests.unit.flow.pipelines import HANDLERS

flow = CheckpointFlow(sys.argv[1], handler=HANDLERS[sys.argv[2]])

@flow.add_step()
def forks(state, data):
    if os.fork() == 0:
        {child}
    {parent}

flow.run({{"x": 1}})
"""


def run(path, handler, **parts):
    words = [sys.executable, "-c", PROGRAM.format(**parts), str(path), handler]
    return subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(params=HANDLERS)
def handler(request):
    return request.param


def test_they_keep_nobody_away(path):
    child = "os.write(1, b'%d\\n' % os.getpid()); signal.pause()"
    program = PROGRAM.format(child=child, parent="signal.pause()")
    words = [sys.executable, "-c", program, str(path), "local"]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        try:
            parent.kill()
            parent.wait(60)
            assert Pipeline(path, ["forks"]).run()["x"] == 1
        finally:
            os.kill(pid, signal.SIGKILL)


def test_one_that_leaves_the_step_changes_nothing(path, handler):
    parent = "assert os.wait()[1] >> 8 == 3; state['y'] = 2"
    done = run(path, handler, child="sys.exit(3)", parent=parent)
    assert done.returncode == 0, done.stderr
    flow = Pipeline(path, ["forks"], handler=HANDLERS[handler]).flow
    assert flow.newest().failure is None
    assert flow.check_point()["y"] == 2


def test_one_that_ends_the_step_does_not_commit(path, handler):
    parent = "assert os.wait()[1] >> 8 == 1; state['y'] = 2"
    done = run(path, handler, child="return", parent=parent)
    assert done.returncode == 0, done.stderr
    assert "this process was forked inside of a step" in done.stderr
    assert Pipeline(path, ["forks"], handler=HANDLERS[handler]).flow.check_point()["y"] == 2
