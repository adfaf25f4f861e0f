"""Which globals are captured with the frames."""

import ctypes
import importlib
import math
import sys
import types
from importlib.machinery import ModuleSpec

import numpy as np
import pytest

from sauerkraut.errors import CaptureError
from sauerkraut.objects import graph, module_data

SOURCE = """
import abc
import enum
import functools
import math
import threading
from collections import Counter
from math import sin

u = [1, 2]
count = 0
_hidden = {"a": 1}
lock = threading.Thread()
named = threading.Thread()

class Base:
    tried = [1]

class Solver(Base):
    limit = 3
    __slots__ = ("own",)
    def stop(self):
        return named
    class Inner:
        table = {}
    again = Base

class Color(enum.Enum):
    RED = 1

class Shape(abc.ABC):
    sides = 0

@functools.cache
def cached(x):
    return x

def step():
    global count
    count += 1
    return u
"""


@pytest.fixture
def imported(tmp_path, monkeypatch):
    """Make a module of a text, as if it was imported."""

    def imported(name, text):
        made = types.ModuleType(name)
        made.__file__ = str(tmp_path / f"{name}.py")
        made.__spec__ = ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, made)
        exec(compile(text, made.__file__, "exec", dont_inherit=True), vars(made))
        return made

    return imported


@pytest.fixture
def module(imported, monkeypatch):
    monkeypatch.setattr(module_data, "_told", set())
    return imported("data_sample", SOURCE)


def test_data_of_project_modules(module, caplog):
    module.named = None
    module.array = np.zeros(3)
    data = module_data.collect(["data_sample", "json", "no_such_module"])
    assert "json" not in data
    assert data["data_sample"].keys() == {
        *("u", "count", "_hidden", "named", "array"),
        *("Base.tried", "Solver.limit", "Solver.Inner.table", "Shape.sides"),
    }
    (told,) = caplog.records
    assert told.message == (
        "global data_sample.lock is not captured: value 0: "
        "threading.Thread cannot be captured; join it before the checkpoint, or exclude it and "
        "start it again in on_restart"
    )
    caplog.clear()
    module_data.collect(["data_sample"])
    assert not caplog.records  # once


def test_what_a_function_names_stays_and_is_an_error(module):
    data = module_data.collect(["data_sample"])
    assert "named" in data["data_sample"]
    with pytest.raises(CaptureError, match=r"global 'named'.*threading.Thread"):
        graph.freeze(
            list(data["data_sample"].values()),
            names=lambda i: f"data_sample -> global {list(data['data_sample'])[i]!r}",
        )


def test_libraries_in_c_are_those_of_the_restarted_program(module):
    module.library = ctypes.CDLL(None)
    module.getpid = module.library.getpid
    module.number = ctypes.c_int(3)
    module.used = lambda: (module.library, module.getpid)
    data = module_data.collect(["data_sample"])["data_sample"]
    assert "number" in data
    assert data.keys().isdisjoint(["library", "getpid"])


class NoRequestError(Exception):
    pass


class Proxy:
    def __getattr__(self, name):
        raise NoRequestError(name)


def test_a_proxy_whose_object_is_not_there_is_asked_for_nothing(module):
    module.proxy = Proxy()
    assert module_data.collect(["data_sample"])["data_sample"]["u"] == [1, 2]


def test_selection(module):
    assert module_data.collect(["data_sample"], "none") == {}
    assert module_data.collect([], ["data_sample"]).keys() == {"data_sample"}


def test_rebinding(module):
    module.named = None
    data = module_data.collect(["data_sample"])
    (back,) = graph.thaw(graph.freeze([data]))
    module.u, module.count = None, 99
    module.new = 1
    module_data.restore(back)
    assert module.u == [1, 2]
    assert module.count == 0
    assert module.new == 1
    assert module.step() is module.u


def test_attributes_of_classes_are_set_again(module):
    data = module_data.collect([], ["data_sample"])
    module.Solver.limit, module.Solver.Inner.table, module.count = 7, {"a": 1}, 5
    module_data.restore(data)
    assert (module.Solver.limit, module.count) == (3, 0)
    assert module.Solver.Inner.table is data["data_sample"]["Solver.Inner.table"]
    del module.Solver.Inner
    module.count = 5
    module_data.restore(data)  # what held it is gone
    assert module.count == 0


STATEFUL = """
import functools

def counting(function):
    calls = 0
    @functools.wraps(function)
    def wrapper(*given):
        nonlocal calls
        calls += 1
        return calls, function(*given)
    return wrapper

def make():
    total = [0]
    def add(value):
        total[0] += value
        return total[0]
    return add, lambda: total

@counting
def step(x, seen=[]):
    step.last = x
    seen.append(x)
    return list(seen)

class Thing:
    def keep(self, value, *, kept=[]):
        kept.append(value)
        return len(kept)

    @staticmethod
    @counting
    def count():
        return None

add, read = make()
values = [1]
put = values.append
later = lambda *, options={}: options
"""


def test_state_of_functions_comes_back(tmp_path, monkeypatch):
    def use(module):
        module.put(2)
        options = module.later()
        options["n"] = options.get("n", 0) + 1
        thing = module.Thing()
        told = [module.step(5), module.step.last, module.add(3), thing.keep(1), thing.count()]
        return [*told, dict(options), list(module.values), list(module.read())]

    def load():
        made = types.ModuleType("stateful_sample")
        made.__file__ = str(tmp_path / "stateful_sample.py")
        monkeypatch.setitem(sys.modules, made.__name__, made)
        exec(compile(STATEFUL, made.__file__, "exec", dont_inherit=True), vars(made))
        return made

    module = load()
    use(module)
    frozen = graph.freeze([module_data.collect(["stateful_sample"]), module.put])
    expected = use(module)
    again = load()
    data, put = graph.thaw(frozen)
    module_data.restore(data)
    assert put.__self__ is again.values
    assert use(again) == expected
    assert again.add.__closure__[0] is again.read.__closure__[0]
    assert again.step.__wrapped__.__defaults__[0] == [5, 5]


