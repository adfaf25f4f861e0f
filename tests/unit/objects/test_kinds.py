"""Kinds of objects that programs hold: each comes back and works."""
# ruff: noqa: N806, RUF012

import argparse
import collections
import configparser
import contextlib
import dataclasses
import datetime as dt
import decimal
import enum
import functools
import logging
import operator
import os
import os.path
import pathlib
import random
import sys
import types
import typing
import uuid
import weakref

import numpy as np
import pytest

from tests.unit.objects.crossing import round_trip as rt


def test_logger():
    held, _h = rt(logging.getLogger("a.b"), logging.StreamHandler())
    assert held is logging.getLogger("a.b")


def test_argp():
    p = argparse.ArgumentParser()
    p.add_argument("--x", type=int, default=3)
    (n,) = rt(p.parse_args([]))
    assert n.x == 3
    (q,) = rt(p)
    assert q.parse_args(["--x", "5"]).x == 5


def test_config():
    c = configparser.ConfigParser()
    c["a"] = {"b": "1"}
    (d,) = rt(c)
    assert d["a"]["b"] == "1"


def test_ctx():
    @contextlib.contextmanager
    def cm():
        yield 1

    (f,) = rt(cm)
    with f() as x:
        assert x == 1


def test_sdisp():
    @functools.singledispatch
    def f(x):
        return "o"

    @f.register
    def _(x: int):
        return "i"

    (g,) = rt(f)
    assert g(1) == "i"
    assert g("") == "o"


def test_metaclass():
    class M(type):
        def __call__(cls, *a):
            return super().__call__(*a)

        reg = {}

        def __init__(cls, n, b, d):
            super().__init__(n, b, d)

    class A(metaclass=M):
        x = 1

    a, B = rt(A(), A)
    assert type(a) is B
    assert type(B).__name__ == "M"
    assert type(type(a)).reg == {}


def test_initsub():
    class Base:
        subs = []

        def __init_subclass__(cls, **k):
            super().__init_subclass__()
            Base.subs.append(cls)

    class A(Base):
        pass

    b, a = rt(Base, A)
    assert b.subs == [a], b.subs


def test_flag():
    class F(enum.Flag):
        A = 1
        B = 2
        C = A | B

    v, G = rt(F.A | F.B, F)
    assert v == G.C
    assert v is G.C


def test_intenum():
    class F(enum.IntEnum):
        A = enum.auto()
        B = enum.auto()

    v, G = rt(F.B, F)
    assert v is G.B
    assert v == 2


def test_strenum():
    class F(enum.StrEnum):
        A = "a"

    (v,) = rt(F.A)
    assert v == "a"


def test_tupenum():
    class P(enum.Enum):
        E = (1, 2.0)

        def __init__(self, a, b):
            self.a = a
            self.b = b

        @property
        def s(self):
            return self.a + self.b

    (v,) = rt(P.E)
    assert v.s == 3.0


def test_proto():
    class P(typing.Protocol):
        def f(self): ...

    class Q:
        def f(self):
            pass

    _p, _q = rt(P, Q)


def test_typeddict():
    class T(typing.TypedDict):
        a: int

    (t,) = rt(T)
    assert t(a=1) == {"a": 1}


def test_frozdc():
    @dataclasses.dataclass(frozen=True, order=True)
    class D:
        a: int
        b: list = dataclasses.field(default_factory=list, compare=False)

    (d,) = rt(D(1))
    assert d.a == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        d.a = 2
    assert dataclasses.replace(d, a=3).a == 3
    assert dataclasses.fields(d)[0].name == "a"


def test_kwonly():
    @dataclasses.dataclass(kw_only=True)
    class D:
        a: int = 1

    @dataclasses.dataclass
    class E(D):
        c: int = 2
        _: dataclasses.KW_ONLY
        z: int = 5

    (d,) = rt(E())
    assert d.z == 5


def test_props():
    class A:
        @functools.cached_property
        def c(self):
            return 5

        @functools.singledispatchmethod
        def m(self, x):
            return "o"

        @m.register
        def _(self, x: int):
            return "i"

        pm = functools.partialmethod(m, 1)

        def __class_getitem__(cls, i):
            return i

    (a,) = rt(A())
    assert a.c == 5
    assert a.m(1) == "i"
    assert a.pm() == "i"
    assert type(a)[3] == 3


def test_listsub():
    class L(list):
        def __init__(self, x):
            super().__init__(x)
            self.me = self

    (held,) = rt(L([1, 2]))
    assert held == [1, 2]
    assert held.me is held


def test_dictsub():
    class D(dict):
        def __missing__(self, k):
            return k

    (d,) = rt(D(a=1))
    assert d["z"] == "z"
    assert d["a"] == 1


def test_tuplesub():
    class T(tuple):
        __slots__ = ()

        def f(self):
            return len(self)

    (t,) = rt(T((1, 2)))
    assert t.f() == 2


