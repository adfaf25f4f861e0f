"""A pipeline of six steps that may be killed: at a call on the disk, in a step, or any time.

pipeline.py PATH LOG [call N | step N | time SECONDS]
"""

import os
import signal
import sys
import threading
from pathlib import Path

import numpy as np

from sauerkraut.flow import CheckpointFlow
from sauerkraut.testing import faults

path, log, *kill = sys.argv[1:]


class Walk:
    """A class of ``__main__`` that the state holds."""

    def __init__(self):
        self.at = [0]


flow = CheckpointFlow(path, quiet=True)
ran = []


def add(index):
    def step(state, data):
        with Path(log).open("a") as file:
            file.write(f"{index}\n")
        ran.append(index)
        state["field"] = state["field"] * 1.5 + index
        state["walk"].at.append(state["random"].integers(100))
        state["rule"] = lambda x: x + index
        if kill == ["step", str(len(ran))]:
            os.kill(os.getpid(), signal.SIGKILL)

    step.__name__ = f"step_{index}"
    flow.add_step()(step)


for number in range(6):
    add(number)

if kill[:1] == ["call"]:
    faults.injected(faults.Killing(int(kill[1]))).__enter__()
if kill[:1] == ["time"]:
    timer = threading.Timer(float(kill[1]), os.kill, (os.getpid(), signal.SIGKILL))
    timer.daemon = True
    timer.start()

final = flow.run({"field": np.arange(20_000.0), "walk": Walk(), "random": np.random.default_rng(7)})
assert isinstance(final["walk"], Walk)
print(final["field"].sum(), final["walk"].at, final["rule"](1))
