"""Sets come back in the same order, whatever made it, and go on alike."""

import os
import random

import pytest

from sauerkraut import _native
from sauerkraut.objects import graph, inert, passes, state
from tests.processes import run_python
from tests.unit.objects import crossing
from tests.unit.objects.crossing import round_trip


def shrunk():
    group = set(range(1000))
    for i in range(1000):
        if i not in (900, 5, 17):
            group.discard(i)
    return group


def worked_on(seed, elements):
    chance = random.Random(seed)
    group = set()
    for _ in range(chance.randrange(1, 400)):
        element = chance.choice(elements)
        if chance.random() < 0.6:
            group.add(element)
        else:
            group.discard(element)
        if group and chance.random() < 0.05:
            group.pop()
    return group


ELEMENTS = [
    *(i * 37 for i in range(60)),
    *(i * 0.25 for i in range(60)),
    *(-(2**70) + i for i in range(20)),
    *((i, (i, f"{i}")) for i in range(30)),
    *(f"name {i}" for i in range(60)),
    b"bytes",
    1j,
    True,
]


def test_a_set_that_shrank_keeps_its_order():
    group = shrunk()
    assert list(set(list(group))) != list(group)  # noqa: C414 - it would change otherwise
    (back,) = round_trip(group)
    assert list(back) == list(group)
    assert back == group


@pytest.mark.parametrize("seed", range(60))
def test_sets_go_on_as_they_would_have(seed):
    group = worked_on(seed, ELEMENTS)
    frozen = frozenset(group)
    back, same, back_frozen, again = round_trip(group, group, frozen, [frozen])
    assert back is same
    assert back_frozen is again[0]
    assert list(back_frozen) == list(frozen)
    assert hash(back_frozen) == hash(frozen)
    assert all(element in back for element in group)
    for one in (group, back):
        chance = random.Random(seed)
        for _ in range(200):
            element = chance.choice(ELEMENTS)
            one.add(element) if chance.random() < 0.5 else one.discard(element)
            if one and chance.random() < 0.1:
                one.pop()
    assert list(back) == list(group)
    assert len(back) == len(list(back))


@pytest.mark.parametrize("seed", range(20))
def test_over_generations_and_copies(seed):
    group = back = worked_on(seed, ELEMENTS)
    for _ in range(3):
        (back,) = round_trip(back)
        assert list(back) == list(group)
        assert list(back.copy()) == list(group.copy())
        assert list(back | {1, 2}) == list(group | {1, 2})


def test_in_another_process_with_the_same_hash_seed():
    groups = [worked_on(seed, [e for e in ELEMENTS if isinstance(e, int)]) for seed in range(5)]
    groups.append(shrunk())
    result = crossing.elsewhere(groups, "result = [list(value) for value in values]")
    assert result == [list(group) for group in groups]


def test_strings_under_another_hash_seed_are_the_same_set():
    script = (
        "import sys; from sauerkraut.objects import graph\n"
        "s = {f'{i}' for i in range(100)}\nfor i in range(90): s.discard(f'{i}')\n"
        "sys.stdout.buffer.write(graph.freeze([s]).stream)"
    )
    streams = [
        run_python("-c", script, env={**os.environ, "PYTHONHASHSEED": str(seed)}, text=False).stdout
        for seed in (1, 2)
    ]
    for stream in streams:
        (back,) = graph.thaw((stream, []))
        assert back == {f"{i}" for i in range(90, 100)}
        assert all(element in back for element in list(back))


def test_elements_that_may_be_in_a_cycle_are_left_to_the_pickler():
    class Holder:
        pass

    holder = Holder()
    holder.group = {holder, 1}
    (back,) = round_trip(holder)
    assert back in back.group
    assert _native.describe_set(holder.group) is None


def test_roots_keep_their_order():
    group = shrunk()
    before = list(group)
    frozen = graph.freeze([state.state_of(group)], anchors={"root": group})
    group.clear()
    group.update("abc")
    state.set_state(group, graph.thaw(frozen)[0])
    assert list(group) == before


def test_damaged_layouts_are_no_sets():
    frozen, mask, finger, slots, hashes, removed, elements = _native.describe_set(shrunk())
    for bad in [
        (frozen, mask + 1, finger, slots, hashes, removed, elements),
        (frozen, 3, finger, slots, hashes, removed, elements),
        (frozen, mask, -1, slots, hashes, removed, elements),
        (frozen, mask, finger, slots[:-8], hashes, removed, elements),
        (frozen, mask, finger, slots[:8] * 3, hashes, removed, elements),
        (frozen, mask, finger, b"\xff" * 24, hashes, removed, elements),
        (frozen, mask, finger, slots, hashes[::-1], removed, elements),
        (frozen, mask, finger, slots, hashes, slots, elements),
        (frozen, mask, finger, slots, hashes, removed, elements[1:]),
    ]:
        assert _native.make_set(bad) is None


def test_people_see_the_elements():
    ((shown,), _) = inert.read(graph.freeze([shrunk()]).stream)
    assert inert.text(shown) == "{5, 17, 900}"


def test_random_hashing_is_told_once(caplog, monkeypatch):
    monkeypatch.setattr(passes, "_warned", set())
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    graph.freeze([{"a"}])
    monkeypatch.delenv("PYTHONHASHSEED")
    graph.freeze([{1, 2.0}, frozenset()])
    assert not caplog.records
    for _ in range(2):
        graph.freeze([{1: {1, "a"}}, {"b"}])
    (told,) = caplog.records
    assert "PYTHONHASHSEED=0" in told.message
