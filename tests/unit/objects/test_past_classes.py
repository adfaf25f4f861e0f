"""What classes make of attributes that are set, or of how they are called, is not made again."""

import pytest

from tests.unit.objects.crossing import round_trip as rt


class Frozen:
    __slots__ = ("pair", "unset")

    def __init__(self, pair):
        object.__setattr__(self, "pair", pair)

    def __setattr__(self, name, value):
        raise AttributeError(name)


def test_what_refuses_to_be_set():
    class Meta(type):
        def __setattr__(cls, name, value):
            raise AttributeError(name)

    class Constants(Frozen, metaclass=Meta):
        depth = (3, [4])

    frozen, local, cls = rt(Frozen([1]), Constants((2,)), Constants)
    assert (frozen.pair, hasattr(frozen, "unset"), local.pair) == ([1], False, (2,))
    assert (type(local) is cls, cls.depth) == (True, (3, [4]))
    for each in (frozen, local, cls):
        with pytest.raises(AttributeError, match="pair"):
            each.pair = 1


class Lazy(property):
    """A property that remembers, and is made in a way of its own."""

    def __init__(self, make, *, name):
        super().__init__(make)
        self.name = name

    def __get__(self, owner, cls=None):
        return self if owner is None else owner.__dict__.setdefault(self.name, self.fget(owner))


class Tagged(classmethod):
    pass


def test_properties_and_methods_of_classes_of_ones_own():
    class Local:
        square = Lazy(lambda self: [self.side**2], name="_square")
        made = Tagged(lambda cls: cls.__name__)

    vars(Local)["made"].tag = Local
    local = Local()
    local.side = 3
    kept = local.square
    back, cls, held = rt(local, Local, kept)
    assert back.square is held
    assert (held, cls.square.name, cls.made()) == ([9], "_square", "Local")
    assert vars(cls)["made"].tag is cls
    assert type(cls.square) is Lazy
