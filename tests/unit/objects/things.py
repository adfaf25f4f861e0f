"""Objects the tests capture, in a module of their own so that names find them."""

import abc
import dataclasses
import enum
import typing

MISSING = object()


class Node:
    NOTHING = object()

    def __init__(self, name):
        self.name = name
        self.children = []

    def add(self, child):
        self.children.append(child)

    def __secret(self):
        return f"secret of {self.name}"


def counter(start):
    n = start

    def increment():
        nonlocal n
        n += 1
        return n

    def read():
        return n

    return increment, read


def recursive():
    def factorial(n):
        return 1 if n < 2 else n * factorial(n - 1)

    return factorial


def local_class():
    class Base:
        __slots__ = ("x",)

        def __init__(self, x):
            self.x = x

        def total(self):
            return self.x

    class Local(Base):
        def total(self):
            return super().total() + 1

        @property
        def double(self):
            return 2 * self.x

        @classmethod
        def make(cls, x):
            return cls(x)

        @staticmethod
        def static():
            return "static"

    Local.itself = Local
    return Local, Local(10)


def local_enum():
    class Colour(enum.Enum):
        RED = 1
        GREEN = 2

        def describe(self):
            return f"{self.name}!"

    return Colour


def local_dataclass():
    @dataclasses.dataclass
    class Point:
        x: int
        y: list = dataclasses.field(default_factory=list)

    return Point


def local_abstract():
    class Base(abc.ABC):
        @abc.abstractmethod
        def describe(self): ...

    class Concrete(Base):
        def describe(self):
            return "concrete", isinstance(self, Base)

    return Concrete, Concrete()


def local_generic():
    T = typing.TypeVar("T")

    @dataclasses.dataclass(slots=True)
    class Box(typing.Generic[T]):
        item: T
        more: list[T] = dataclasses.field(default_factory=list)

        def describe(self):
            return repr(self)

    return Box, Box(1)


def local_named_tuple():
    class Pair(typing.NamedTuple):
        a: int
        b: int = 2

        def describe(self):
            return self._asdict()

    return Pair, Pair(1)


def local_planet():
    class Planet(enum.Enum):
        EARTH = (6.0, 2.0)
        MARS = (1.0, 1.0)

        def __init__(self, mass, radius):
            self.mass = mass
            self.radius = radius

        @property
        def density(self):
            return self.mass / self.radius**3

    return Planet


def local_typed_dict():
    class Record(typing.TypedDict, total=False):
        a: int

    return Record


class Forwarding:
    def __init__(self, to):
        self.__dict__["to"] = to

    def __getattr__(self, name):
        return getattr(self.to, name)

    def __setattr__(self, name, value):
        raise AttributeError(name)


class SlottedForwarding:
    __slots__ = ("to",)

    def __init__(self, to):
        self.to = to

    def __getattr__(self, name):
        return getattr(self.to, name)


def raise_deep(depth):
    if depth:
        raise_deep(depth - 1)
    try:
        {}["missing"]
    except KeyError as error:
        raise ValueError("deep") from error


class StrangeError(Exception):
    """Keeps other arguments than its __init__ takes."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")
        self.one = one


class StrangeOSError(OSError):
    def __init__(self, one, two):
        super().__init__(one, "text")
        self.two = two


class SlottedError(Exception):
    __slots__ = ("code",)

    def __init__(self, code):
        self.code = code


class Unfinished(ExceptionGroup):
    def __new__(cls, message):
        self = super().__new__(cls, message, [ValueError(message)])
        self.one = "note"
        return self

    def derive(self, exceptions):
        return ExceptionGroup(self.message, exceptions)
