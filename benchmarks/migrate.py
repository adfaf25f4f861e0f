"""A task that moves, beside the same data sent by hand: `python -m sauerkraut.testing 2 ...`.

Both ways cross the same two ranks in the same run, there and back: a task that holds one array and
calls `migrate`; `Send` and `Recv` of that array into newly allocated memory; `send` and `recv` of a
dict that holds it, as mpi4py pickles it. Each line is the median over pairs of half a round trip.

Where charm4py is installed, one of its chares that holds the array moves in turn with the task,
between two processes that charmrun starts on this machine.
"""

import argparse
import importlib.util
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from mpi4py import MPI

from sauerkraut import mpi

COMM = MPI.COMM_WORLD
PEER = 1 - COMM.rank
KIB, MIB = 1 << 10, 1 << 20
SIZES = (8, 64 * KIB, MIB, 16 * MIB, 128 * MIB, 1024 * MIB)
CHARES = Path(__file__).parent / "programs" / "chares.py"
COMMAND = "python -m sauerkraut.testing 2 python benchmarks/migrate.py"


taken = []
"""Seconds of each half of a round trip of the task, on rank 0."""


def by_task(pool, nbytes, turns):
    """What it takes a task, on rank 0."""
    taken.clear()
    if COMM.rank == 0:
        pool.spawn(travels, nbytes, turns)
    pool.run()
    return [*taken]


