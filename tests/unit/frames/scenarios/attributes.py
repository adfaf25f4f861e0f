"""Attributes that are code: properties, descriptors, __getattr__ and its kin, super()."""

import enum
import functools
import types
import typing

from scenarios import attributes
from scenarios.pausing import pause


class Celsius:
    def __init__(self, degrees):
        self.degrees = degrees

    @property
    def fahrenheit(self):
        return pause(self.degrees) * 9 / 5 + 32

    @fahrenheit.setter
    def fahrenheit(self, value):
        self.degrees = (pause(value) - 32) * 5 / 9

    @fahrenheit.deleter
    def fahrenheit(self):
        self.degrees = pause(0)

    @property
    def scale(self):
        return pause(lambda x: self.degrees * x)

    @functools.cached_property
    def once(self):
        return [pause("once")]


def do_properties():
    t = Celsius(100)
    got = [t.fahrenheit, t.fahrenheit + t.fahrenheit]
    t.fahrenheit = 50
    got.append(t.degrees)
    t.fahrenheit += 9
    got.append(t.degrees)
    del t.fahrenheit
    got += [t.degrees, t.once, t.once is t.once]
    t.degrees = 3
    return got, t.scale(4), [Celsius(i).scale(2) for i in range(3)]


class Dynamic:
    def __init__(self):
        self.log = []

    def __getattr__(self, name):
        if name == "missing":
            raise AttributeError(pause(name))
        return pause(name.upper())

    @property
    def fails(self):
        pause()
        raise AttributeError("fails")

    @property
    def breaks(self):
        pause()
        raise ValueError("breaks")


def caught(operation):
    try:
        return operation()
    except (AttributeError, ValueError) as error:
        return repr(error)


def do_getattr():
    d = Dynamic()
    got = [d.x, d.method.lower(), d.fails, caught(lambda: d.missing), caught(lambda: d.breaks)]
    got += [getattr(d, "y"), getattr(d, "missing", 5), getattr(d, "fails", 6)]
    got += [getattr(Celsius(5), "fahrenheit", None), getattr(Gentle(), "fails", "default")]
    return got, d.z


class Gentle:
    @property
    def fails(self):
        pause()
        raise AttributeError("fails")


class Watched:
    def __init__(self):
        self.value = 1

    def __getattribute__(self, name):
        pause()
        if name == "odd":
            raise AttributeError(name)
        return super().__getattribute__(name)

    def __setattr__(self, name, value):
        pause()
        super().__setattr__(name, value * 10)

    def __delattr__(self, name):
        object.__delattr__(self, pause(name))


class Both(Watched):
    def __getattr__(self, name):
        return "instead of", pause(name)


def do_getattribute_and_setattr():
    w = Watched()
    got = [w.value]
    w.value = 2
    got.append(w.value)
    w.extra = 1
    del w.extra
    got += [caught(lambda: w.extra), caught(lambda: w.odd), Both().odd, Both().value]
    setattr(w, "set", 7)
    delattr(w, "set")
    for _ in range(5):  # until CPython has specialised it
        got.append(w.value)
    return got, caught(lambda: w.set)


class Logged:
    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner):
        return pause(self.name), instance is None, owner.__name__

    def __set__(self, instance, value):
        instance.__dict__["log"] = [self.name, pause(value)]

    def __delete__(self, instance):
        instance.log.append(pause("deleted"))


class Lazy:
    def __get__(self, instance, owner):
        return lambda x: (pause("lazy"), x)


class Described:
    field = Logged()
    lazy = Lazy()


def do_descriptors():
    d = Described()
    got = [d.field, Described.field, d.lazy(1), Described.lazy(2)]
    d.field = 3
    del d.field
    return got, d.log


class Base:
    @property
    def size(self):
        return pause(1)

    @classmethod
    def make(cls):
        return pause(cls.__name__)

    @property
    def maker(self):
        return lambda: pause("made")

    def tell(self):
        return pause("base")


