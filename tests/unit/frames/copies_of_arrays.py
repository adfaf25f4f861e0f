"""Prints how many copies of an array each step makes, by the highest memory use during it."""

import functools
import json
import sys
from pathlib import Path

import numpy as np

import sauerkraut as skt

MIB = int(sys.argv[1])
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
kept = []


def memory(field):
    """Of this process, in MiB."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def program(array, how):
    snapshot = skt.capture(base=program, arrays=how)
    return (snapshot,) if snapshot else array


def copies(step):
    """(copies of the array that were there at once during a step, what it returned)."""
    RESET.write_text("5")  # the highest memory use so far is forgotten
    before = memory("VmRSS")
    value = step()
    return round((memory("VmHWM") - before) / MIB, 1), value


def main():
    array = np.random.default_rng(1).random(MIB << 17)
    program(array[:10], "copy")  # what is imported at the first capture
    told = {}
    for how in ("borrow", "copy"):
        told[f"capture {how}"], (snapshot,) = copies(functools.partial(program, array, how))
        told[f"to_buffers {how}"], buffers = copies(snapshot.to_buffers)
        read = functools.partial(skt.Snapshot.from_buffers, buffers)
        told[f"from_buffers {how}"], back = copies(read)
        told[f"resume {how}"], resumed = copies(back.resume)
        assert np.array_equal(resumed, array)
        del resumed, back, buffers, read
        told[f"to_bytes {how}"], whole = copies(snapshot.to_bytes)
        del snapshot
        read = functools.partial(skt.Snapshot.from_bytes, whole)
        told[f"from_bytes {how}"], back = copies(read)
        told[f"resume of bytes {how}"], resumed = copies(back.resume)
        assert np.array_equal(resumed, array)
        del resumed, back, whole, read
    print(json.dumps(told))


main()