def travels(nbytes, turns):
    held = np.zeros(max(nbytes // 8, 1))
    for _ in range(turns):
        began = time.perf_counter()
        mpi.migrate(1)
        mpi.migrate(0)
        taken.append((time.perf_counter() - began) / 2)
        held[0] += 1
    assert held[0] == turns


def by_buffer(nbytes, turns):
    held = np.zeros(max(nbytes // 8, 1))
    times = []
    for _ in range(turns):
        began = time.perf_counter()
        if COMM.rank == 0:
            COMM.Send(held, PEER)
        held = np.empty(max(nbytes // 8, 1))
        COMM.Recv(held, PEER)
        if COMM.rank == 1:
            COMM.Send(held, PEER)
        times.append((time.perf_counter() - began) / 2)
    return times


def by_pickle(nbytes, turns):
    held = {"held": np.zeros(max(nbytes // 8, 1)), "began": 0.0, "turns": turns, "nbytes": nbytes}
    times = []
    for _ in range(turns):
        began = time.perf_counter()
        if COMM.rank == 0:
            COMM.send(held, PEER)
        held = COMM.recv(source=PEER)
        if COMM.rank == 1:
            COMM.send(held, PEER)
        times.append((time.perf_counter() - began) / 2)
    return times


def text_of(nbytes):
    for unit, name in ((MIB, "MiB"), (KIB, "KiB")):
        if nbytes >= unit:
            return f"{nbytes // unit} {name}"
    return f"{nbytes} B"


def turns_of(nbytes):
    return 200 if nbytes < MIB else 20 if nbytes < 64 * MIB else 3


def moves(pool, sizes, pairs):
    if COMM.rank == 0:
        print(f"{'one array of':>12}  {'migrate':>10}  raw / migrate  pickled / migrate")
    for nbytes in sizes:
        turns = turns_of(nbytes)
        task, raw, pickled = [], [], []
        for _ in range(pairs):
            COMM.Barrier()
            mine = by_task(pool, nbytes, turns)
            task.append(statistics.median(mine) if mine else 0)
            COMM.Barrier()
            raw.append(statistics.median(by_buffer(nbytes, turns)))
            COMM.Barrier()
            pickled.append(statistics.median(by_pickle(nbytes, turns)))
        if COMM.rank == 0:
            against = [
                statistics.median(b / a for a, b in zip(task, other, strict=True))
                for other in (raw, pickled)
            ]
            took = f"{statistics.median(task) * 1e6:7.0f} us"
            print(f"{text_of(nbytes):>12}  {took}  {against[0]:13.2f}  {against[1]:17.2f}")


def by_chare(sizes):
    """Seconds of a move by size; None without charm4py."""
    words = [sys.executable, "-m", "charmrun.start", "+p2", "++local", str(CHARES)]
    words += [f"{nbytes}:{turns_of(nbytes)}" for nbytes in sizes]
    said = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
    told = [line.split() for line in said.splitlines() if line.startswith("took ")]
    return {int(nbytes): float(seconds) for _, nbytes, seconds in told}


def chares(pool, sizes, pairs):
    if importlib.util.find_spec("charm4py") is None:
        if COMM.rank == 0:
            print("charm4py is not installed: `pip install charm4py` for a chare beside the task")
        return
    ratios = {nbytes: [] for nbytes in sizes}
    for _ in range(pairs):
        theirs = by_chare(sizes) if COMM.rank == 0 else None
        wait_idle()
        for nbytes in sizes:
            mine = by_task(pool, nbytes, turns_of(nbytes))
            if COMM.rank == 0:
                ratios[nbytes].append(theirs[nbytes] / statistics.median(mine))
    if COMM.rank == 0:
        told = ", ".join(
            f"{text_of(n)} {statistics.median(each):.2f}" for n, each in ratios.items()
        )
        print(f"a chare of charm4py that moves / migrate: {told}")


def wait_idle():
    """A barrier whose ranks leave the processors to others."""
    waiting = COMM.Ibarrier()
    while not waiting.Test():
        time.sleep(0.01)


def carries(held):
    mpi.migrate(1)
    assert held[-1] == 1


def copies(pool, nbytes):
    """Memory that a move takes at its peak, in arrays, beside the one that is there before."""
    if COMM.rank == 0:
        pool.spawn(carries, np.ones(nbytes // 8))
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew, see proc(5)
    before = resident("VmRSS")
    pool.run()
    told = COMM.gather(max(resident("VmHWM") - before, 0) / nbytes)
    if told is not None:
        at = ", ".join(f"rank {rank} {each:.2f}" for rank, each in enumerate(told))
        print(f"copies of an array of {text_of(nbytes)} that moves from rank 0 to 1: {at}")


def resident(what):
    """Bytes of this process in memory: now (VmRSS) or at most so far (VmHWM)."""
    said = Path("/proc/self/status").read_text()
    return int(said.partition(f"{what}:")[2].split()[0]) * KIB


def yields(turns):
    for _ in range(turns):
        mpi.yield_()


def switches(pool, pairs):
    """A switch of tasks, there and back to the rank, against one of bare greenlets."""
    import greenlet

    turns, ratios = 20_000, []
    for _ in range(pairs):
        began = time.perf_counter()
        if COMM.rank == 0:
            pool.spawn(yields, turns)
        pool.run()
        ours = time.perf_counter() - began
        hub = greenlet.getcurrent()
        bare = greenlet.greenlet(lambda hub=hub: [hub.switch() for _ in range(turns)])
        began = time.perf_counter()
        for _ in range(turns):
            bare.switch()
        ratios.append(ours / (time.perf_counter() - began))
    if COMM.rank == 0:
        print(f"task switch / bare greenlet switch: {statistics.median(ratios):.1f}")


def echoes(turns):
    for _ in range(turns):
        mpi.send(mpi.recv(), 0)


def asks(turns):
    began = time.perf_counter()
    for turn in range(turns):
        mpi.send(turn, 1)
        assert mpi.recv() == turn
    return (time.perf_counter() - began) / turns / 2


def messages(comm, pairs):
    """A small message from task to task on two ranks, against mpi4py's `send` and `recv`."""
    turns, ratios = 500, []
    for _ in range(pairs):
        with mpi.TaskPool(comm) as pool:  # so that their ids are 0 and 1
            pool.spawn(asks if COMM.rank == 0 else echoes, turns, name="took")
            ours = pool.run()["took"]
        COMM.Barrier()
        began = time.perf_counter()
        for turn in range(turns):
            if COMM.rank == 0:
                COMM.send(turn, PEER)
            COMM.recv(source=PEER)
            if COMM.rank == 1:
                COMM.send(turn, PEER)
        theirs = (time.perf_counter() - began) / turns / 2
        if COMM.rank == 0:
            ratios.append(ours / theirs)
    if COMM.rank == 0:
        print(f"message between tasks / send and recv of mpi4py: {statistics.median(ratios):.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=5, help="pairs per line (default: 5)")
    parser.add_argument("--largest", type=int, default=1024, help="MiB at most (default: 1024)")
    options = parser.parse_args()
    if COMM.size != 2:
        raise SystemExit(f"needs 2 ranks: {COMMAND}")
    sizes = [size for size in SIZES if size <= options.largest * MIB]
    with mpi.TaskPool() as pool:
        moves(pool, sizes, options.pairs)
        copies(pool, 256 * MIB)
        switches(pool, options.pairs)
        chares(pool, [size for size in sizes if size <= 128 * MIB], options.pairs)
    messages(COMM, options.pairs)


if __name__ == "__main__":
    main()