class Derived(Base):
    @property
    def size(self):
        return super().size + pause(10)

    @property
    def maker(self):
        return super().maker

    def both(self):
        return super().maker(), super().tell(), super().make()

    def explicit(self):
        return super(Derived, self).size, super(Derived, type(self)).make()

    @classmethod
    def make(cls):
        return super().make(), cls.__name__


def do_super_attributes():
    d = Derived()
    return d.size, d.both(), d.explicit(), Derived.make(), d.maker()


class Meta(type):
    @property
    def label(cls):
        return pause(cls.__name__)

    def __getattr__(cls, name):
        return pause(name)

    def __getitem__(cls, key):
        return cls.__name__, pause(key)

    def __call__(cls, *args):
        pause()
        return super().__call__(*args), pause("called")

    def __contains__(cls, item):
        return pause(item) == 1

    def __len__(cls):
        return pause(3)


class Made(metaclass=Meta):
    def __init__(self, n):
        self.n = pause(n)


class Generic:
    def __class_getitem__(cls, key):
        return cls.__name__, pause(key)


def do_metaclasses():
    made, called = Made(5)
    got = [Made.label, Made.anything, Made["k"], 1 in Made, 2 in Made, len(Made), Generic["x"]]
    return got, made.n, called


def __getattr__(name):
    if name.startswith("made_"):
        return pause(name)
    raise AttributeError(name)


def do_module_getattr():
    return attributes.made_one, attributes.made_two


def derive(base, **more):
    class Derived(base, **more):
        @property
        def got(self):
            return pause(3)

        @got.setter
        def got(self, value):
            self.kept = pause(value)

        @got.deleter
        def got(self):
            self.kept = pause(None)

        def __getattribute__(self, name):
            return super().__getattribute__(name)

    class Plain(base, **more):
        got = Derived.got

    class Asks(base, **more):
        def __getattr__(self, name):
            if name.startswith("__"):
                raise AttributeError(name)
            return pause(name)

        def __setattr__(self, name, value):
            super().__setattr__(name, pause(value))

    return Derived, Plain, Asks


class Point(typing.NamedTuple):
    x: int

    @property
    def doubled(self):
        return pause(self.x) * 2


class Shade(enum.IntEnum):
    DARK = 1

    @property
    def lighter(self):
        return pause(self.value) + 1


def do_attributes_of_classes_derived_from_built_in_ones():
    found = []
    for base in (tuple, list, dict, frozenset, int, str, OSError):
        derived, plain, asks = derive(base)
        for one in (derived(), plain()):
            one.got = 4
            found += [one.got, one.kept]
            del one.got
            found += [one.kept, getattr(one, "got")]  # noqa: B009 - another way to it
        other = asks()
        other.named = 5
        found += [other.missing, other.named]
    return found, Point(2).doubled, Shade.DARK.lighter


def do_cached_properties():
    class Grid:
        def __init__(self, n):
            self.n = n

        @functools.cached_property
        def cells(self):
            called.append(self.n)
            pause()
            return [self.n]

    called = []
    grid, other = Grid(1), Grid(2)
    cells = grid.cells
    return grid.cells is cells, other.cells, called, vars(grid), vars(other)


def do_names_for_the_attributes_of_an_instance():
    class Settings:
        def __init__(self):
            self.__dict__.update(depth=1, itself=self)

    class Slots(Settings):
        __slots__ = ("extra",)

    def read():
        return held["depth"]

    def keep(attributes, of):
        pause()
        attributes["later"] = 2
        return of.later

    settings, slots, names = Settings(), Slots(), types.SimpleNamespace(a=1)
    of_names = vars(names)
    mine, held = vars(settings), vars(slots)
    slots.extra = mine
    got = keep(mine, settings)
    held["depth"] = 5
    pause()
    names.b = 2
    mine["last"] = [read()]
    return (
        got,
        settings.last,
        slots.depth,
        slots.extra is mine,
        vars(settings) is mine,
        sorted(held),
        of_names,
    )
