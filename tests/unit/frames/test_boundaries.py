"""C code between two frames is refused by name."""

import collections
import collections.abc
import contextvars
import ctypes
import functools
import heapq
import importlib
import itertools
import json
import math
import operator
import pickle
import re
import signal
import sys
import weakref

import numpy as np
import pytest

import sauerkraut as skt
from sauerkraut import CaptureError
from tests.unit.frames.pausing import Steps, looped, pause


class Key:
    def __init__(self, n):
        self.n = n

    def __eq__(self, other):
        return pause(self.n == other.n)

    def __hash__(self):
        return pause(1)

    def __index__(self):
        return pause(self.n)

    def __int__(self):
        return pause(self.n)

    def __lt__(self, other):
        return pause(self.n < other.n)

    def __float__(self):
        return pause(float(self.n))

    def __complex__(self):
        return pause(complex(self.n))

    def __divmod__(self, other):
        return pause(divmod(self.n, other))

    def __floor__(self):
        return pause(self.n)

    def __bytes__(self):
        return pause(b"")

    def __dir__(self):
        return pause([])

    def __str__(self):
        return pause("")

    def __repr__(self):
        return pause("")

    def __reduce__(self):
        return pause(Key), (1,)

    def __getitem__(self, place):
        return pause(place)

    def keys(self):
        return pause([])


class Made:
    def __new__(cls, n):
        pause()
        return super().__new__(cls)


class Tells(type):
    def __new__(cls, *args):
        pause()
        return super().__new__(cls, *args)

    def __instancecheck__(cls, instance):
        return pause(True)

    def __subclasscheck__(cls, derived):
        return pause(True)


class Prepares(type):
    @classmethod
    def __prepare__(cls, *args):
        return pause({})


class Base:
    def __init_subclass__(cls):
        pause()


class Named:
    def __set_name__(self, owner, name):
        pause()


Plain = type.__new__(Tells, "Plain", (), {})


class Proxy:
    shape = property(operator.attrgetter("array.shape"))

    def __getattr__(self, name):
        return pause(name)


class Twice:
    def __pow__(self, other, modulus=None):
        return pause(1)

    def __add__(self, other):
        return pause(NotImplemented)

    __iadd__ = __add__


class HasTruth:
    def __contains__(self, item):
        return self

    def __bool__(self):
        return pause(True)


def in_place(one, other):
    one += other
    return one


def enumerated():
    for place, x in enumerate(Steps()):
        return place, x
    return None


def in_context(function):
    return functools.partial(contextvars.copy_context().run, function)


def body():
    class Body:
        value = pause(1)

    return Body


def unpacked():
    a, b = Steps()
    return a + b


def imports(folder):
    (folder / "paused_import.py").write_text(f"import {__name__} as t\nt.pause()\n")
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("paused_import")
    finally:
        sys.path.remove(str(folder))


def paused():
    """No generator expression: in `any()` and `tuple()` CPython 3.15 makes a plain loop of one."""
    yield pause(0)


class PausingError(Exception):
    def __init__(self):
        pause()


class Point:
    __match_args__ = ("x",)

    @property
    def x(self):
        return pause(1)


class Row(collections.abc.Sequence):
    def __len__(self):
        return 2

    def __getitem__(self, place):
        return pause(place)


class RowOfIterator(Row):
    def __iter__(self):
        yield pause(0)
        yield 1


class Table(collections.abc.Mapping):
    def __getitem__(self, key):
        return pause(key)

    def __iter__(self):
        return iter("a")

    def __len__(self):
        return 1


class Scope(dict):
    def __getitem__(self, name):
        return pause(3)


class OldSequence:
    def __len__(self):
        return 2

    def __getitem__(self, place):
        if place > 1:
            raise IndexError(place)
        return pause(place)


class Finalized(np.ndarray):
    def __array_finalize__(self, obj):
        pause()


class Counted:
    def __init__(self, n):
        pause()


def raises(kind=PausingError, cause=None):
    if cause is None:
        raise kind
    raise kind from cause


def matches(subject):
    match subject:
        case Point(x=1) | Point(1) | [_, 1] | {"a": _}:
            return True
    return False


def handed_on(iterator):
    for _ in (lambda: (yield from iterator))():
        pass


