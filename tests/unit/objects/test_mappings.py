"""mmap.mmap, memoryviews of a part, matches, context variables of no module."""

import array
import contextvars
import io
import mmap
import re

import numpy as np
import pytest

from sauerkraut.errors import CaptureError, ResumeError
from sauerkraut.objects import graph
from tests.unit.objects.crossing import elsewhere, round_trip


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(bytes(range(256)) * 64)
    return path


def test_a_mapping_for_reading(path):
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        part = mmap.mmap(file.fileno(), 100, access=mmap.ACCESS_READ, offset=4096)
    mapped.seek(7)
    part.read(3)
    frozen = graph.freeze([mapped, part, {"again": mapped}])
    assert len(frozen.stream) < 1000
    back, part_back, held = graph.thaw(frozen)
    assert held["again"] is back
    assert back.read(3) == bytes([7, 8, 9])
    assert part_back.read(2) == bytes([3, 4])
    with pytest.raises(TypeError, match="readonly"):
        back[0] = 1
    path.write_bytes(b"other" * 4096)
    with pytest.raises(ResumeError, match="has changed since the capture"):
        graph.thaw(frozen)
    changed, *_ = graph.thaw(frozen, on_changed="warn")
    assert changed.read(5) == b"herot"
    path.unlink()
    with pytest.raises(ResumeError, match="was mapped"):
        graph.thaw(frozen)


def test_a_mapping_for_writing_is_written_back(path):
    with path.open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), 0)
    mapped[:3] = b"abc"
    frozen = graph.freeze([mapped])
    mapped[:3] = b"xyz"  # after the capture: to be undone
    actions = []
    (back,) = graph.thaw(frozen, actions=actions)
    assert path.read_bytes()[:3] == b"xyz"  # nothing is written before the actions
    for act in actions:
        act()
    assert path.read_bytes()[:3] == b"abc"
    back[:1] = b"A"
    back.flush()
    assert path.read_bytes()[:3] == b"Abc"
    path.write_bytes(b"short")
    with pytest.raises(ResumeError, match="shorter than at the capture"):
        graph.thaw(frozen)


def test_private_anonymous_closed_and_deleted_mappings(path):
    with path.open("rb") as file:
        private = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        gone = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    private[:3] = b"abc"
    anonymous, closed = mmap.mmap(-1, 5000), mmap.mmap(-1, 1)
    anonymous[4998:] = b"zz"
    closed.close()
    one, two, three = round_trip(private, anonymous, closed)
    assert one[:5] == b"abc\3\4"
    assert two[4997:] == b"\0zz"
    assert three.closed
    assert path.read_bytes()[0] == 0
    path.unlink()
    with pytest.raises(CaptureError, match="it maps a file that is gone"):
        graph.freeze([gone])


def test_memoryviews_of_a_part():
    data, numbers = bytearray(range(100)), array.array("d", range(12))
    views = [
        memoryview(data)[10:20],
        memoryview(data)[90:10:-5],
        memoryview(data)[::3],
        memoryview(data)[20:44].cast("i"),
        memoryview(data)[:24].cast("B", [2, 3, 4]),
        memoryview(numbers)[2:9:2],
        memoryview(numbers)[::-1],
        memoryview(numbers)[5:5],
        memoryview(b"0123456789")[3:7],
        memoryview(data)[5:9].toreadonly(),
    ]
    *back, held, _ = round_trip(*views, data, numbers)
    for after, before in zip(back, views, strict=True):
        assert after == before
        assert after.readonly == before.readonly
        assert (after.format, after.shape, after.strides) == (
            before.format,
            before.shape,
            before.strides,
        )
    held[10] = 255
    assert back[0][0] == 255
    back[1][0] = 7
    assert held[90] == 7


def test_memoryviews_of_a_bytes_io():
    file = io.BytesIO(bytes(range(64)))
    file.seek(5)
    with file.getbuffer() as whole, whole[8:24].cast("i") as part, whole.toreadonly() as constant:
        back, numbers, fixed, held = round_trip(whole, part, constant, file)
        assert (numbers, fixed) == (part, constant)
    back[8:12] = bytes(4)
    assert (numbers[0], fixed[8], fixed.readonly) == (0, 0, True)
    assert (held.tell(), held.getvalue()[:13]) == (5, bytes(range(8)) + bytes(4) + b"\x0c")


def test_memoryviews_of_numpy_arrays():
    table = np.arange(24.0).reshape(4, 6)
    rows, columns, pairs = table[1:3], table[:, 2], np.zeros(3, "i4,f8")
    owners = [table, rows, columns, pairs, np.arange(100_000)]
    views = [
        *map(memoryview, owners),
        memoryview(rows).cast("B")[8:24],
        memoryview(table).cast("B").cast("d", [24])[::-2],
        memoryview(table).toreadonly(),
    ]
    back = round_trip(*views, *owners)
    held = back[len(views) :]
    for after, before in zip(back, views, strict=False):
        assert after.tobytes() == before.tobytes()
        assert (after.readonly, after.strides) == (before.readonly, before.strides)
        assert (after.format, after.shape) == (before.format, before.shape)
    assert all(view.obj is owner for view, owner in zip(back, held, strict=False))
    held[0][1, 1] = -1
    assert back[1][0, 1] == back[5].cast("d")[0] == back[7][1, 1] == -1
    for refused in (memoryview(columns)[1:], memoryview(pairs)[1:]):
        with pytest.raises(CaptureError, match=r"numpy\.frombuffer"):
            round_trip(refused)


def test_matches():
    text = "key=value, other=thing"
    pattern = re.compile(r"(?P<name>\w+)=(\w+)")
    every = list(pattern.finditer(text))
    matches = [
        *every,
        pattern.match(text, 2),
        pattern.fullmatch("a=b"),
        re.search(b"b+?", b"abbb"),
        re.search("(?<=k)e", text),
        re.fullmatch("a|ab", "ab"),
    ]
    for after, before in zip(round_trip(*matches), matches, strict=True):
        assert after.groups() == before.groups()
        assert after.regs == before.regs
        assert after.groupdict() == before.groupdict()
        assert after.string == before.string
    changed = bytearray(b"abc")
    match = re.search(b"b", changed)
    changed[1] = ord("x")
    with pytest.raises(CaptureError, match=r"re\.Match cannot be captured; its string"):
        graph.freeze([match])
    scanning = re.finditer("a", "aaa")
    next(scanning)
    with pytest.raises(CaptureError, match="iterate over a list of the matches"):
        graph.freeze([scanning])


def test_context_variables_of_no_module():
    empty, filled = contextvars.ContextVar("empty"), contextvars.ContextVar("filled", default=(1,))
    unset = contextvars.ContextVar("unset", default=None)
    filled.set({"a": 1})
    context = contextvars.copy_context()
    context.run(empty.set, 5)
    values = round_trip(empty, filled, unset, context, [filled])
    one, two, three, held, again = values
    assert again[0] is two
    assert one.name == "empty"
    assert two.get() == {"a": 1}
    assert three.get() is None
    assert held[one] == 5
    assert held[two] is two.get()
    with pytest.raises(LookupError):
        one.get()
    filled.set(2)
    result = elsewhere([filled, unset], "result = values[0].get(), values[1].get()")
    assert result == (2, None)
