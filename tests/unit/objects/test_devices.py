"""Arrays in device memory, by exporters that only pretend: the bytes lie on the host."""

import sys
import types

import numpy as np
import pytest

import sauerkraut as skt
from sauerkraut.errors import CaptureError, ResumeError
from sauerkraut.objects import freezing, graph
from tests.unit.objects.crossing import round_trip


class Exporter:
    """An array of a library nobody knows."""

    def __init__(self, kind, number):
        self.device = (kind, number)
        self.data = np.arange(3.0)

    def __dlpack_device__(self):
        return self.device

    def __dlpack__(self, stream=None):
        raise BufferError("nothing reads it")


class OnCuda:
    __cuda_array_interface__ = {"shape": (3,), "typestr": "<f8", "data": (0, False), "version": 3}  # noqa: RUF012


class Device:
    def __init__(self, number):
        self.id = number

    def __enter__(self):
        Device.current.append(self.id)

    def __exit__(self, *_):
        Device.current.pop()


class Pointer:
    def __init__(self, mem, number, at=0):
        self.mem, self.number, self.at = mem, number, at
        self.ptr = mem.ptr + at

    def __add__(self, offset):
        return Pointer(self.mem, self.number, self.at + offset)


class DeviceArray:
    """What of cupy.ndarray is used, over memory of the host."""

    __module__ = "cupy"
    __qualname__ = "ndarray"
    copies = 0

    def __init__(self, shape, dtype, memptr, strides=None):
        self.data, self.device = memptr, Device(memptr.number)
        self.seen = np.ndarray(shape, dtype, memptr.mem.bytes, memptr.at, strides)
        self.shape, self.dtype, self.strides = self.seen.shape, self.seen.dtype, self.seen.strides

    @property
    def __cuda_array_interface__(self):
        return {"data": (self.data.ptr, False)}

    def view(self, seen):
        offset = seen.__array_interface__["data"][0] - self.data.ptr
        return DeviceArray(seen.shape, seen.dtype, self.data + offset, seen.strides)

    def get(self):
        DeviceArray.copies += 1
        assert Device.current[-1] == self.device.id
        return np.array(self.seen, order="C")

    def set(self, host):
        self.seen[...] = host


def memory(size):
    held = np.zeros(size, np.uint8)
    return types.SimpleNamespace(bytes=held, size=size, ptr=held.__array_interface__["data"][0])


@pytest.fixture
def cupy(monkeypatch):
    monkeypatch.setattr(Device, "current", [0], raising=False)
    made = types.ModuleType("cupy")

    def empty(shape, dtype):
        size = max(int(np.prod(shape)) * np.dtype(dtype).itemsize, 1)
        return DeviceArray(shape, dtype, Pointer(memory(size), Device.current[-1]))

    runtime = types.SimpleNamespace(getDeviceCount=lambda: made.count)
    made.ndarray, made.empty, made.count = DeviceArray, empty, 4
    made.cuda = types.SimpleNamespace(Device=Device, runtime=runtime)
    monkeypatch.setitem(sys.modules, "cupy", made)
    return made


def on(cupy, number, host):
    with Device(number):
        made = cupy.empty(host.shape, host.dtype)
    made.set(host)
    return made


@pytest.mark.parametrize("threshold", [100, 10**9])
def test_arrays_come_back_on_their_device_and_share_its_memory(cupy, threshold):
    host = np.arange(200.0).reshape(10, 20)
    owner = on(cupy, 3, host)
    rows, columns = owner.view(owner.seen[2:4]), owner.view(owner.seen.T[::2])
    other = on(cupy, 1, np.arange(5))
    back, again, few, turned, other_back = round_trip(
        owner, owner, rows, columns, other, threshold=threshold
    )
    assert back is again
    assert (back.device.id, few.device.id, other_back.device.id) == (3, 3, 1)
    assert np.array_equal(back.seen, host)
    back.seen[2, 0] = -1.0
    assert few.seen[0, 0] == -1.0
    assert turned.seen[0, 2] == -1.0
    assert Device.current == [0]
    few, back = round_trip(few, back)  # and once more
    back.seen[3, 0] = -2.0
    assert few.seen[1, 0] == -2.0
    DeviceArray.copies = 0
    graph.freeze([owner, rows, columns, {"a": owner}])
    assert DeviceArray.copies == 1