BRACES, PERCENT = "{}", "%s"
REFUSED = {
    "sorted": (lambda: sorted([2, 1], key=pause), "builtin_function_or_method sorted"),
    "sort": (lambda: [Key(1), Key(0)].sort(), "sort"),
    "max": (lambda: max([1, 2], key=pause), "max"),
    "map": (lambda: list(map(pause, [1])), "type list"),
    "map of filter": (lambda: looped(map(int, filter(pause, [1]))), "an operation that runs"),
    "filter": (lambda: next(filter(pause, [1])), "builtin_function_or_method next"),
    "reduce": (lambda: functools.reduce(lambda a, b: pause(a), [1, 2]), "reduce"),
    "re.sub": (lambda: re.compile("x").sub(lambda m: pause("y"), "x"), "sub"),
    "lru_cache": (lambda: functools.lru_cache(pause)(1), "_lru_cache_wrapper"),
    "enumerate": (enumerated, "an operation that runs in C"),
    "list": (lambda: list(Steps()), "type list"),
    "sum": (lambda: sum(Steps()), "sum"),
    "unpack": (unpacked, "an operation that runs in C"),
    "star": (lambda: [*Steps()], "an operation that runs in C"),
    "chain": (lambda: next(itertools.chain(Steps())), "next"),
    "in an iterator": (lambda: 1 in Steps(), "an operation that runs in C"),
    "equal lists": (lambda: [Key(1)] == [Key(1)], "an operation that runs in C"),
    "a key": (lambda: {Key(1): 1}, "an operation that runs in C"),
    "an index": (lambda: [1, 2][Key(1)], "an operation that runs in C"),
    "int": (lambda: int(Key(1)), "type int"),
    "itself": (lambda: (lambda k: k == k)(Key(1)), "an operation that runs in C"),
    "one for both": (lambda: in_place(Twice(), 1), "an operation that runs in C"),
    "truth of contains": (lambda: 1 in HasTruth(), "an operation that runs in C"),
    "a getter in C": (lambda: Proxy().shape, "an operation that runs in C"),
    "partial": (lambda: functools.partial(next, Steps())(None), "(partial|adds an argument)"),
    "function in a partial": (lambda: in_context(pause)(1), "(partial|adds an argument)"),
    "new": (lambda: Made(1), "type Made"),
    "class body": (body, "__build_class__"),
    "class statement of a metaclass": (lambda: defines("metaclass=Tells"), "__build_class__"),
    "namespace of a class": (lambda: defines("metaclass=Prepares"), "__build_class__"),
    "derived class": (lambda: defines("Base"), "__build_class__"),
    "any": (lambda: any(paused()), "any"),
    "tuple": (lambda: tuple(paused()), "type tuple"),
    "join": (lambda: "".join(pause(x) for x in "a"), "str.join"),
    "dict.update": (lambda: {}.update((pause(x), 1) for x in "a"), "dict.update"),
    "list.extend": (lambda: [].extend(pause(x) for x in "a"), "list.extend"),
    "a factory": (lambda: collections.defaultdict(pause)[1], "an operation that runs in C"),
    "groupby": (lambda: looped(itertools.groupby([1], pause)), "an operation"),
    "accumulate": (lambda: [*itertools.accumulate([1, 2], lambda a, b: pause(a))], "an operation"),
    "starred arguments": (
        lambda: max(*(pause(x) for x in "ab")),
        "(max|an operation|adds an argument)",
    ),
    "named arguments": (lambda: dict(**Key(1)), "an operation"),
    "heap": (lambda: heapq.heappush([Key(1)], Key(2)), "heappush"),
    "json": (lambda: json.dumps(object(), default=pause), "Encoder"),
    "pickle": (lambda: pickle.dumps(Key(1)), "dumps"),
    "print": (lambda: print(Key(1)), "print"),
    "ascii": (lambda: ascii(Key(1)), "ascii"),
    "str.format": (lambda: BRACES.format(Key(1)), "str.format"),
    "percent": (lambda: PERCENT % Key(1), "an operation"),
    "float": (lambda: float(Key(1)), "type float"),
    "complex": (lambda: complex(Key(1)), "type complex"),
    "bytes": (lambda: bytes(Key(1)), "type bytes"),
    "range": (lambda: range(Key(1)), "type range"),
    "divmod": (lambda: divmod(Key(1), 1), "divmod"),
    "dir": (lambda: dir(Key(1)), "dir"),
    "hasattr": (lambda: hasattr(Proxy(), "x"), "hasattr"),
    "isinstance": (lambda: isinstance(1, Plain), "isinstance"),
    "issubclass": (lambda: issubclass(int, Plain), "issubclass"),
    "math.floor": (lambda: math.floor(Key(1)), "floor"),
    "math.sqrt": (lambda: math.sqrt(Key(1)), "sqrt"),
    "operator.lt": (lambda: operator.lt(Key(1), Key(2)), "lt"),
    "operator.index": (lambda: operator.index(Key(1)), "index"),
    "itemgetter": (lambda: operator.itemgetter(1)(Key(1)), "itemgetter"),
    "ufunc": (lambda: np.frompyfunc(pause, 1, 1)(np.ones(1)), "ufunc"),
    "vectorize": (lambda: np.vectorize(pause)(np.ones(1)), "ufunc"),
    "array function": (
        lambda: np.apply_along_axis(lambda x: pause(x.sum()), 0, np.ones((1, 1))),
        "apply_along_axis",
    ),
    "raise": (raises, "an operation"),
    "raise from": (lambda: raises(ValueError, PausingError), "an operation"),
    "match of a property": (lambda: matches(Point()), "an operation"),
    "match of a sequence": (lambda: matches(Row()), "an operation"),
    "match of an iterator": (lambda: matches(RowOfIterator()), "an operation"),
    "match of a mapping": (lambda: matches(Table()), "an operation"),
    "a mapping in a dict": (lambda: {**Table()}, "an operation"),
    "names of a mapping": (lambda: exec("x = magic", {}, Scope()), "an operation"),
    "items by number": (lambda: looped(OldSequence()), "an operation"),
    "in items by number": (lambda: 1 in OldSequence(), "an operation"),
    "items backwards": (lambda: looped(reversed(OldSequence())), "an operation"),
    "iter of a call": (lambda: looped(iter(pause, 1)), "an operation"),
    "starmap": (lambda: looped(itertools.starmap(pause, [(1,)])), "an operation"),
    "takewhile": (lambda: looped(itertools.takewhile(pause, [1])), "an operation"),
    "filter in a loop": (lambda: looped(filter(pause, [1])), "an operation"),
    "map in a generator": (lambda: handed_on(map(pause, [1])), "an operation"),
    "map of a class": (lambda: looped(map(Counted, [1])), "an operation"),
    "partial of a class": (lambda: functools.partial(Counted)(1), "partial"),
    "a view of an array class": (lambda: np.zeros(2).view(Finalized), "ndarray.view"),
    "pow": (lambda: pow(Twice(), 2, 3), "pow"),
    "context": (lambda: contextvars.copy_context().run(pause), "Context.run"),
}


