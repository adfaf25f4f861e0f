"""What do capture and resume cost, beside pickling the same locals?

    python benchmarks/engine.py [--quick] [--only "3 ints" ...]

Every line is one stack with its locals. All times are medians of 7 runs in this process, thread
CPU time, and printed as ratios:

    walk       frames -> native values, nothing pickled           / dumps
    capture    the whole snapshot: control state, object stream   / dumps
    borrow     the same with ``arrays="borrow"``                  / dumps out of band
    to_bytes   the snapshot as one string                         / dumps
    resume     a snapshot that is there, resumed to its end       / loads
    read       `from_bytes` (all of it is hashed) and resume      / loads
    bytes      of control state and object stream together

`dumps` and `loads` are pickle, protocol 5, of the same locals; for arrays `loads` is out of band
into new writable memory, which is what a resumed frame needs. dill and cloudpickle, where they
are installed, write the same locals. The last columns are absolute, in microseconds.

The last line is the analysis of dead locals of a function that nobody has looked at before, in
absolute times: of the one place where a frame waits, as for a copy of it, and of all instructions.

The seed's own page gives 87 dumps for copy + serialise of 3 ints (43.7 against 0.5 microseconds
at -O2, 208 as shipped), 50 for 20 locals, 27 loads for deserialise + run of 3 ints. Its analysis of
a function of 400 lines (6.4 kB of bytecode) took 276 ms of CPU time. Where it gives ratios, the
seed's is divided by ours, which is that of the same work:

    seed w     copy + serialise / (capture + to_bytes)
    seed r     deserialise + run / read
"""

import argparse
import importlib
import pickle
import statistics
import time

import stacks

import sauerkraut as skt
from sauerkraut import _native, liveness
from sauerkraut.frames.capture import capture_stack

RUNS = 7
ABSOLUTE = (("dumps", 9), ("walk", 7), ("capture", 9), ("resume", 9), ("read", 9))
NONE = float("nan")
SEED = {"3 ints": (87, 27), "20 locals": (50, NONE)}
"""Dumps to write and loads to read that the seed's page gives."""
measured = []


def seconds(action, calls):
    times = []
    for _ in range(RUNS):
        begin = time.thread_time()
        for _ in range(calls):
            action()
        times.append((time.thread_time() - begin) / calls)
    return statistics.median(times)


def locals_of(frame):
    """The locals of the frames from `frame` out to the base of the measurement."""
    values = []
    while frame.f_code is not skt.call.__code__:
        values.append(dict(frame.f_locals))
        frame = frame.f_back
    return values


