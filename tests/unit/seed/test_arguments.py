"""Wrong arguments are errors of a type a caller would catch; never a crash."""

import array
import contextlib
import inspect
import mmap
import random
import sys

import greenlet
import pytest

import sauerkraut as skt
from tests.unit.seed.threads import held_elsewhere


def sample(*args, **kwargs):
    a, b = 1, 2
    copy = skt.copy_current_frame(*args, **kwargs)
    return copy or (a, b)


@pytest.mark.parametrize("wrong", [None, 42, "text", b"bytes", sample, object()])
def test_what_is_no_captured_frame(wrong):
    for function in (skt.run_frame, skt.serialize_frame, skt.resume_greenlet):
        with pytest.raises(TypeError, match="frame must be"):
            function(wrong)


@pytest.mark.parametrize("wrong", [None, 42, "text", sample, sample()])
def test_what_is_no_frame_and_no_buffer(wrong):
    with pytest.raises(TypeError, match="frame"):
        skt.copy_frame(wrong)
    with pytest.raises(TypeError):
        skt.deserialize_frame(wrong)


@pytest.mark.parametrize("wrong", [None, 42, sample, greenlet.greenlet])
def test_what_is_no_greenlet(wrong):
    with pytest.raises(TypeError, match="greenlet"):
        skt.copy_frame_from_greenlet(wrong)


def test_a_frame_that_is_not_on_the_stack():
    def gone():
        return inspect.currentframe()

    def suspended():
        yield inspect.currentframe()

    with pytest.raises(ValueError, match="not on the stack"):
        skt.copy_frame(gone())
    with pytest.raises(ValueError, match="not on the stack"):
        skt.copy_frame(next(suspended()))
    with (
        held_elsewhere(lambda: inspect.currentframe().f_back) as frame,
        pytest.raises(ValueError, match="not on the stack"),
    ):
        skt.copy_frame(frame)


def test_a_frame_without_a_caller():
    outermost = inspect.currentframe()
    while outermost.f_back is not None:
        outermost = outermost.f_back
    with pytest.raises(ValueError, match="has no caller"):
        skt.copy_frame(outermost)


def test_locals_that_are_not_there():
    with pytest.raises(KeyError, match=r"no local 'c'; it has \['args', 'kwargs', 'a'"):
        sample(exclude_locals=["c"])
    for index in (17, -1):
        with pytest.raises(IndexError, match=f"5 locals, none at index {index}"):
            sample(exclude_locals=[index])
    for wrong in ("ab", [1.5], [None], [True], 7):
        with pytest.raises(TypeError):
            sample(exclude_locals=wrong)
    with pytest.raises(KeyError, match="no captured frame of 'other'"):
        sample(exclude_locals={"other": ["a"]})


def test_replacements_that_are_not_there():
    frame = sample()
    assert skt.run_frame(frame, {"a": 5, 3: 6}) == (5, 6)
    with pytest.raises(KeyError, match="no local 'c'"):
        skt.run_frame(frame, {"c": 1})
    with pytest.raises(IndexError):
        skt.run_frame(frame, {5: 1})
    for wrong in ([("a", 1)], "a", 3):
        with pytest.raises(TypeError, match="dict"):
            skt.run_frame(frame, wrong)
        with pytest.raises(TypeError, match="dict"):
            skt.deserialize_frame(skt.serialize_frame(frame), wrong)
    assert skt.run_frame(frame) == (1, 2)


def test_size_hints():
    assert skt.run_frame(sample(sizehint=-3)) == (1, 2)
    with pytest.raises(TypeError, match="sizehint"):
        sample(sizehint="many")
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="sizehint"):
            skt.serialize_frame(sample(), wrong)


def test_base_belongs_to_a_stack():
    with pytest.raises(TypeError, match="stack=True"):
        sample(base=sample)


def test_any_buffer_is_read():
    data = skt.serialize_frame(sample())
    with mmap.mmap(-1, len(data)) as mapped:
        mapped[:] = data
        assert skt.deserialize_frame(mapped, run=True) == (1, 2)
    for buffer in (bytearray(data), memoryview(data), array.array("B", data)):
        assert skt.deserialize_frame(buffer, run=True) == (1, 2)
    every_second = memoryview(b"".join(bytes((byte, 0)) for byte in data))[::2]
    assert skt.deserialize_frame(every_second, run=True) == (1, 2)


def test_bytes_that_are_no_frame():
    data = skt.serialize_frame(sample())
    for wrong in (b"", b"garbage" * 50, data[:64], data[:-1], data + b"x", bytes(len(data))):
        with pytest.raises(skt.ResumeError):
            skt.deserialize_frame(wrong)
    rng = random.Random(1)
    for _ in range(300):
        changed = bytearray(data)
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        with pytest.raises(skt.ResumeError):
            skt.deserialize_frame(changed)


def test_a_frame_of_another_interpreter(monkeypatch):
    data = skt.serialize_frame(sample())
    monkeypatch.setattr("sauerkraut.frames.snapshot.MAGIC", 1)
    with pytest.raises(skt.InterpreterMismatch, match="written by cpython"):
        skt.deserialize_frame(data)


def test_errors_of_the_frame_are_the_callers_own():
    frame = sample()
    with pytest.raises(ZeroDivisionError, match="mine"):
        skt.run_frame(frame, throw=ZeroDivisionError("mine"))
    with pytest.raises(TypeError, match="throw"):
        skt.run_frame(frame, throw="mine")
    assert sys.exception() is None
    with contextlib.suppress(KeyError):
        skt.run_frame(frame, {"nothing": 1})
    assert skt.run_frame(frame) == (1, 2)