def test_the_bytes_are_blocks(cupy):
    frozen = graph.freeze([on(cupy, 2, np.arange(1000.0))], threshold=100)
    assert [block.memory.nbytes for block in frozen.blocks] == [8000]
    assert len(frozen.stream) < 1000


def test_a_device_or_a_library_that_is_not_there(cupy, monkeypatch):
    frozen = graph.freeze([on(cupy, 2, np.arange(3.0))])
    cupy.count = 1
    with pytest.raises(ResumeError, match="CUDA device 2; this process sees 1"):
        graph.thaw(frozen)
    monkeypatch.setitem(sys.modules, "cupy", None)  # as if it were not installed
    with pytest.raises(ResumeError, match="CUDA device 2 needs CuPy: "):
        graph.thaw(frozen)


def test_unknown_libraries_are_refused_by_name(monkeypatch):
    with pytest.raises(CaptureError, match=r"Exporter cannot be captured; it lies on CUDA 5, and"):
        graph.freeze([{"a": Exporter(2, 5)}], names=lambda _: "f() -> local 'held'")
    with pytest.raises(CaptureError, match=r"item 'a': .*Exporter.* on ROCm 0"):
        graph.freeze([{"a": Exporter(10, 0)}], names=lambda _: "f() -> local 'held'")
    with pytest.raises(CaptureError, match=r"OnCuda cannot be captured; it lies on a CUDA device"):
        graph.freeze([OnCuda()])
    with pytest.raises(RuntimeError, match=r"local 'held' -> item 'a': .*on CUDA 5, and"):
        graph.freeze([{"a": Exporter(2, 5)}], names=lambda _: "f() -> local 'held'")
    (back,) = round_trip(Exporter(1, 0))  # in host memory
    assert np.array_equal(back.data, np.arange(3.0))
    monkeypatch.setattr(freezing, "_user_by_type", {})
    freezing.register_reducer(Exporter, lambda value: (Exporter, value.device))
    assert round_trip(Exporter(2, 5))[0].device == (2, 5)


@pytest.mark.parametrize("serialize", [False, True])
def test_the_seeds_functions_raise_what_the_seed_raises(serialize):
    def sample():
        held = Exporter(2, 5)
        skt.copy_current_frame(serialize=serialize, exclude_dead_locals=False)
        return held

    with pytest.raises(RuntimeError, match=r"local 'held': .*Exporter cannot be .* on CUDA 5"):
        sample()


class Tensor:
    """What of torch.Tensor is seen: it says where it lies, and pickles itself."""

    __module__ = "torch"
    __qualname__ = "Tensor"
    asked = 0

    def __init__(self, data, device):
        self.data, self.device = data, device

    def __dlpack_device__(self):
        Tensor.asked += 1
        return (2, self.device)

    def __reduce_ex__(self, protocol):
        return (Tensor, (self.data, self.device))


class Parameter(Tensor):
    __module__ = "torch.nn.parameter"
    __qualname__ = "Parameter"

    def __reduce_ex__(self, protocol):
        return (Parameter, (self.data, self.device))


def test_tensors_pickle_themselves(monkeypatch):
    monkeypatch.setattr(Tensor, "asked", 0)
    for name, cls in (("torch", Tensor), ("torch.nn.parameter", Parameter)):
        made = types.ModuleType(name)
        setattr(made, cls.__qualname__, cls)
        monkeypatch.setitem(sys.modules, name, made)
        tensor = cls(np.arange(3.0), 2)
        back, again, data = round_trip(tensor, {"a": tensor}, tensor.data)
        assert type(back) is cls
        assert back is again["a"]
        assert back.device == 2
        data[0] = 5.0
        assert back.data.tolist() == [5.0, 1.0, 2.0]
    assert Tensor.asked == 0
