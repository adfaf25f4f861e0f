"""Objects that answer for others, also where pickle asks: they come back as what they are."""

from tests.unit.objects.crossing import round_trip as rt


class Lazy:
    """Says that it is of the class of what it stands for."""

    def __init__(self, make):
        self.make = make
        self.made = None

    @property
    def __class__(self):
        self.made = self.made or self.make()
        return type(self.made)

    def __getattr__(self, name):
        return getattr(self.__dict__["made"], name)


class Whole:
    """Hands on every attribute."""

    __slots__ = ("__weakref__", "target")

    def __init__(self, target):
        object.__setattr__(self, "target", target)

    def __getattribute__(self, name):
        return getattr(object.__getattribute__(self, "target"), name)


class Point:
    def __init__(self, x):
        self.x = x


def test_an_object_that_says_it_is_of_another_class():
    lazy = Lazy(list)
    assert isinstance(lazy, list)
    lazy.made.append(lazy)
    back, asked = rt(lazy, Lazy(dict))
    assert type(back) is Lazy
    assert isinstance(back, list)
    assert back.made[0] is back
    assert (asked.made, asked.make) == (None, dict)


def test_an_object_that_hands_on_every_attribute():
    point = Point(3)
    whole, back = rt(Whole(point), point)
    assert type(whole) is Whole
    assert whole.x == 3
    back.x = 4
    assert whole.x == 4


def test_local_ones():
    class Local(Whole):
        __slots__ = ("name",)

    made = Local([1])
    object.__setattr__(made, "name", "n")
    (back,) = rt(made)
    assert type(back).__name__ == "Local"
    assert object.__getattribute__(back, "name") == "n"
    assert back.index(1) == 0
