"""Captures and resumes again and again: memory, blocks and references must stay as they are.

Run as a program it says how much of each there was when warm and at the end:

    python tests/unit/frames/round_trips.py 100000 plain
    python tests/unit/frames/round_trips.py 20000 throws
    python tests/unit/frames/round_trips.py 2000 array
"""

import gc
import resource
import sys

import numpy as np

import sauerkraut as skt

kept = None
shared = [1, 2, 3]
big = np.arange(1 << 17)  # 1 MiB


class Manager:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False


def take():
    global kept
    snapshot = skt.capture(base=plain)
    if snapshot:
        kept = snapshot
    return snapshot


def fail(row):
    raise KeyError(row)


def plain(array=None):
    rows, text = shared, {"a": (1, 2), "b": [3.0]}
    total = 0

    def read():
        return rows

    for i, row in enumerate(rows):
        try:
            with Manager():
                if i == 1:
                    total += 1 if take() else 0
                    fail(row)
        except KeyError as error:
            total += error.args[0]
    return total, text, read() is rows, array


def round_trip(kind):
    """One way there and back, through bytes."""
    plain(big if kind == "array" else None)
    snapshot = skt.Snapshot.from_bytes(kept.to_bytes())
    if kind == "throws":
        thrown = False
        try:
            snapshot.resume(throw=ZeroDivisionError("thrown"))
        except ZeroDivisionError as error:
            thrown = error.__traceback__.tb_next is not None
        assert thrown
        return
    total, _, same, array = snapshot.resume()
    assert (total, same) == (2, True)
    assert array is None or array[-1] == big[-1]


def measure():
    """What must not grow: (MiB of memory at most, blocks, objects, references to shared things)."""
    gc.collect()
    references = [sys.getrefcount(each) for each in (shared, plain, take.__code__, Manager)]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    # What CPython's JIT makes of loops that have become warm goes when it finds them cold.
    objects = [each for each in gc.get_objects() if type(each).__name__ != "uop_executor"]
    return memory, sys.getallocatedblocks(), len(objects), references


def run(count, kind):
    """Returns what `measure` says after some trips, when caches are warm, and ``count`` later."""
    for _ in range(max(count // 10, 400)):
        round_trip(kind)
    before = measure()
    for _ in range(count):
        round_trip(kind)
    return before, measure()


def grown(before, after, count):
    """What grew, in words; empty: nothing. A leak is at least one block in each trip."""
    found = []
    if after[0] > before[0] + 8:
        found.append(f"memory from {before[0]:.1f} to {after[0]:.1f} MiB")
    if after[1] > before[1] + 500 + count // 100:  # caches of CPython's own come and go
        found.append(f"blocks from {before[1]} to {after[1]}")
    if after[2] > before[2] + 20:
        found.append(f"objects from {before[2]} to {after[2]}")
    if after[3] != before[3]:
        found.append(f"references from {before[3]} to {after[3]}")
    return found


if __name__ == "__main__":
    count, kind = int(sys.argv[1]), sys.argv[2]
    before, after = run(count, kind)
    print(*before, "\n", *after)
    print("grown:", grown(before, after, count) or "nothing")
    sys.exit(bool(grown(before, after, count)))
