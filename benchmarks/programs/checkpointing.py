"""An array per rank: `checkpoint()` of all beside a raw write of each; see `store.py --ranks`.

mpiexec -n 4 python checkpointing.py DIRECTORY MIB-PER-RANK PAIRS
"""

import sys
import time
from pathlib import Path

import numpy as np
from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).parents[1]))

import store

import sauerkraut as skt

comm = MPI.COMM_WORLD


def seconds(function, *arguments):
    """Wall time of a call that all ranks make, until the last of them is done."""
    comm.Barrier()
    start = time.perf_counter()
    function(*arguments)
    comm.Barrier()
    return time.perf_counter() - start


def measure(directory, nbytes, pairs):
    data = np.random.default_rng(comm.rank).random(nbytes // 8)
    raw = directory / f"raw-{comm.rank}"
    times = []
    for number in range(pairs + 1):
        if number % 2:
            mine = seconds(skt.current().checkpoint)
            theirs = seconds(store.raw_write, raw, data)
        else:
            theirs = seconds(store.raw_write, raw, data)
            mine = seconds(skt.current().checkpoint)
        raw.unlink()
        times.append((mine, theirs))
    return times[1:], float(data.sum())


directory = Path(sys.argv[1])
ckpt = skt.Checkpointer(directory / "ckpt", comm, interval=None, keep=1, quiet=True)
times, _ = ckpt.run(measure, directory, int(float(sys.argv[2]) * (1 << 20)), int(sys.argv[3]))
if comm.rank == 0:
    store.show(f"checkpoint(), {comm.size} ranks / writes + fsyncs", times)