def defines(bases):
    """A class statement in a frame of its own."""
    namespace = {"__name__": __name__, **globals()}
    exec(f"def define():\n class Local({bases}): pass", namespace)
    namespace["define"]()


@pytest.mark.parametrize("name", REFUSED)
def test_what_stands_in_c_is_refused_by_name(name):
    program, culprit = REFUSED[name]
    with pytest.raises(CaptureError, match=f"was entered from C by .*{culprit}.* called in "):
        skt.call(program)


class Paused:
    def __init__(self):
        pause()


@pytest.mark.parametrize(
    ("called", "words"),
    [
        (lambda: skt.call(sorted, [2, 1], key=pause), "entered from C by .* sorted"),
        (lambda: skt.call(functools.reduce, lambda a, b: pause(a + b), [1, 2]), "reduce"),
        (lambda: skt.call(Paused), "calls a class"),
    ],
)
def test_the_outermost_frame_must_return_what_the_call_does(called, words):
    with pytest.raises(CaptureError, match=words):
        called()


def test_a_weak_proxy_anywhere_is_no_iterator_that_calls():
    class Both:
        def __iter__(self):
            return iter((1, 2))

        def add(self, *others):
            return pause(len(others))

    both = Both()
    proxy = weakref.proxy(both, operator.methodcaller("gone"))  # can be iterated, by its type
    assert skt.call(lambda: both.add(*both)) == 2
    del proxy  # before what it stands for: its callback cannot be called


def test_a_name_being_set_is_refused():
    # CPython 3.11 tells of any error there by one of its own.
    with pytest.raises((CaptureError, RuntimeError)) as raised:
        skt.call(lambda: type("Local", (), {"named": Named()}))
    error = raised.value if isinstance(raised.value, CaptureError) else raised.value.__cause__
    assert "__set_name__() at " in str(error)
    assert "was entered from C by" in str(error)


def test_a_signal_handler_is_refused():
    def handler(_number, frame):
        del frame
        pause()

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises(CaptureError, match=r"raise_signal|signal handler that came in"):
            skt.call(lambda: signal.raise_signal(signal.SIGUSR1))
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_an_import_in_progress_is_refused(tmp_path):
    with pytest.raises(CaptureError, match="was entered from C by"):
        skt.call(imports, tmp_path)
    sys.modules.pop("paused_import", None)


def test_a_callback_of_ctypes_is_refused_by_name():
    told = []

    def callback():
        with pytest.raises(CaptureError, match="was entered from C by CFunctionType") as refused:
            pause()
        told.append(refused)
        return 1

    assert skt.call(lambda: ctypes.CFUNCTYPE(ctypes.c_int)(callback)()) == 1
    assert told
