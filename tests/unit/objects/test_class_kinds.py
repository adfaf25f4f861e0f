"""Classes made at run time, of many kinds, and their instances."""
# ruff: noqa: N806, RUF012

import abc
import contextlib
import dataclasses
import enum
import functools
import typing
import weakref

import numpy as np
import pytest

from tests.unit.objects.crossing import round_trip as rt


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


def test_vect():
    (v,) = rt(np.vectorize(lambda x: x + 1))
    assert v([1, 2])[1] == 3


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


def test_arguments_of_the_class_statement():
    class Base:
        def __init_subclass__(cls, *, key, **more):
            super().__init_subclass__(**more)
            cls.key = key

    class Meta(type):
        def __new__(mcs, name, bases, namespace, *, flag):
            made = super().__new__(mcs, name, bases, namespace)
            made.flag = flag
            return made

        def __init__(cls, name, bases, namespace, *, flag):
            super().__init__(name, bases, namespace)

    class One(Base, key="k"):
        def m(self):
            return self.key, super().__repr__()

    class Two(metaclass=Meta, flag=1):
        pass

    class Three(One, key="l"):
        __slots__ = ("x",)

    one, two, three, cls = rt(One(), Two(), Three(), Three)
    assert one.m()[0] == "k"
    assert two.flag == 1
    assert type(three) is cls
    assert (three.key, three.m()[0]) == ("l", "l")
    assert cls.__mro__[1] is type(one)
    assert [each.__name__ for each in cls.__mro__] == ["Three", "One", "Base", "object"]


def test_descriptors_that_were_told_their_name():
    class Field:
        def __set_name__(self, owner, name):
            self.owner, self.name = owner, name

        def __get__(self, obj, cls=None):
            return self if obj is None else obj.__dict__.get(self.name, "default")

    class A:
        x = Field()

    a, cls = rt(A(), A)
    assert a.x == "default"
    assert cls.x.owner is cls
    assert cls.x.name == "x"


def test_nested_local_classes_and_class_data():
    class Outer:
        shared = []

        class Inner:
            def outer(self):
                return Outer

        kinds = {"inner": Inner}

    Outer.shared.append(Outer)
    inner, cls = rt(Outer.Inner(), Outer)
    assert inner.outer() is cls
    assert cls.kinds["inner"] is type(inner) is cls.Inner
    assert cls.shared == [cls]
    assert cls.Inner.__qualname__.endswith("Outer.Inner")


def test_instances_whose_new_wants_arguments():
    class Span:
        def __new__(cls, start, *, stop):
            self = super().__new__(cls)
            self.start = start
            return self

        def __init__(self, start, *, stop):
            self.stop = stop

    class Forwarding(Span):
        __slots__ = ("extra",)

        def __getattr__(self, name):
            return getattr(self.start, name)

    span, forwarding = Span(1, stop=2), Forwarding([], stop=3)
    span.itself, forwarding.extra = span, forwarding.start
    span, forwarding = rt(span, forwarding)
    assert (span.start, span.stop, span.itself is span) == (1, 2, True)
    forwarding.append(4)
    assert (forwarding.extra, forwarding.stop) == ([4], 3)


def test_classes_that_an_abstract_one_was_told_of():
    class Shape(abc.ABC):  # noqa: B024 - its hook is what is abstract
        @classmethod
        def __subclasshook__(cls, other):
            return True if hasattr(other, "corners") else NotImplemented

    class Round: ...

    class Square:
        corners = 4

    Shape.register(Round)
    Shape.register(dict)
    shape, circle, square = rt(Shape, Round(), Square())
    assert isinstance(circle, shape)
    assert isinstance(square, shape)
    assert isinstance({}, shape)
    assert not isinstance([], shape)


def test_what_bases_and_metaclasses_made_of_a_class_is_not_made_again():
    told = []

    class Base:
        def __init_subclass__(cls, tag=None):
            super().__init_subclass__()
            told.append((cls.__name__, tag))

    class Meta(type):
        def __new__(mcs, name, bases, namespace):
            told.append(name)
            return super().__new__(mcs, name, bases, namespace)

        def __init__(cls, name, bases, namespace):
            super().__init__(name, bases, namespace)
            told.append(cls)

    class One(Base, tag=1): ...

    class Two(metaclass=Meta): ...

    *_, back, base, two = rt(One, told, Base, Two)
    assert back == [("One", 1), "Two", two]
    type("Three", (base,), {})
    assert back[-1] == ("Three", None)
    type(two)("Four", (two,), {})
    assert back[-2] == "Four"


def test_abstract_classes_with_virtual_subclasses():
    class Shape(abc.ABC):
        @property
        @abc.abstractmethod
        def area(self): ...

    class Square(Shape):
        area = 1

    shape, square = rt(Shape, Square())
    assert isinstance(square, shape)
    with pytest.raises(TypeError, match="abstract"):
        shape()


def test_the_descriptor_of_weak_references_which_classes_share_from_3_15_on():
    class Held: ...

    cls, descriptor = rt(Held, vars(Held)["__weakref__"])
    held = cls()
    reference = weakref.ref(held)
    assert descriptor.__get__(held) is reference