def measure(frame, values):
    snapshot = capture_stack(frame)
    whole, stream = snapshot.to_bytes(), pickle.dumps(values, 5)
    outside = []
    inside = pickle.dumps(values, 5, buffer_callback=outside.append)
    outside = [buffer.raw() for buffer in outside]

    def borrow():
        capture_stack(frame, arrays="borrow").release()

    def dumps_outside():
        pickle.dumps(values, 5, buffer_callback=[].append)

    def loads():
        pickle.loads(inside, buffers=[bytearray(each) for each in outside])

    calls = max(2, min(2000, 20_000_000 // len(stream)))
    quick = min(2000, calls * 50)
    times = {
        "dumps": seconds(lambda: pickle.dumps(values, 5), calls),
        "outside": seconds(dumps_outside, quick),
        "loads": seconds(loads, calls),
        "walk": seconds(lambda: _native.capture(frame, None, (skt.call.__code__,)), quick),
        "capture": seconds(lambda: capture_stack(frame), calls),
        "borrow": seconds(borrow, quick),
        "to_bytes": seconds(snapshot.to_bytes, calls),
        "resume": seconds(lambda: snapshot.resume(), calls),
        "read": seconds(lambda: skt.Snapshot.from_bytes(whole).resume(), calls),
    }
    for name in ("dill", "cloudpickle"):
        try:
            other = importlib.import_module(name)
        except ImportError:
            continue
        times[name] = seconds(lambda other=other: other.dumps(values, 5), max(2, calls // 50))
    return times, len(snapshot.control) + len(snapshot.objects)


def measure_once(frame, values):
    stacks.at_the_end = no_more  # the frames are resumed many times while they are measured
    measured.append(measure(frame, values))


def no_more(frame):
    """What resumed frames would call."""


def new_function(lines):
    """The code of a function of so many lines, every other of which branches."""
    body = [
        f"    x{i} = x{i - 1} + {i}" + (f" if x{i // 2} else n" if i % 2 else "")
        for i in range(1, lines - 2)
    ]
    namespace = {}
    exec("\n".join(["def work(n):", "    x0 = n", *body, f"    return x{lines - 3}"]), namespace)
    return namespace["work"].__code__


def print_liveness(lines=400):
    fresh = iter([new_function(lines) for _ in range(2 * RUNS)])
    code = new_function(lines)
    middle = len(code.co_code) // 4
    unit = min(each // 2 for each in liveness.LivenessAnalysis(code).get_offsets() if each > middle)
    one = seconds(lambda: liveness.dead_slots(next(fresh), unit), 1)
    whole = seconds(lambda: liveness.LivenessAnalysis(next(fresh)), 1)
    size = len(code.co_code)
    print(
        f"dead locals of {lines} lines ({size} bytes), never seen before: "
        f"one place {1e6 * one:.0f} us, all instructions {1e6 * whole:.0f} us"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="leave out what takes long")
    parser.add_argument("--only", nargs="+", metavar="STACK", help="measure these")
    chosen = parser.parse_args()
    quick = chosen.quick
    programs = [
        ("3 ints", stacks.three_ints, ()),
        ("20 locals", stacks.twenty_locals, ()),
        ("10 kB", stacks.ten_kilobytes, ()),
    ]
    programs += [(f"{n} frames", stacks.nested, (n,)) for n in (1, 3, 10, 100)]
    sizes = [1 << 10, 1 << 20, 1 << 26] + ([] if quick else [1 << 30])
    programs += [(f"array {text_of(size)}", stacks.one_array, (size,)) for size in sizes]
    print(
        f"{'':>14} {'walk':>6} {'capture':>8} {'borrow':>7} {'to_bytes':>9} {'resume':>7} "
        f"{'read':>6} {'seed w':>7} {'seed r':>7} {'dill':>6} {'cloudp':>7} {'bytes':>7}  | "
        + " ".join(f"{each:>{width}}" for each, width in ABSOLUTE)
    )
    for name, program, arguments in programs:
        if chosen.only and name not in chosen.only:
            continue
        seen = []
        stacks.at_the_end = lambda frame, seen=seen: seen.append(locals_of(frame))
        skt.call(program, *arguments)
        # Frames anew: up to 3.12 one keeps the dict of its locals that somebody has looked at.
        stacks.at_the_end = lambda frame, seen=seen: measure_once(frame, seen.pop())
        skt.call(program, *arguments)
        times, size = measured.pop()
        others = [times.get(each, NONE) / times["dumps"] for each in ("dill", "cloudpickle")]
        written, read = SEED.get(name, (NONE, NONE))
        written /= (times["capture"] + times["to_bytes"]) / times["dumps"]
        read /= times["read"] / times["loads"]
        print(
            f"{name:>14} {times['walk'] / times['dumps']:6.2f} "
            f"{times['capture'] / times['dumps']:8.2f} {times['borrow'] / times['outside']:7.2f} "
            f"{times['to_bytes'] / times['dumps']:9.2f} {times['resume'] / times['loads']:7.2f} "
            f"{times['read'] / times['loads']:6.2f} {written:7.1f} {read:7.1f} "
            f"{others[0]:6.1f} {others[1]:7.1f} {size:7}  | "
            + " ".join(f"{1e6 * times[each]:{width}.2f}" for each, width in ABSOLUTE),
            flush=True,
        )
    if not chosen.only:
        print_liveness()


def text_of(size):
    for unit, scale in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= scale:
            return f"{size // scale} {unit}"
    return f"{size} B"


if __name__ == "__main__":
    main()
