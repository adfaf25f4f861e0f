"""The control section: how large it is, and what it tells people."""

import sys

import frames_of_programs as programs
import pytest

import sauerkraut as skt
from sauerkraut.frames.capture import capture_stack


def captured(program, *arguments):
    kept = []

    def pause():
        kept.append(capture_stack(sys._getframe(1)))
        return 0

    programs.pause = pause
    skt.call(program, *arguments)
    return kept[0]


def test_three_ints_take_less_than_400_bytes_beside_the_names_of_their_code():
    snapshot = captured(programs.three_ints)
    names = len(snapshot.frames[0].file) + len("three_ints") + len(programs.__name__)
    assert len(snapshot.control) + len(snapshot.objects) < 400 + names


def test_frames_of_one_function_share_what_names_it():
    one, many = (captured(programs.nested, depth) for depth in (1, 41))
    assert len(many.control) - len(one.control) < 40 * 150
    assert [frame.function for frame in many.frames] == ["nested"] * 41
    assert many.resume(0) == 41


def test_names_that_would_break_a_line_are_shown_without():
    strange = type("a\tb\nc", (), {"__module__": "m\tn"})()
    found = captured(programs.holding, strange).frames[0].variables
    assert ("held", "m n.a b c", 0) in found


def test_sizes_and_unbound_locals_are_told():
    frame = captured(programs.sizes).frames[0]
    assert frame.variables == (("text", "str", 7), ("data", "bytes", 300))
    assert frame.unbound == ("result", "later")


def test_code_changed_since_it_was_captured_first_is_noticed(monkeypatch):
    first = captured(programs.holding, 1)

    def holding(held):
        return programs.pause(), held, "another"

    holding.__qualname__ = "holding"
    holding.__module__ = programs.__name__
    old = programs.holding
    monkeypatch.setattr(programs, "holding", holding)
    # The old code no longer goes by its name: what was known of it does not hold any more.
    by_value = captured(old, 1)
    assert by_value.references()[0][0].module == ""
    assert by_value.resume(None) == (None, 1)
    with pytest.raises(skt.CodeChanged):
        first.resume(None)