def test_objects_in_sets():
    class Own:
        def __init__(self):
            self.s = set()

    o = Own()
    o.s.add(o)
    (p,) = rt(o)
    assert p in p.s


def test_hash_by_state():
    class Own:
        def __init__(self, k):
            self.k = k

        def __hash__(self):
            return hash(self.k)

        def __eq__(self, o):
            return self.k == o.k

    o = Own(1)
    d = {o: 1}
    (p,) = rt(d)
    assert Own.__eq__(next(iter(p)), o)
    assert next(iter(p)) in p


def test_genfn():
    def g():
        yield 1

    (h,) = rt(g)
    assert list(h()) == [1]


def test_defaults_mut():
    def f(a, b=None):
        if b is None:
            b = {}
        b[a] = 1
        return b

    f(1)
    g, d = rt(f, f.__defaults__[0])
    assert g.__defaults__[0] is d


def test_closures_of_class():
    def mk():
        class A:
            def clone(self):
                return A()

        return A

    A = mk()
    (B,) = rt(A)
    assert type(B().clone()) is B


def test_deepcopyable():
    (d,) = rt(decimal.Context(prec=3))
    assert d.prec == 3


def test_opers():
    _a, _b, _c, d = rt(
        operator.itemgetter(1),
        operator.attrgetter("a.b"),
        operator.methodcaller("x", 1, k=2),
        functools.partial(int, base=2),
    )
    assert d("11") == 3


def test_gens():
    _r, s = rt(random.SystemRandom(), np.random.Generator(np.random.Philox(3)))
    s.random()


def test_rngshare():
    bg = np.random.PCG64(1)
    a, b = np.random.Generator(bg), np.random.Generator(bg)
    c, d, e = rt(a, b, bg)
    assert c.bit_generator is d.bit_generator is e


def test_seedseq():
    (_a,) = rt(np.random.SeedSequence(5).spawn(2))


def test_uf():
    _a, b = rt(np.add, np.add.reduce)
    assert b([1, 2]) == 3


def test_vect():
    (v,) = rt(np.vectorize(lambda x: x + 1))
    assert v([1, 2])[1] == 3


def test_poly():
    rt(np.poly1d([1, 2]), np.polynomial.Chebyshev([1, 2]))


def test_finfo():
    rt(np.finfo(float), np.iinfo(int))


def test_nptypes():
    rt(np.float64, np.dtype("f4,i4"), np.newaxis, np.s_[1:2])


def test_strs():
    rt("\ud800", "a" * 100000, b"x" * 200000, 10**5000)


def test_big_str_alias():
    s = "a" * 100000
    a, b = rt(s, [s])
    assert a is b[0]


def test_excgroup():
    try:
        raise ExceptionGroup("a", [ValueError(1)])
    except* ValueError as e:
        x = e
    (_y,) = rt(x)


def test_nested_modules():

    a, _b = rt(os.path, sys.modules["os.path"])
    assert a is os.path


def test_bmeth():
    held = []
    a, b = rt(held.append, held)
    a(1)
    assert b == [1]


def test_dictmeth():
    d = {}
    a, b = rt(d.setdefault, d)
    a(1, 2)
    assert b == {1: 2}


def test_npmeth():
    x = np.zeros(3)
    a, b = rt(x.fill, x)
    a(2)
    assert b[0] == 2


def test_slotted_getattr():
    class P:
        __slots__ = ("t",)

        def __init__(self, t):
            self.t = t

        def __getattr__(self, n):
            return getattr(self.t, n)

    (p,) = rt(P([1]))
    assert p.t == [1]


def test_proxyobj():
    class P:
        def __init__(self, t):
            self.__dict__["t"] = t

        def __getattr__(self, n):
            return getattr(self.__dict__["t"], n)

        def __setattr__(self, n, v):
            raise AttributeError

    (p,) = rt(P([1]))
    assert p.__dict__["t"] == [1]


def test_typeparams():
    rt(list[int], dict[str, list[int]], typing.Callable[[int], str], int | None)


def test_weakkeyed():
    class K:
        pass

    k = K()
    w = weakref.WeakKeyDictionary({k: [k]})
    a, b = rt(w, k)
    assert a[b] == [b]


def test_timers():
    rt(
        dt.datetime.now(dt.UTC),
        dt.UTC,
        dt.timedelta(1),
        uuid.uuid4(),
        pathlib.Path("a"),
    )


def test_deque_self():
    d = collections.deque(maxlen=3)
    d.append(d)
    (e,) = rt(d)
    assert e[0] is e
    assert e.maxlen == 3


def test_heap():
    rt(collections.ChainMap({1: 2}, {3: 4}), collections.UserDict(a=1))


def test_cfg():
    rt(types.SimpleNamespace(f=lambda x: x, n=None))


def test_environ():
    import os

    (_e,) = rt(os.environ)


def test_stdcopy():
    (o,) = rt({"out": sys.stdout, "err": sys.stderr})
    assert o["out"] is sys.stdout
