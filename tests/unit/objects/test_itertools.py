"""Iterators of itertools keep their type, their place and what they read from; no warnings."""

import itertools

import pytest

from sauerkraut import _native
from sauerkraut.errors import CaptureError, ResumeError
from sauerkraut.objects import graph
from sauerkraut.objects.reducers import iterator_tools
from tests.unit.objects import crossing
from tests.unit.objects.crossing import round_trip


def pieces():
    made = {
        "accumulate": itertools.accumulate([1, 2, 3]),
        "chain": itertools.chain("ab", "cd"),
        "from_iterable": itertools.chain.from_iterable(["ab", "cd"]),
        "combinations": itertools.combinations("abcd", 2),
        "replacement": itertools.combinations_with_replacement("abc", 2),
        "compress": itertools.compress("abcd", [1, 0, 1, 1]),
        "count": itertools.islice(itertools.count(3, 2), 5),
        "cycle": itertools.islice(itertools.cycle("abc"), 8),
        "dropwhile": itertools.dropwhile(bool, [1, 0, 1, 2]),
        "filterfalse": itertools.filterfalse(None, [0, 1, 0, 0]),
        "islice": itertools.islice("abcdefg", 1, 6, 2),
        "pairwise": itertools.pairwise([1, 2, 3, 4]),
        "permutations": itertools.permutations("abc"),
        "product": itertools.product("ab", [1, 2]),
        "repeat": itertools.repeat("x", 4),
        "starmap": itertools.starmap(pow, [(1, 2), (3, 4), (5, 6)]),
        "takewhile": itertools.takewhile(bool, [1, 2, 3, 0]),
        "tee": itertools.tee([1, 2, 3])[0],
        "zip_longest": itertools.zip_longest("ab", "cde"),
    }
    if hasattr(itertools, "batched"):
        made["batched"] = itertools.batched("abcdefg", 3)
    return made


def advanced(iterator, steps=1):
    for _ in range(steps):
        next(iterator, None)
    return iterator


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 30])
@pytest.mark.parametrize("name", list(pieces()))
def test_each(name, steps):
    iterator = advanced(pieces()[name], steps)
    (back,) = round_trip(iterator)
    assert type(back) is type(iterator)
    assert list(back) == list(iterator)


def test_elsewhere():
    iterators = [advanced(each, 2) for each in pieces().values()]
    result = crossing.elsewhere(iterators, "result = [list(each) for each in values]")
    assert result == [list(each) for each in iterators]


@pytest.mark.parametrize("over", [(), "a", "ab", "abcd"])
@pytest.mark.parametrize("steps", range(8))
@pytest.mark.parametrize(
    "make",
    [
        lambda x: itertools.product(x, x),
        lambda x: itertools.permutations(x, 2),
        lambda x: itertools.permutations(x),
        lambda x: itertools.combinations(x, 2),
        lambda x: itertools.combinations_with_replacement(x, 2),
        lambda x: itertools.zip_longest(x, "xy", x),
        lambda x: itertools.islice(itertools.cycle(x), 7),
        lambda x: itertools.accumulate(x, initial="i"),
    ],
    ids=[
        "product",
        "2 of",
        "permutations",
        "combinations",
        "replaced",
        "zip",
        "cycle",
        "accumulate",
    ],
)
def test_positions(make, steps, over):
    iterator = advanced(make(over), steps)
    (back,) = round_trip(iterator)
    assert list(back) == list(iterator)


def test_numbers_that_fit_no_word():
    large, fractions = itertools.count(2**70, 3), itertools.count(0.5, 0.25)
    at_the_end = itertools.count(2**63 - 2)
    for iterator in (large, fractions, at_the_end):
        next(iterator)
        (back,) = round_trip(iterator)
        assert [next(back) for _ in range(3)] == [next(iterator) for _ in range(3)]


@pytest.mark.skipif(
    not hasattr(itertools, "batched"),
    reason="missing: CPython 3.12 or later: install one, `make test` runs this there",
)
def test_batched_by_its_size():
    iterator = advanced(itertools.batched(range(100), 7), 3)
    (back,) = round_trip(iterator)
    assert next(back) == tuple(range(21, 28))
    try:
        strict = itertools.batched(range(5), 3, strict=True)
    except TypeError:  # before 3.13
        return
    (back,) = round_trip(advanced(strict))
    with pytest.raises(ValueError, match="incomplete batch"):
        next(back)


