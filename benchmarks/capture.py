"""How long does it take to capture a call stack, beside pickling the same locals?

    python benchmarks/capture.py

Stacks of 1, 3 and 10 frames with small locals (a list of four floats, a dict, a string, three
ints). Each line is the median of 9 runs of 2,000 calls, all in this process, as a ratio to
`pickle.dumps` protocol 5 of the same locals:

    walk      frames -> native values, nothing pickled
    capture   the whole snapshot: control state and object stream
    thaw      control state, code and objects back, ready to run, beside `pickle.loads`

The seed's figure for 3 ints, from its own page: copy + serialise took 87 times `pickle.dumps`
(43.7 against 0.5 microseconds).
"""

import pickle
import statistics
import sys
import time

import sauerkraut as skt
from sauerkraut import _native
from sauerkraut.frames.capture import capture_stack

RUNS, CALLS = 9, 2000


action = None  # called at the innermost frame; a global, so that it is none of the locals


def work(depth):
    numbers, table, text, a, b, c = [0.5, 1.5, 2.5, 3.5], {"k": depth}, "text", 1000, 2000, 3000
    result = work(depth - 1) if depth > 1 else action(sys._getframe())
    return result, len(numbers) + len(table) + len(text) + a + b + c


def three_ints():
    a, b, c = 1000, 2000, 3000
    return action(sys._getframe()), a + b + c


def seconds(action):
    times = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        for _ in range(CALLS):
            action()
        times.append((time.perf_counter() - begin) / CALLS)
    return statistics.median(times)


def measure(frame):
    """Times of walk, capture, resume, dumps and loads for the stack at `frame`, in seconds."""
    values, outer = [], frame
    while outer.f_code.co_name in ("work", "three_ints"):
        values.append(dict(outer.f_locals))
        outer = outer.f_back
    stream = pickle.dumps(values, 5)
    snapshot = capture_stack(frame)
    return {
        "walk": seconds(lambda: _native.capture(frame, None, (skt.call.__code__,))),
        "capture": seconds(lambda: capture_stack(frame)),
        "dumps": seconds(lambda: pickle.dumps(values, 5)),
        "thaw": seconds(snapshot.thaw),
        "loads": seconds(lambda: pickle.loads(stream)),
        "bytes": len(snapshot.control) + len(snapshot.objects),
    }


def flatten(value):
    while isinstance(value, tuple):
        value = value[0]
    return value


def main():
    global action
    action = measure
    print("     stack   walk  capture     thaw   bytes")
    for name, program in [
        ("3 ints", three_ints),
        ("1 frame", lambda: work(1)),
        ("3 frames", lambda: work(3)),
        ("10 frames", lambda: work(10)),
    ]:
        got = flatten(skt.call(program))
        dumps, loads = got["dumps"], got["loads"]
        print(
            f"{name:>10} {got['walk'] / dumps:6.2f} {got['capture'] / dumps:8.2f} "
            f"{got['thaw'] / loads:8.2f} {got['bytes']:7}   "
            f"(microseconds: dumps {1e6 * dumps:.2f}, walk {1e6 * got['walk']:.2f}, "
            f"capture {1e6 * got['capture']:.1f}, thaw {1e6 * got['thaw']:.1f})"
        )


if __name__ == "__main__":
    main()
