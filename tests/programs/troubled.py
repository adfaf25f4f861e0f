"""A pool of tasks with one thing that goes wrong: `troubled.py [TROUBLE]`, in the directory ckpt.

`twice`: a task gets SIGTERM twice at once. `late`: a second time once the pool should have heard of
the first. `read-only`: the directory is, before the start. `soon`: after the first checkpoint.
`killed`: rank 0 ends before it says that the run is complete. Rank 0 prints the results.
"""

import errno
import os
import signal
import sys
import time

from mpi4py import MPI

from sauerkraut import mpi
from sauerkraut.checkpoint import signals
from sauerkraut.storage import disk

TROUBLE = sys.argv[1] if len(sys.argv) > 1 else ""
TURNS = 20
WRITING = ("mkdir", "create", "chmod", "allocate", "write", "touch", "rename", "unlink", "rmdir")


def works(me):
    """Adds up, and is told to end at half of its turns."""
    total = 0
    for turn in range(TURNS):
        total += turn * me
        if turn == TURNS // 2 and me == 1 and TROUBLE in ("twice", "late"):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(signals.SAME * 1.2 if TROUBLE == "late" else 0.0)
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
        mpi.yield_()
    return total


def trouble(call):
    """Fail what writes, or end before the run is said to be complete."""
    if TROUBLE == "killed" and call.operation == "rename" and call.other.name == "COMPLETE":
        os.kill(os.getpid(), signal.SIGKILL)
    if TROUBLE in ("read-only", "soon") and call.operation in WRITING:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))


if __name__ == "__main__":
    if TROUBLE != "soon":
        disk.hook = trouble
    with mpi.TaskPool(MPI.COMM_WORLD, "ckpt", interval=0.05) as pool:
        if not pool.restarted:
            for number in range(2):
                pool.spawn(works, 2 * number + pool.rank, name=f"works {2 * number + pool.rank}")
            pool.checkpoint()
        disk.hook = trouble
        results = MPI.COMM_WORLD.gather(pool.run())
    for each in results or ():
        for name, result in sorted(each.items()):
            print(name, result, flush=True)
