"""What benchmarks/mpi.py asks about signals: seconds until the epoch they ask for is committed.

signalled.py SIGNALS PAUSE MIB; PAUSE is seconds of a step, and MIB the size of the array that each
rank holds. The last rank sends itself SIGUSR2 after steps chosen by chance, and prints
for each signal: seconds from the signal to the return of the poll that committed, and how many of
them the epoch took. SAUERKRAUT_SIGNAL_LATENCY is heeded.
"""

import os
import random
import signal
import sys
import time

import numpy as np
from mpi4py import MPI

import sauerkraut as skt
from sauerkraut.settings import Settings

SETTLED = 3  # times the latency, after which consensuses are as far apart as they will be

comm = MPI.COMM_WORLD


def simulate(signals, pause, field):
    steps = Settings.from_environment().signal_latency / pause
    chance = random.Random(0)
    following, sent, last, step = SETTLED * int(steps), 0.0, None, 0
    while signals:
        time.sleep(pause)
        field[step % field.size] = step
        if step == following and comm.rank == comm.size - 1:
            sent = time.monotonic()
            os.kill(os.getpid(), signal.SIGUSR2)
        skt.current().poll(step)
        if skt.current().last is not last:
            last = skt.current().last
            if comm.rank == comm.size - 1:
                print(time.monotonic() - sent, last.seconds)
            signals -= 1
            following = step + 1 + int(chance.uniform(0, steps))
        step += 1


def main():
    signals, pause, mib = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    ckpt = skt.Checkpointer("ckpt", comm, interval=None, quiet=True)
    ckpt.run(simulate, signals, pause, np.zeros((mib << 20) // 8))


if __name__ == "__main__":
    main()
