"""Bodies between walls: knows nothing of checkpoints, and keeps much in ``__main__``."""

from __future__ import annotations

import argparse
import enum
import functools
import logging
import os
import random
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parent / "library"))
os.environ["BODIES"] = "yes"

import forces

forces.strength = 2.0

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=100)
parser.add_argument("--out", type=Path, default=Path("bodies.log"))
parser.add_argument("--pause", type=float, default=0.0)
args = parser.parse_args()

logging.basicConfig(filename="bodies.messages", level=logging.INFO, format="%(name)s %(message)s")
logging.addLevelName(25, "NEWS")
log = logging.getLogger("bodies")
rng = np.random.default_rng(7)
random.seed(7)
ABSENT = object()
bumps = 0


class Kind(enum.Enum):
    LIGHT = 1
    HEAVY = 2


@dataclass
class Body:
    x: float
    v: float = 0.0
    kind: Kind = Kind.LIGHT
    trail: list[float] = field(default_factory=list)
    made = 0

    def __post_init__(self):
        type(self).made += 1

    def move(self, dt):
        self.x += self.v * dt
        return self.x


class Bouncing(Body):
    def move(self, dt):
        global bumps
        x = super().move(dt)
        if not 0 < x < 1:
            self.v = -self.v
            bumps += 1
        return self.x


@functools.cache
def weight(kind):
    return {Kind.LIGHT: 1.0, Kind.HEAVY: 3.0}[kind]


def counted(function):
    @functools.wraps(function)
    def wrapper(*args):
        wrapper.calls += 1
        return function(*args)

    wrapper.calls = 0
    return wrapper


@counted
def advance(bodies, dt):
    for body in bodies:
        body.v += forces.pull(body.x) * dt / weight(body.kind)
        body.trail.append(body.move(dt))
        del body.trail[:-3]


def noise():
    while True:
        yield kick() + random.random()


def when_asked(number, frame):
    log.info("asked")


def kick():
    import kicking

    kicking.number += 1
    kicking.log.append(kicking.number)
    return kicking.size(rng.normal())


def when_wrong(kind, error, trace):
    print("wrong:", error)


signal.signal(signal.SIGHUP, when_asked)
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.excepthook = when_wrong
bodies = [Body(0.5), Bouncing(0.2, 1.0, Kind.HEAVY), Bouncing(0.9, -2.0)]
first, *others = bodies
kicks = noise()
state = np.zeros((3, 4))
row = state[1]

if __name__ == "__main__":
    print(sys.argv, __file__, __name__, __doc__, __spec__, sys.path[0], file=sys.stderr)
    with args.out.open("w", buffering=1) as out:
        for step in range(args.steps):
            advance(bodies, 0.01)
            row += next(kicks)
            first.v += row[0] * 1e-3
            print(step, *(repr(body.x) for body in bodies), repr(state.sum()), bumps, file=out)
            if step % 10 == 0:
                log.info("step %d of %d", step, args.steps)
            time.sleep(args.pause)
    checks = [
        bodies[0] is first,
        row.base is state,
        type(others[0]) is Bouncing,
        others[0].kind is Kind.HEAVY,
        isinstance(others[1], Body),
        ABSENT is globals()["ABSENT"],
        signal.getsignal(signal.SIGHUP) is when_asked,
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
        sys.excepthook is when_wrong,
        logging.getLevelName(25),
        sys.modules["kicking"].number,
        sum(sys.modules["kicking"].log),
        os.environ["BODIES"],
        sys.modules["__main__"].bodies is bodies,
    ]
    print(checks, Body.made, Bouncing.made, advance.calls, forces.calls, repr(bodies))
    sys.exit(0 if args.steps != 13 else 3)
