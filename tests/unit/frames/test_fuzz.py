"""Control state changed with care, its hashes put right, never crashes the interpreter."""

import contextlib
import os
import struct
import sys

import control_buffer as cb
import fuzz
import pytest
import scenarios

from sauerkraut import ResumeError, Snapshot


def test_changed_control_state_never_crashes():
    executions = int(os.environ.get("SAUERKRAUT_FUZZ", "3000"))
    counts, crashed = fuzz.fuzz(executions)
    print(dict(counts))
    assert crashed == []
    assert sum(counts.values()) == executions
    # Most changes must come as far as the third ring: else this tests the container only.
    assert counts["ring 3"] + counts["ran"] > 0.2 * executions


def test_a_generator_that_would_delegate_to_itself_is_refused():
    snapshot = scenarios.run("do_delegation_to_an_object", 1)[2]
    changed = bytearray(snapshot.control)
    outer, inner = cb.slots(changed)[:2]
    generator = struct.unpack_from("<Q", changed, outer[1])[0]
    delegate = inner[-2 if sys.version_info >= (3, 15) else -1]  # there with an index beside it
    struct.pack_into("<Q", changed, delegate, generator)
    thawed = Snapshot.of_parts(bytes(changed), snapshot.objects, snapshot.blocks).thaw()
    with pytest.raises(ResumeError, match="delegates to itself"):
        thawed.check()


def test_what_a_comprehension_hides_must_be_a_cell_where_a_cell_is_put_back():
    snapshot = scenarios.run("do_comprehension_hides_a_cell", 1)[2]
    refused = 0
    for at in cb.slots(snapshot.control)[0]:
        if struct.unpack_from("<Q", snapshot.control, at)[0] & 7 != 1:
            continue  # no object
        changed = bytearray(snapshot.control)
        struct.pack_into("<Q", changed, at, 2 | 20 << 3)  # the small int 10
        thawed = Snapshot.of_parts(bytes(changed), snapshot.objects, snapshot.blocks).thaw()
        try:
            thawed.check()
        except ResumeError:
            refused += 1
            continue
        with pytest.raises(TypeError):
            thawed.run()
    assert refused > 0


def test_a_file_name_with_a_zero_byte_is_refused():
    snapshot = scenarios.run("do_properties", 1)[2]
    name = scenarios.scenarios["do_properties"].__code__.co_filename.encode()
    assert name in snapshot.control
    control = snapshot.control.replace(name, b"\0" + name[1:])
    changed = Snapshot.of_parts(control, snapshot.objects, snapshot.blocks)
    for use in (lambda: changed.frames, changed.references, changed.thaw):
        with pytest.raises(ResumeError, match="zero byte"):
            use()


def test_slots_that_are_not_aligned_are_refused():
    _, control, objects, blocks = fuzz.corpus()[0]
    frame = cb.frames(control)[0]
    start, count = frame.vector(cb.SLOTS)
    moved = bytearray(control + bytes(-len(control) % 8))
    place = len(moved)  # of the length, on a boundary of 8: the elements lie at 4
    moved += struct.pack("<I", count) + control[start : start + 8 * count] + bytes(4)
    field = frame.field(cb.SLOTS)
    struct.pack_into("<I", moved, field, place - field)
    with pytest.raises(ResumeError, match="not aligned"):
        Snapshot.of_parts(bytes(moved), objects, blocks).thaw()


def test_what_a_long_generator_expression_loops_over_must_be_an_iterator():
    """Its loop jumps further than one byte tells, so that the instruction has a prefix."""
    snapshot = scenarios.run("do_long_generator_expression", 1)[2]
    refused = []
    for at in [at for frame in cb.slots(snapshot.control) for at in frame]:
        changed = bytearray(snapshot.control)
        struct.pack_into("<Q", changed, at, 2 | 20 << 3)  # the small int 10
        thawed = Snapshot.of_parts(bytes(changed), snapshot.objects, snapshot.blocks).thaw()
        try:
            thawed.check()
        except ResumeError as error:
            refused.append(str(error))
            continue
        with contextlib.suppress(TypeError, AttributeError):
            thawed.run()
    # From CPython 3.15 on the iterator lies on the value stack.
    place = "stack slot 0" if sys.version_info >= (3, 15) else "local '.0'"
    assert any(f"{place} must be an iterator" in each for each in refused)
