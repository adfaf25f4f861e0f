"""Fingerprints: the same in every process, different for every difference in meaning."""

import math
import os
import sys
import types

import pytest

from sauerkraut.code import fingerprint
from tests.processes import run_python

SAMPLE = '''
import functools

NAMES = {"a", "b", "c"}


def loop(n, *args, key=None, **kw):
    """Doc."""
    total = 0
    for i in range(n):
        if i in {"x", "y", "z", 1, 2.0, b"b", None, frozenset()}:
            continue
        with open("f") as f:
            try:
                total += [j * i for j in f if j not in {"p", "q", "r"}][0]
            except (OSError, ValueError) as error:
                raise KeyError("k") from error
            finally:
                print(f"{total!r:>10}")
    return total


class Outer:
    """Doc."""

    value: int = 3

    class Inner:
        def method(self):
            self.one = self.two = self.three = self.four = self.five = 1
            return super().method(), lambda x, /, y=1: (x, y, {"m", "n"})

    @property
    def prop(self):
        return {k: v for k, v in zip("abc", (1, -0.0, 1e300, 1j, ...))}


@functools.wraps(loop)
async def co(x):
    async with x as y:
        async for z in y:
            yield await z


def match(x):
    match x:
        case {"a": [1, *rest]} if rest:
            return rest
        case Outer(value=3) | "s":
            return None
    return (yield from x)
'''


CLASS = """
def f():
 class C(dict):
  x, y = 1, 3
  y = 3
  if y:
   def g(self): self.a = self.b = 3
 return C
"""


def of(source, name="f"):
    namespace = {}
    exec(compile(source, "<test>", "exec", dont_inherit=True), namespace)
    return fingerprint.of(namespace[name].__code__)


def all_codes(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from all_codes(constant)


def compiled(source):
    return list(all_codes(compile(source, "<test>", "exec", dont_inherit=True)))


def test_is_16_bytes_and_cached():
    code = compile("1", "<test>", "eval")
    assert len(fingerprint.of(code)) == 16
    assert fingerprint.of(code) is fingerprint.of(code)


def test_the_cache_follows_identity_not_value():
    for n in range(500):
        code = compile(f"lambda: {n}", "<test>", "eval").co_consts[0]
        assert fingerprint.of(code) == fingerprint._compute_exact(code)


def test_equal_over_hash_seeds():
    script = (
        "import sys; from sauerkraut.code import fingerprint\n"
        "def walk(c):\n"
        "  yield fingerprint.of(c).hex() + fingerprint.layout_free(c).hex()\n"
        "  for k in c.co_consts:\n"
        "    if isinstance(k, type(c)): yield from walk(k)\n"
        f"print(*walk(compile({SAMPLE!r}, sys.argv[1], 'exec')))"
    )
    seen = set()
    for seed in range(20):
        done = run_python(
            "-c", script, f"file{seed}", env={**os.environ, "PYTHONHASHSEED": str(seed)}
        )
        seen.add(done.stdout)
    assert len(seen) == 1
    assert len(next(iter(seen)).split()) > 5


def test_specialised_and_traced_code_is_the_same_code():
    def work(n):
        total = 0
        for i in range(n):
            total += [i, 2][1] * len("abc") + math.floor(1.5)
        return total

    before = fingerprint._compute_exact(work.__code__)
    for _ in range(100):
        work(100)
    assert fingerprint._compute_exact(work.__code__) == before
    during = []

    def trace(frame, event, arg):
        during.append(fingerprint._compute_exact(work.__code__))
        return trace

    outer = sys.gettrace()
    sys.settrace(trace)
    try:
        work(3)
    finally:
        sys.settrace(outer)
    assert set(during) == {before}


@pytest.mark.skipif(
    sys.version_info < (3, 12),
    reason="missing: sys.monitoring of CPython 3.12: install one, `make test` runs this there",
)
def test_monitored_code_is_the_same_code():
    def work():
        return [i + 1 for i in range(3)]

    before = fingerprint._compute_exact(work.__code__)
    tool, events = sys.monitoring.PROFILER_ID, sys.monitoring.events
    sys.monitoring.use_tool_id(tool, "test")
    try:
        sys.monitoring.register_callback(tool, events.INSTRUCTION, lambda *_: None)
        sys.monitoring.set_local_events(tool, work.__code__, events.INSTRUCTION | events.LINE)
        work()
        assert fingerprint._compute_exact(work.__code__) == before
    finally:
        sys.monitoring.free_tool_id(tool)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(): return 1", "def f(): return 1.0"),
        ("def f(): return 1", "def f(): return True"),
        ("def f(): return 0.0", "def f(): return -0.0"),
        ("def f(): return 0j", "def f(): return -0j"),
        ("def f(): return (1, 2)", "def f(): return (1, 2.0)"),
        ("def f(): return 'a'", "def f(): return b'a'"),
        ("def f(x): return x in {1, 2}", "def f(x): return x in {1, 3}"),
        ("def f(x): return x in {1, 2}", "def f(x): return x in (1, 2)"),
        ("def f(): return g", "def f(): return h"),
        ("def f(a): return a", "def f(b): return b"),
        ("def f(a): pass", "def f(*a): pass"),
        ("def f(a): pass", "def f(a, /): pass"),
        ("def f(*, a): pass", "def f(a): pass"),
        ("def f(): return lambda: 1", "def f(): return lambda: 2"),
        ("def f(): return 1", "async def f(): return 1"),
        ("def f(): g()", "def f():\n try: g()\n except E: pass"),
        ("def f():\n 'doc'\n return 'doc'", "def f():\n 'other'\n return 'other'"),
        ("def f(): return ...", "def f(): return None"),
        (CLASS, CLASS.replace("y = 3", "y = 4")),
        (CLASS, CLASS.replace("y = 3", "z = 3")),
        (CLASS, CLASS.replace("self.a", "self.c")),
        (CLASS, CLASS.replace("if y", "if not y")),
    ],
)
def test_differences(one, other):
    assert of(one) != of(other)
    assert of(one) == of(one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(): return 1", "\n\n\ndef f():\n\n  return 1"),
        ("def f():\n 'doc'\n return 1", "def f():\n 'other doc'\n return 1"),
        ("def f(): return 1", "def f(): # comment\n return 1"),
        ("def f(x): return x + 1", "def f(x):\n y: int\n return x + 1"),
        (CLASS, "\n" + CLASS),
        (CLASS, CLASS.replace("class C", "\n" * 300 + " class C")),
        (CLASS, CLASS.replace("y = 3", "\n  y = 3")),
    ],
)
def test_no_differences(one, other):
    assert of(one) == of(other)


def test_layout_only():
    one = compiled("def f(x):\n while x: x -= 1\n if x: pass\n return x")[1]
    other = compiled("def f(x):\n while x:\n\n  x -= 1\n if x:\n  pass\n\n return x")[1]
    changed = compiled("def f(x):\n while x: x -= 2\n if x: pass\n return x")[1]
    assert fingerprint.layout_free(one) == fingerprint.layout_free(other)
    assert fingerprint.layout_free(one) != fingerprint.layout_free(changed)