def test_groupby_and_tee_share():
    groups = itertools.groupby([1, 1, 2, 2, 3])
    _, group = next(groups)
    next(group)
    back, back_group = round_trip(groups, group)
    assert list(back_group) == [1]
    assert [(k, list(g)) for k, g in back] == [(2, [2, 2]), (3, [3])]
    one, two = itertools.tee(iter(range(5)))
    next(one)
    back_one, back_two = round_trip(one, two)
    assert list(back_one) == [1, 2, 3, 4]
    assert list(back_two) == [0, 1, 2, 3, 4]


def test_a_group_that_was_left_behind():
    groups = itertools.groupby([1, 1, 2])
    _, first = next(groups)
    _, second = next(groups)
    for values in ((first, groups, second), (groups, second, first)):
        back = dict(zip(map(id, values), round_trip(*values), strict=True))
        assert list(back[id(first)]) == []
        assert list(back[id(second)]) == [2]


def test_tees_that_are_far_apart():
    one, two = itertools.tee(iter(range(1000)))
    advanced(one, 400)
    for values in ((one, two), (two, one)):
        back = dict(zip(map(id, values), round_trip(*values), strict=True))
        assert next(back[id(one)]) == 400
        assert next(back[id(two)]) == 0
        assert list(back[id(one)]) == list(range(401, 1000))
        assert list(back[id(two)]) == list(range(1, 1000))


def test_what_leads_back_to_itself():
    held = []
    iterator = itertools.chain(held, "ab")
    held.append(iterator)
    back, items = round_trip(iterator, held)
    assert items[0] is back
    assert next(back) is back
    assert list(back) == ["a", "b"]

    source = []
    one, two = itertools.tee(map(source.pop, iter([0, 0])))
    source += [one, two]
    next(two)
    first, second, items = round_trip(one, two, source)
    assert items == [second]
    assert next(first) is first  # the other one has read it already
    assert next(first) is second


def test_the_source_is_shared():
    numbers = iter(range(10))
    head, back = round_trip(itertools.islice(numbers, 3), numbers)
    assert list(head) == [0, 1, 2]
    assert next(back) == 3


def test_the_last_result_is_the_very_one_and_stays():
    pairs = itertools.product("ab", "cd")
    last = next(pairs)
    back, held = round_trip(pairs, last)
    assert list(back) == list(pairs)
    assert held == ("a", "c")


def fields_of_no_iterator():
    """Made in each test: a `tee` that outlives its module crashes CPython 3.12 at its end."""
    return [
        (itertools.product("ab"), ((("ab",),), (0,), None, 0)),
        (itertools.product("ab"), (((("a", "b"),),), (7,), (("a",),), 0)),
        (itertools.product("ab"), (((("a", "b"),),), (0, 0), None, 0)),
        (itertools.product("ab"), (((("a", "b"),),), (0,), ((),), 0)),
        (itertools.combinations("ab", 1), ((("a", "b"),), (2,), None, 1, 0)),
        (itertools.combinations("abc", 2), ((("a", "b", "c"),), (1, 1), None, 2, 0)),
        (itertools.permutations("ab", 1), ((("a", "b"),), (0, 5), (2,), None, 1, 0)),
        (itertools.permutations("ab", 1), ((("a", "b"),), (0, 1), (0,), None, 1, 0)),
        (itertools.chain(), (("no iterator",), None)),
        (itertools.starmap(None, ()), (None, (iter(()),))),
        (itertools.zip_longest(), ((iter(()),), ((),), (None,))),
        (itertools.tee(())[0], ((object(),), 0)),
        (itertools.tee(())[0], ((itertools.tee(())[0],), 0)),
        (itertools.repeat(1, 1), ((1,), 2**70)),
        (itertools.repeat(1, 1), "no tuple"),
        (iter([]), ()),
    ]


@pytest.mark.parametrize("number", range(len(fields_of_no_iterator())))
def test_fields_that_no_iterator_could_have_are_refused(number):
    iterator, fields = fields_of_no_iterator()[number]
    with pytest.raises(ValueError, match="not the state of an iterator"):
        _native.set_iterator_state(iterator, fields)
    assert next(iterator, None) is not iterator  # still works


def test_a_stream_with_such_fields_is_a_resume_error(monkeypatch):
    real = iterator_tools.iterator_state
    monkeypatch.setattr(iterator_tools, "iterator_state", lambda it: (*real(it)[:-1], 10**30))
    frozen = graph.freeze([itertools.repeat(1, 3)])
    with pytest.raises(ResumeError, match="not the state"):
        graph.thaw(frozen)


def test_another_layout_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(iterator_tools, "iterator_state", lambda it: None)
    with pytest.raises(CaptureError, match=r"itertools\.count cannot be captured; .* a list"):
        graph.freeze([itertools.count()])
