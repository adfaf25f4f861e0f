"""What programs written for the seed rely on: one frame, copied, stored, read and run."""

import importlib
import inspect
import os
import sys

import numpy as np
import pytest

import sauerkraut as skt
from sauerkraut import liveness

calls = 0


@pytest.fixture(autouse=True)
def start_again():
    global calls
    calls = 0


def once(c, **options):
    global calls
    calls += 1
    g = 4
    copy = skt.copy_current_frame(**options)
    if calls == 1:
        g = 5
        calls += 1
        _hidden = 55
        return copy
    return calls + c + g


@pytest.mark.parametrize("sizehint", [None, 5, 128])
def test_copy_then_serialize_through_a_file(tmp_path, sizehint):
    frame = once(13, sizehint=sizehint)
    path = tmp_path / "frame.bin"
    path.write_bytes(skt.serialize_frame(frame, sizehint=sizehint))
    read = skt.deserialize_frame(path.read_bytes())
    assert skt.run_frame(read) == 2 + 13 + 4  # g as it was at the copy


def test_copy_and_serialize_in_one_call():
    data = once(13, serialize=True)
    assert isinstance(data, bytes)
    assert skt.deserialize_frame(data, run=True) == 19
    assert skt.deserialize_frame(data, None, True) == 19


def test_a_frame_runs_without_being_serialized_and_again_and_again():
    frame = once(13)
    assert [skt.run_frame(frame) for _ in range(3)] == [19] * 3
    assert skt.deserialize_frame(skt.serialize_frame(frame), run=True) == 19
    assert (
        skt.deserialize_frame(
            skt.serialize_frame(skt.deserialize_frame(skt.serialize_frame(frame))), run=True
        )
        == 19
    )


def loops():
    global calls
    calls += 1
    done = 0
    for _ in range(4):
        done += 100
    done = 0
    for i in range(3):
        for j in range(6):
            done += 1
            if i == 0 and j == 0:
                copy = skt.copy_current_frame(serialize=True)
            if calls == 1:
                calls += 1
                return copy
            continue
            once(2)
    return done


def test_a_frame_in_the_first_turn_of_nested_loops():
    assert skt.run_frame(skt.deserialize_frame(loops())) == 18


def test_locals_are_left_out_by_name_and_index_and_replaced():
    def excluding(c, names):
        global calls
        calls += 1
        g = 4
        data = skt.copy_current_frame(
            serialize=True, exclude_locals=names, exclude_dead_locals=False
        )
        if calls == 1:
            calls += 1
            return data
        return calls + c + g

    data = excluding(13, {"names", "g"})
    assert skt.deserialize_frame(data, run=True, replace_locals={"g": 8}) == 23
    start = calls
    assert start == 2
    for names, replaced, expected in (
        ({"names", "c"}, {"c": 100}, 106),
        (["names", 0], {0: 25}, 31),
    ):
        globals()["calls"] = 0
        data = excluding(13, names)
        assert skt.deserialize_frame(data, replace_locals=replaced, run=True) == expected
        assert skt.run_frame(skt.deserialize_frame(data), replaced) == expected
        assert skt.run_frame(skt.deserialize_frame(data, replaced)) == expected
        with pytest.raises(TypeError):  # None + int
            skt.run_frame(skt.deserialize_frame(data))


def helper(frames):
    frames.append(skt.copy_frame(inspect.currentframe(), serialize=True))


def helped(c, frames):
    x = 100
    total = 0
    for i in range(3):
        total += i
        if i == 1:
            helper(frames)
    return x + c + total


def test_a_helper_copies_its_caller():
    frames = []
    assert helped(50, frames) == 153
    assert skt.deserialize_frame(frames[0], run=True) == 153


def test_copy_frame_without_an_argument_is_the_calling_frame():
    def sample():
        x = 1
        frame = skt.copy_frame()
        return frame or x

    assert skt.run_frame(sample()) == 1


def arrays():
    a = np.ones(4)
    frame = skt.copy_current_frame()
    if frame is None:
        a += 10
        return a
    a += 1
    return frame