def test_of_modules_that_others_import_what_may_change(module, monkeypatch, caplog):
    user = types.ModuleType("data_user")
    user.__file__, user.Solver = module.__file__, module.Solver
    monkeypatch.setitem(sys.modules, user.__name__, user)
    data = module_data.collect(["data_user"])
    assert data["data_sample"].keys() == {
        *(
            "u",
            "count",
            "_hidden",
            "Base.tried",
            "Solver.Inner.table",
        ),  # Solver.limit is set nowhere
    }
    assert "data_user" not in data
    assert {each.message.split()[1] for each in caplog.records} == {
        *("data_sample.lock", "data_sample.named"),  # never an error
    }


DISPATCHING = """
import functools

@functools.singledispatch
def show(x):
    return "object"

@show.register
def _(x: int):
    return "int"

@show.register
def _(x: str):
    return "str"

def of_bytes(x):
    return "bytes"

class Printer:
    @functools.singledispatchmethod
    def kind(self, x):
        return "object"

show.calls = [1]

def begin(prefix):
    class Local:
        pass
    @show.register
    def of_local(x: Local):
        return prefix + type(x).__name__
    show.register(bytes, of_bytes)
    Printer.kind.register(Local, lambda self, x: (self.own, x.value))
    Printer.own = show.calls
    return Local
"""


def test_what_was_registered_while_the_program_ran_is_registered_again(imported):
    def use(module, local):
        held = local()
        held.value = [1]
        kinds = [module.show(x) for x in (held, 1, "", b"", None)]
        return kinds, module.Printer().kind(held), module.Printer().kind(1)

    module = imported("data_dispatching", DISPATCHING)
    local = module.begin(">")
    expected = use(module, local)
    frozen = graph.freeze([module_data.collect(["data_dispatching"]), local])
    module = imported("data_dispatching", DISPATCHING)
    data, local = graph.thaw(frozen)
    registered = module.show.registry
    module_data.restore(data)
    assert use(module, local) == expected
    assert module.show.registry is registered
    assert module.Printer.own is module.show.calls
    assert module.show.dispatch(bytes) is module.of_bytes


CHOOSING = """
def euler(x): return x + 1
def rk4(x): return x + 4

class Slow: order = 1
class Fast: order = 4

class Solver:
    method = euler
    def same(self): pass

step, kernel, Chosen, root = euler, None, Slow, None

def same(x): return x

def choose(n):
    global step, kernel, Chosen, math, root, same
    import math
    step, Chosen, root = rk4, Fast, math.sqrt
    kernel = lambda x: x * n
    Solver.method = lambda self: n
    Solver.kind = classmethod(lambda cls: (cls, n))
    Solver.same = Solver.same
"""


def test_what_a_function_chose_is_chosen_again(imported):
    module = imported("data_choosing", CHOOSING)
    own = {"step": module.euler, "Chosen": module.Slow, "Solver.method": module.euler}
    assert module_data.collect(["data_choosing"])["data_choosing"] == {
        **own,
        "kernel": None,
        "root": None,
        "Slow.order": 1,
        "Fast.order": 4,
    }
    module.choose(3)
    data = module_data.collect(["data_choosing"])
    assert "same" not in data["data_choosing"]
    assert "Solver.same" not in data["data_choosing"]
    frozen = graph.freeze([data])
    module = imported("data_choosing", CHOOSING)
    module_data.restore(*graph.thaw(frozen))
    assert (module.step, module.Chosen, module.root) == (module.rk4, module.Fast, math.sqrt)
    assert (module.math, module.kernel(2), module.Solver().method()) == (math, 6, 3)
    assert module.Solver.kind() == (module.Solver, 3)


def test_of_modules_that_only_functions_import_what_may_change(tmp_path, monkeypatch):
    files = {
        "lazy_user.py": "def work():\n    import lazy_state\n    lazy_state.count += 1\n",
        "lazy_state.py": "count, seen, same = 0, [], 'x'\n",
        "lazy_package/__init__.py": "",
        "lazy_package/user.py": """
class User:
    @classmethod
    def work(cls):
        from . import state
        from .deep.more import table
        from ..lazy_package.deep import other
        return lambda: __import__
""",
        "lazy_package/state.py": "seen = [1]\n",
        "lazy_package/deep/__init__.py": "",
        "lazy_package/deep/more.py": "table = {}\n",
        "lazy_package/deep/other.py": "unseen = []\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    names = [name.removesuffix(".py").replace("/", ".") for name in files]
    for name in names:
        if not name.endswith("__init__"):
            importlib.import_module(name)
    data = module_data.collect(["lazy_user", "lazy_package.user"])
    for name in [*sys.modules]:
        if name.startswith("lazy_"):
            monkeypatch.delitem(sys.modules, name)
    data.pop("__main__", None)
    assert data == {
        "lazy_state": {"count": 0, "seen": []},
        "lazy_package.state": {"seen": [1]},
        "lazy_package.deep.more": {"table": {}},
        "lazy_package.deep.other": {"unseen": []},
    }
