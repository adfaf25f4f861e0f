"""`sauerkraut.liveness`: sound for handlers and for instructions that do two things at once."""

import dis
import random
import sys

import pytest

import sauerkraut as skt
from sauerkraut import liveness
from sauerkraut.frames.labels import slot_names


def dead_at_call(function, name):
    """Dead locals where ``function`` calls the global ``name``."""
    calls = [each for each in dis.get_instructions(function) if each.opname.startswith("CALL")]
    loads = [each for each in dis.get_instructions(function) if each.argval == name]
    offset = next(each.offset for each in calls if each.offset > loads[-1].offset)
    return liveness.get_dead_variables_at_offset(function.__code__, offset)


def pause():
    pass


def test_live_and_dead_are_disjoint_and_cover_the_locals():
    def sample(a, *rest, b=1):
        total = 0
        for i in range(a):
            if i % 2:
                continue
            total += i
        return total, rest, b

    analysis = liveness.LivenessAnalysis(sample.__code__)
    offsets = analysis.get_offsets()
    assert offsets[0] == 0
    assert offsets == sorted(set(offsets))
    for offset in offsets:
        live = analysis.get_live_variables_at_offset(offset)
        dead = analysis.get_dead_variables_at_offset(offset)
        assert not live & dead
        assert live | dead == {"a", "rest", "b", "total", "i"}


def test_offsets_are_those_of_dis():
    def sample(a):
        with a as b:
            return [b(x) for x in a if x]

    known = set(liveness.LivenessAnalysis(sample.__code__).get_offsets())
    assert {each.offset for each in dis.get_instructions(sample)} <= known


def test_never_read_and_overwritten_values_are_dead():
    def sample():
        _unused = 1
        x = 2
        pause()
        x = 3
        return x, None

    assert dead_at_call(sample, "pause") == {"_unused", "x"}


def test_a_loop_keeps_what_the_next_turn_reads():
    def sample(n):
        last = None
        for i in range(n):
            pause()
            print(last)
            last = i

    assert dead_at_call(sample, "pause") == {"n"}


def test_a_handler_keeps_what_it_reads():
    def sample():
        kept = 1
        also = 2
        try:
            pause()
            kept = also = 0
        except ValueError:
            print(kept)
        finally:
            print(also)

    assert dead_at_call(sample, "pause") == set()


def test_instructions_that_store_and_load_at_once():
    names = {"pause": pause}
    exec("def sample():\n a = 1\n t = pause(); u = a; return u, t", names)
    assert "a" not in dead_at_call(names["sample"], "pause")


def test_variables_of_inner_functions_are_never_dead():
    def sample():
        shared = 1

        def inner():
            return shared

        pause()
        return inner

    assert "shared" not in dead_at_call(sample, "pause")


def test_nothing_is_dead_where_all_locals_can_be_seen():
    def sample():
        hidden = 1
        pause()
        return locals()

    assert dead_at_call(sample, "pause") == set()


class Derived(list):
    def method(self):
        pause()
        return super()


def test_self_is_not_dead_where_super_needs_it():
    assert dead_at_call(Derived.method, "pause") == set()


def test_a_value_deleted_by_name_lives_until_then():
    def sample():
        guard = object()
        pause()
        del guard

    assert dead_at_call(sample, "pause") == set()


def test_a_value_that_a_comprehension_hides_comes_back():
    frames = []

    def sample(rows):
        x = "outer"
        found = [x for x in rows if frames.append(copy()) or True]
        return x, found

    def copy():
        return skt.copy_frame(sys._getframe(), stack=True, base=sample)

    assert sample([1, 2, 3]) == ("outer", [1, 2, 3])
    again = skt.deserialize_frame(skt.serialize_frame(frames[1]))
    assert skt.run_frame(again)[0] == "outer"


@pytest.mark.parametrize("offset", [99999, -2, 1, "x"])
def test_an_offset_where_nothing_starts(offset):
    analysis = liveness.LivenessAnalysis(test_an_offset_where_nothing_starts.__code__)
    with pytest.raises(ValueError, match="offset"):
        analysis.get_live_variables_at_offset(offset)
    with pytest.raises(ValueError, match="offset"):
        analysis.get_dead_variables_at_offset(offset)


def test_what_is_no_code():
    with pytest.raises(TypeError, match="code object"):
        liveness.LivenessAnalysis(42)


class Wrapped:
    """As the ``bytecode`` package's classes hand their code out."""

    def __init__(self, code):
        self.code = code

    def to_code(self):
        return self.code


def test_objects_that_turn_into_code():
    code = dead_at_call.__code__
    assert (
        liveness.LivenessAnalysis(Wrapped(code)).get_offsets()
        == liveness.LivenessAnalysis(code).get_offsets()
    )


class A:
    def step(self, a, b):
        pause()
        return a


class B:
    def step(self, a, b):
        pause()
        return b


def test_functions_of_one_name_do_not_share_an_answer():
    assert dead_at_call(A.step, "pause") == {"self", "b"}
    assert dead_at_call(B.step, "pause") == {"self", "a"}
    analysis = liveness.liveness_cache[A.step.__code__]
    assert dead_at_call(A.step, "pause") == {"self", "b"}
    assert liveness.liveness_cache[A.step.__code__] is analysis


def test_places_of_locals_are_those_of_the_frame():
    def sample(a, b, *rest, c=1, **more):
        d = a

        def inner():
            return a, d, rest, outer

        pause()
        return inner, b, c, more

    outer = random
    code = sample.__code__
    assert slot_names(code) == [*code.co_varnames, "d", *code.co_freevars]