def test_an_array_has_its_value_at_the_copy_in_each_run():
    frame = skt.deserialize_frame(skt.serialize_frame(arrays()))
    results = [skt.run_frame(frame) for _ in range(10)]
    assert all((each == 11).all() for each in results)
    results[0][:] = 0
    assert results[1].sum() == 44


def test_dead_locals_are_not_stored_and_may_be_replaced():
    def sample(c):
        _big = b"x" * 100_000
        a, b = 1, 2
        data = skt.copy_current_frame(serialize=True)
        return data or a + b + c

    data = sample(100)
    assert len(data) < 10_000
    frame = skt.deserialize_frame(data)
    assert "_big" in frame.excluded
    assert "data" in frame.unbound
    assert skt.run_frame(frame, {"a": 10, "_big": 3}) == 112


MODULE = """
import os
import sauerkraut

os.environ[{key!r}] = "ran"

def checkpoint(value):
    data = sauerkraut.copy_current_frame(serialize=True, capture_module_source=True)
    return data or value + 1
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module that tells in the environment that its source was run."""
    name = f"seed_module_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODULE.format(key=name.upper()))
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module(name)
    sys.modules.pop(name, None)
    os.environ.pop(name.upper(), None)


def test_a_module_that_is_gone_is_made_again(module, tmp_path, monkeypatch):
    data = module.checkpoint(10)
    del os.environ[module.__name__.upper()], sys.modules[module.__name__]
    (tmp_path / f"{module.__name__}.py").unlink()
    importlib.invalidate_caches()
    with pytest.raises(skt.ResumeError, match=module.__name__):
        skt.deserialize_frame(data, run=True, reconstruct_module=False)
    assert skt.deserialize_frame(data, run=True) == 11
    assert os.environ[module.__name__.upper()] == "ran"
    again = sys.modules[module.__name__]
    assert again is not module
    assert "def checkpoint" in inspect.getsource(again)


@pytest.mark.parametrize("reconstruct", [True, False])
def test_a_module_that_is_there_is_not_run_again(module, reconstruct):
    data = module.checkpoint(10)
    del os.environ[module.__name__.upper()]
    assert skt.deserialize_frame(data, run=True, reconstruct_module=reconstruct) == 11
    assert module.__name__.upper() not in os.environ
    assert sys.modules[module.__name__] is module


def test_a_module_whose_source_fails_is_not_left_behind(module, tmp_path):
    path = tmp_path / f"{module.__name__}.py"
    path.write_text("raise SystemError('no')\n" + path.read_text())
    data = module.checkpoint(10)
    del sys.modules[module.__name__]
    path.unlink()
    importlib.invalidate_caches()
    with pytest.raises(skt.ResumeError, match=r"source of module .* failed"):
        skt.deserialize_frame(data, run=True)
    assert module.__name__ not in sys.modules


def test_the_arguments_their_order_and_their_defaults():
    def described(function):
        told = {"": [], "*": []}
        for each in inspect.signature(function).parameters.values():
            kind = "*" if each.kind is each.KEYWORD_ONLY else ""
            plain = each.default is None or isinstance(each.default, bool)
            name = f"{each.name}/" if each.kind is each.POSITIONAL_ONLY else each.name
            told[kind].append(f"{name}={each.default}" if plain else name)
        return " ".join(told[""]), " ".join(told["*"])

    own = (
        "serialize=False exclude_locals=None exclude_immutables=False sizehint=None "
        "exclude_dead_locals=True capture_module_source=False"
    )
    assert described(skt.copy_current_frame) == (own, "stack=False base=None")
    rest = (
        "exclude_locals=None sizehint=None serialize=False exclude_dead_locals=True "
        "exclude_immutables=False capture_module_source=False"
    )
    assert described(skt.copy_frame) == (f"frame {rest}", "stack=False base=None")
    assert described(skt.copy_frame_from_greenlet) == (f"greenlet {rest}", "stack=True base=None")
    assert described(skt.serialize_frame) == ("frame sizehint=None capture_module_source=False", "")
    assert described(skt.deserialize_frame) == (
        "frame replace_locals=None run=False reconstruct_module=True",
        "value=None throw=None",
    )
    assert described(skt.run_frame) == ("frame replace_locals=None", "value=None throw=None")
    assert described(skt.resume_greenlet) == ("frame/", "value=None")
    assert skt.liveness is liveness
