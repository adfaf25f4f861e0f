"""Interrupt captures and resumes at every place that can be reached; run by test_interrupted.py.

Usage: interrupted.py (trace | memory | signal) (capture | resume) STRIDE
"""

import collections
import contextlib
import functools
import gc
import inspect
import itertools
import signal
import sys
import types
import weakref

import sauerkraut as skt
from sauerkraut.errors import ResumeError
from sauerkraut.objects import thawing


class Node:
    def __init__(self):
        self.me = self
        self.items = [1, "a", {2, 3}]


def innermost(node):
    held = [node, node]
    return skt.capture(), len(held)


def stack():
    node, data, group = Node(), bytearray(b"abc"), {1, 2, 3}
    group.discard(2)
    over, pairs = iter({1: 2, 3: 4}), itertools.product("ab", "cd")
    next(over), next(pairs)
    weak, closure, error = weakref.ref(node), lambda: node, ValueError("x")
    step = 0
    for i in range(7, 8):
        with memoryview(data) as view:
            got, count = innermost(node)
        step += i
        alive = weak() is node and closure() is node
    return got, (step, count, data, view is None, alive, list(over), list(pairs), error.args)


def told(result):
    return repr(result[1])


def capture():
    return skt.call(stack)


class Tracer:
    """Raises KeyboardInterrupt at the n-th line of this package."""

    def __init__(self, n):
        self.left = n

    def __call__(self, frame, event, _):
        if "sauerkraut" not in frame.f_code.co_filename:
            return None
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return self


def traced(work, n):
    tracer = Tracer(n)
    sys.settrace(tracer)
    try:
        work()
    finally:
        sys.settrace(None)
    return tracer.left > 0


def codes_in(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes_in(constant)


@functools.cache
def more_references():
    """Of what CPython 3.12 and 3.13 let go once too often when they cannot make a function."""
    kept = []
    for module in list(sys.modules.values()):
        for value in list(vars(module).values()):
            for each in vars(value).values() if isinstance(value, type) else (value,):
                function = getattr(each, "__func__", each)
                if isinstance(function, types.FunctionType):
                    function = inspect.unwrap(function)
                    kept += [*codes_in(function.__code__)] * 20
                    kept += [function.__globals__] * 20
    return kept


def without_memory(work, n):
    import _testcapi

    more_references()
    _testcapi.set_nomemory(n, n + 1)
    try:
        work()
    finally:
        _testcapi.remove_mem_hooks()
    return False


def alarmed(work, n):
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, n * 20e-6)
    try:
        work()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return False


WAYS = {
    "trace": (traced, KeyboardInterrupt, 100_000),
    "memory": (without_memory, MemoryError, 4000),
    "signal": (alarmed, KeyboardInterrupt, 400),
}


def main():
    way, what, stride = sys.argv[1], sys.argv[2], int(sys.argv[3])
    interrupt, error, most = WAYS[way]
    snapshot, _ = first = capture()
    expected, raw = told(first), snapshot.to_bytes()

    def resume():
        result = skt.Snapshot.from_bytes(raw).resume(snapshot)
        assert told(result) == expected, told(result)

    work = capture if what == "capture" else resume
    seen = collections.Counter()
    healthy = []
    for n in range(1, most, stride):
        end = False
        try:
            end = interrupt(work, n)
            seen["done"] += 1
        except error:
            seen["interrupted"] += 1
        except skt.SauerkrautError as other:
            # what the pickler or an import makes of it; never an unknown kind
            seen[type(other).__name__] += 1
        if n % 20 < stride:
            assert told(capture()) == expected
            resume()
            gc.collect()
            with contextlib.suppress(ResumeError):
                assert thawing.current() is None
            # what a CPython with a JIT compiles comes and goes as it likes
            kinds = (type(each).__name__ for each in gc.get_objects())
            healthy.append(sum(kind != "uop_executor" for kind in kinds))
        if end:
            break
    later = itertools.pairwise(healthy[len(healthy) // 2 :])
    steps = sorted(after - before for before, after in later)
    growth = sum(steps[:-1])  # the largest may be a module that is imported late, once
    print(dict(seen), "grown by", growth)


if __name__ == "__main__":
    main()
