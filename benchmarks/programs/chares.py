"""What migrate.py runs under charm4py: a chare that holds one array and moves between two PEs.

For each size given as ``bytes:moves`` it prints the median seconds of a move.
"""

import statistics
import sys
import time

import numpy as np
from charm4py import Array, Chare, Future, charm


class Traveller(Chare):
    def __init__(self, nbytes, turns, done):
        self.held = np.zeros(max(nbytes // 8, 1))
        self.turns, self.done, self.times, self.began = turns, done, [], 0.0

    def go(self):
        self.began = time.perf_counter()
        self.migrate(1)

    def migrated(self):
        if charm.myPe() == 0:  # half a round trip, as the clock of one process tells it
            self.times.append((time.perf_counter() - self.began) / 2)
            self.held[0] += 1
            self.began = time.perf_counter()
        if len(self.times) < self.turns:
            self.migrate(1 - charm.myPe())
        else:
            assert self.held[0] == self.turns
            self.done(statistics.median(self.times))


def main(arguments):
    for size in arguments[1:]:
        nbytes, turns = map(int, size.split(":"))
        done = Future()
        Array(Traveller, 1, args=[nbytes, turns, done])[0].go()
        print("took", nbytes, done.get(), flush=True)
    sys.stdout.flush()
    charm.exit()


charm.start(main)
