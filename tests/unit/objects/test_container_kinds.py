"""Containers, their subclasses and bound methods: identity and contents."""

import collections
import weakref

import numpy as np

from tests.unit.objects.crossing import round_trip as rt


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


def test_strs():
    rt("\ud800", "a" * 100000, b"x" * 200000, 10**5000)


def test_big_str_alias():
    s = "a" * 100000
    a, b = rt(s, [s])
    assert a is b[0]


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


def test_weakkeyed():
    class K:
        pass

    k = K()
    w = weakref.WeakKeyDictionary({k: [k]})
    a, b = rt(w, k)
    assert a[b] == [b]


def test_deque_self():
    d = collections.deque(maxlen=3)
    d.append(d)
    (e,) = rt(d)
    assert e[0] is e
    assert e.maxlen == 3


def test_heap():
    rt(collections.ChainMap({1: 2}, {3: 4}), collections.UserDict(a=1))


class Remembering(dict):
    """A dict whose items cannot be set before it has its attributes."""

    def __init__(self, *items):
        super().__init__(*items)
        self.asked = {}

    def __setitem__(self, key, value):
        self.asked.clear()
        super().__setitem__(key, value)


class Counting(list):
    """A list that cannot grow before it has its attributes."""

    def __init__(self, *items):
        super().__init__(*items)
        self.count = 0

    def append(self, item):
        self.count += 1
        super().append(item)

    def extend(self, items):
        for item in items:
            self.append(item)


class Capital(dict):
    """A dict that shows other items than it has."""

    def items(self):
        return [(key.upper(), value) for key, value in super().items()]

    def __getattr__(self, name):
        return self[name]


def test_contents_come_back_past_what_a_class_makes_of_them():
    held = Remembering({"a": 1, "b": 2})
    held.asked["a"] = held
    capital = Capital(a=1)
    capital.other = [2]
    counting = Counting([3])
    counting.append(counting)

    remembered, capitals, counted = rt(held, capital, counting)

    assert list(dict.items(remembered)) == [("a", 1), ("b", 2)]
    assert remembered.asked == {"a": remembered}
    assert (list(dict.items(capitals)), vars(capitals)) == ([("a", 1)], {"other": [2]})
    assert (counted[0], counted[1] is counted, counted.count) == (3, True, 1)


def test_a_class_that_sets_its_own_state():
    class Rows(list):
        def __getstate__(self):
            return {"length": len(self)}

        def __setstate__(self, state):
            self.was = state["length"]

        def append(self, row):
            raise AssertionError("not asked")

        extend = append

    (rows,) = rt(Rows([1, 2]))
    assert (list(rows), rows.was) == ([1, 2], 2)


class Bounded(collections.OrderedDict):
    def __init__(self, size):
        self.size = size
        super().__init__()

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        if len(self) > self.size:
            self.popitem(last=False)


class Named:
    """A first argument that contents must not be taken for."""

    def __init__(self, name, *more):
        self.name = name
        super().__init__(*more)


class NamedSet(Named, set):
    pass


class NamedDeque(Named, collections.deque):
    pass


class NamedBytes(Named, bytearray):
    pass


class Tally(Named, collections.Counter):
    pass


class Lists(collections.defaultdict):
    def __init__(self, name):
        self.name = name
        super().__init__(list)


def test_containers_whose_classes_are_made_in_another_way():
    bounded = Bounded(2)
    bounded.update(a=1, b=2, c=3)
    some, queue, data, tally, lists = (
        *(NamedSet("s"), NamedDeque("q", (), 2), NamedBytes("b", b"xy"), Tally("t"), Lists("l")),
    )
    some |= {1, 2}
    queue.extend([1, 2, 3])
    tally["x"] += 3
    lists["a"].append(lists)

    back = rt(bounded, some, queue, data, tally, lists)

    assert [type(each) for each in back] == [
        Bounded,
        NamedSet,
        NamedDeque,
        NamedBytes,
        Tally,
        Lists,
    ]
    assert back[:5] == [bounded, some, queue, data, tally]
    assert [each.name for each in back[1:]] == ["s", "q", "b", "t", "l"]
    assert (back[0].size, list(back[0]), back[2].maxlen) == (2, ["b", "c"], 2)
    assert back[5]["a"][0] is back[5]
    assert back[5]["other"] == []


class Pair(tuple):
    __slots__ = ()

    def __new__(cls, first, second):
        return super().__new__(cls, (first, second))


class Twice(collections.namedtuple("Twice", "first second")):  # noqa: PYI024
    __slots__ = ()

    def __new__(cls, both):
        return super().__new__(cls, both, both)


class Labelled(str):  # noqa: SLOT000
    def __new__(cls, text, label):
        made = super().__new__(cls, text)
        made.label = label
        return made


class Celsius(float):
    def __new__(cls, value, scale):
        made = super().__new__(cls, value * scale)
        made.scale = scale
        return made


class Group(frozenset):
    def __new__(cls, label, members):
        made = super().__new__(cls, members)
        made.label = label
        return made


class Told(int):
    def __new__(cls, *, value):
        return super().__new__(cls, value)

    def __getnewargs_ex__(self):
        return (), {"value": int(self)}


def test_values_whose_classes_are_made_in_another_way():
    group = Group("g", [1, 2])
    group.me = group
    values = [Pair(1, 2), Twice(3), Labelled("a", "b"), Celsius(2.0, 3), group, Told(value=4)]

    back = rt(*values)

    assert [type(each) for each in back] == [type(each) for each in values]
    assert back == values
    assert (back[2].label, back[3].scale, back[4].label) == ("b", 3, "g")
    assert back[4].me is back[4]
