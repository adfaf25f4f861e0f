"""Iterators keep their type, their place and their container."""

import collections

import pytest

from sauerkraut.errors import CaptureError
from tests.unit.objects import crossing
from tests.unit.objects.crossing import round_trip

KEYS = ["a", "b", "c", "d"]
OVER = {
    "keys": iter,
    "values": lambda d: iter(d.values()),
    "items": lambda d: iter(d.items()),
    "reversed keys": reversed,
    "reversed values": lambda d: reversed(d.values()),
    "reversed items": lambda d: reversed(d.items()),
}


def advanced(iterator, steps=1):
    for _ in range(steps):
        next(iterator)
    return iterator


@pytest.mark.parametrize("cls", [dict, collections.OrderedDict, collections.Counter])
@pytest.mark.parametrize("steps", [0, 1, 3, 4])
@pytest.mark.parametrize("over", list(OVER))
def test_dict_iterators(cls, steps, over):
    mapping = cls({key: [i] for i, key in enumerate(KEYS)})
    iterator = advanced(OVER[over](mapping), steps)
    back, held = round_trip(iterator, mapping)
    assert type(back) is type(iterator)
    held["d"] = held["a"] = "changed after the restart"
    mapping["d"] = mapping["a"] = "changed after the restart"
    assert list(back) == list(iterator)


def test_dict_iterator_notices_a_changed_size():
    mapping = dict.fromkeys(KEYS)
    back, held = round_trip(advanced(iter(mapping)), mapping)
    held["new"] = 1
    with pytest.raises(RuntimeError, match="changed size"):
        next(back)


def test_dict_iterator_of_a_changed_dict_is_refused_as_its_next_step_is():
    mapping = dict.fromkeys(KEYS)
    iterator = advanced(iter(mapping))
    mapping["new"] = 1
    with pytest.raises(CaptureError, match="changed size"):
        round_trip(iterator)


def test_dict_whose_entries_moved_during_iteration_is_refused_as_it_will_raise():
    mapping = dict.fromkeys(KEYS, 0)
    iterator = advanced(iter(mapping), 2)
    del mapping["a"]
    mapping["e"] = 0
    with pytest.raises(CaptureError, match="changed during iteration; iterate over a list"):
        round_trip(iterator, mapping)


def test_used_up_iterators_stay_so():
    mapping, group = dict.fromkeys(KEYS), {1, 2}
    for iterator in (iter(mapping), iter(mapping.items()), iter(group), iter([1])):
        collections.deque(iterator, maxlen=0)
        (back,) = round_trip(iterator)
        assert list(back) == []


@pytest.mark.parametrize("steps", [0, 1, 2])
@pytest.mark.parametrize("over", list(OVER))
def test_iterators_of_an_ordered_dict_whose_values_are_its_keys(steps, over):
    mapping = collections.OrderedDict((key, key) for key in "abcb")
    iterator = advanced(OVER[over](mapping), steps)
    back, held = round_trip(iterator, mapping)
    for key in "abc":
        mapping[key] = held[key] = [key]
    assert list(back) == list(iterator)


def test_views_look_at_the_live_dict():
    mapping = dict.fromkeys(KEYS, 1)
    keys, values, items, held = round_trip(
        mapping.keys(), mapping.values(), mapping.items(), mapping
    )
    held["z"] = 26
    assert list(keys)[-1] == "z"
    assert list(values)[-1] == 26
    assert ("z", 26) in items


def test_set_iterators():
    group = {1, 2, 3, (4, 5)}
    iterator = advanced(iter(group), 2)
    back, held = round_trip(iterator, group)
    assert held == group
    assert list(back) == list(iterator)


def test_set_iterators_of_strings_elsewhere():
    group = {f"string {i}" for i in range(50)}
    iterator = advanced(iter(group), 20)
    result = crossing.elsewhere([iterator, group], "result = list(values[0])")
    assert result == list(iterator)


def pieces():
    deque = collections.deque([1, 2, 3])
    return {
        "range": iter(range(2, 20, 3)),
        "list": iter([1, 2, 3]),
        "tuple": iter((1, 2, 3)),
        "str": iter("abc"),
        "non-ascii": iter("äöü"),
        "bytes": iter(b"abc"),
        "bytearray": iter(bytearray(b"abc")),
        "reversed": reversed([1, 2, 3]),
        "enumerate": enumerate("abc"),
        "zip": zip("abc", [1, 2, 3], strict=True),
        "map": map(str, [1, 2, 3]),
        "filter": filter(None, [1, 2, 3]),
        "callable": iter([None, 3, 2, 1].pop, None),
        "deque": iter(deque),
        "reversed deque": reversed(deque),
    }


@pytest.mark.parametrize("steps", [0, 1, 2])
@pytest.mark.parametrize("name", list(pieces()))
def test_built_in_iterators(name, steps):
    iterator = advanced(pieces()[name], steps)
    (back,) = round_trip(iterator)
    assert type(back) is type(iterator)
    assert list(back) == list(iterator)


def test_live_lists():
    numbers = [1, 2, 3]
    iterator, held = round_trip(advanced(iter(numbers)), numbers)
    held.append(4)
    assert list(iterator) == [2, 3, 4]


def test_one_iterator_used_twice():
    shared = iter(range(10))
    next(shared)
    pairs = zip(shared, shared, strict=False)
    back, own = round_trip(pairs, shared)
    assert next(back) == (1, 2)
    assert next(own) == 3


def generate():
    yield 1


def test_what_is_refused_is_named():
    generator = generate()
    next(generator)
    with pytest.raises(CaptureError, match=r"nothing keeps the frame of generate\(\) here"):
        round_trip(generator)
    with pytest.raises(CaptureError, match="memory_iterator"):
        round_trip(iter(memoryview(b"abc")))
