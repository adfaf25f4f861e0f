"""A step is known by all code of the project that it leads to, and by nothing else."""

import importlib
import sys

import pytest

from sauerkraut.flow import identity

STEP = "def step(state, data): "
METHOD = "class M:\n  def h(self): return {}\n"
WAYS = {
    "default": "def h(): return {}\ndef step(state, data, n=h): n()",
    "keyword default": "def h(): return {}\ndef step(state, data, *, n=h): n()",
    "function in a partial": (
        "import functools\ndef h(): return {}\ndef f(g, state, data): g()\n"
        "step = functools.partial(f, h)"
    ),
    "self of a method": f"{METHOD}  def step(self, state, data): self.h()\nstep = M().step",
    "global instance": f"{METHOD}m = M()\n{STEP}m.h()",
    "instance in a closure": (
        f"{METHOD}def make():\n  m = M()\n  def step(state, data): m.h()\n  return step\n"
        "step = make()"
    ),
    "function in a table": f"def h(): return {{}}\nTABLE = {{{{'a': [h]}}}}\n{STEP}TABLE['a'][0]()",
    "wrapped without a word": (
        "def d(f):\n  def w(state, data): return f(state, data)\n  return w\n"
        "@d\ndef step(state, data): return {}"
    ),
    "wrapped by an object": (
        "class D:\n  def __init__(self, f): self.f = f\n  def __call__(self, *a): self.f(*a)\n"
        "@D\ndef step(state, data): return {}"
    ),
    "cached property": (
        "import functools\ndef h(): return {}\nclass M:\n  @functools.cached_property\n"
        f"  def x(self): return h()\n{STEP}M().x"
    ),
    "property": f"def h(): return {{}}\nclass M:\n  x = property(lambda s: h())\n{STEP}M().x",
    "singledispatch": (
        "import functools\n@functools.singledispatch\ndef h(x): return 0\n"
        f"@h.register\ndef _(x: int): return {{}}\n{STEP}h(1)"
    ),
    "lru_cache": f"import functools\n@functools.cache\ndef h(): return {{}}\n{STEP}h()",
    "base": f"{METHOD}class N(M): pass\n{STEP}N().h()",
    "nested function": f"def h(): return {{}}\n{STEP}[h() for _ in state]",
    "lambda step": "step = (\n  lambda state, data: state.update(a={})\n)",
    "one of two lambdas": "step, other = lambda s, d: s.update(a={}), lambda s, d: 0",
    "named tuple": (
        "from collections import namedtuple\nP = namedtuple('P', 'a b{}')\n" + f"{STEP}P(1, 2)"
    ),
}


def of(module):
    return identity.of(module.step)


@pytest.mark.parametrize("way", WAYS)
def test_code_that_a_step_leads_to_counts(program, way):
    before, same, after = (of(program(WAYS[way].format(n))) for n in (1, 1, 2))
    assert before.source
    assert before.is_like(same)
    assert not before.is_like(after)


IMPORTS = {
    "import a.b": "import walk.core\ndef step(s, d): walk.core.move()",
    "module of a module": "from walk import core\ndef step(s, d): core.deep.move()",
    "in a variable": "import walk.core\ndef step(s, d):\n  m = walk.core\n  m.move()",
    "from within": "def step(s, d):\n  from walk import core\n  core.move()",
    "import within": "def step(s, d):\n  import walk.core as c\n  c.move()",
    "by another within": "def step(s, d):\n  from walk.other import go\n  go()",
}


@pytest.mark.parametrize("text", IMPORTS.values(), ids=list(IMPORTS))
def test_functions_of_modules_count(program, tmp_path, monkeypatch, text):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    package = tmp_path / "walk"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "core.py").write_text("from walk import deep\nfrom walk.deep import move\n")
    (package / "other.py").write_text("def go():\n    from . import core\n    core.move()\n")
    found = []
    for told in ("1", "1  # one", "2"):
        (package / "deep.py").write_text(f"def move():\n    return {told}\n")
        for name in [name for name in sys.modules if name.split(".")[0] == "walk"]:
            del sys.modules[name]
        importlib.invalidate_caches()
        found.append(of(program(text)))
    before, same, after = found
    assert before.is_like(same)
    assert not before.is_like(after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("add(load=lambda s: {'x': 1})", "add(load=lambda s: {'x': 1}, retries=1)"),
        ("add(load=lambda s: {'x': 1})", "# a comment\nadd(\n  load=lambda s: { 'x':1 },\n)"),
        ("add(load=lambda s: {'x': 1})", "add(load=lambda s: {'x': 1}, save=lambda s, d: 0)"),
        ("T = []\nadd(load=lambda s: T)", "T = [1, 'x']\nadd(load=lambda s: T)"),
    ],
)
def test_what_stands_around_a_lambda_does_not_count(program, before, after):
    head = "def add(load, **options):\n  global step\n  step = load\n"
    assert of(program(head + before)).source
    assert of(program(head + before)).is_like(of(program(head + after)))


def test_what_a_program_collects_while_it_runs_does_not_count(program):
    text = f"class M: pass\nclass N: pass\nSEEN = []\nm = M()\n{STEP}SEEN.append(m)"
    module = program(text)
    before = of(module)
    module.SEEN.append(module.N())
    module.m.other = module.N()
    assert before.is_like(of(module))


def test_a_step_says_the_same_under_every_python(program):
    text = (
        "import functools\nfrom contextlib import contextmanager\n"
        "from dataclasses import dataclass\n"
        "@contextmanager\ndef held():\n  yield f'{1!r:>{4}} {2=}', *'é\\u1e9e'\n"
        "@dataclass\nclass P:\n  '''Said.'''\n  x: int = 1\n"
        "@functools.singledispatch\ndef kind(x, /, *a, k=None, **o):\n  return None, ..., -1.5\n"
        "@kind.register(P)\ndef _(x): return (lambda: {**x})\n"
        "class Step:\n  def step(self, state, data):\n"
        "    with held() as h:\n      state['x'] = [kind(P(i)) for i in h for h in 'x']\n"
        "step = functools.partial(Step().step)\n"
    )
    assert of(program(text)).source == "a86628f7d69828531b5adc4179836adf"
