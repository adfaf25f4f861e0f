"""Arrays in the memory of a real GPU, where there is one."""

import sys

import numpy as np
import pytest

import sauerkraut as skt
from sauerkraut.objects import graph
from tests.unit.objects import crossing, gpu
from tests.unit.objects.crossing import round_trip

HOST = np.arange(48.0).reshape(6, 8)


@pytest.fixture
def cupy():
    if (why := gpu.missing("cupy")) is not None:
        pytest.skip(f"missing: {why}")
    return sys.modules["cupy"]


@pytest.fixture
def torch():
    if (why := gpu.missing("torch")) is not None:
        pytest.skip(f"missing: {why}")
    return sys.modules["torch"]


@pytest.mark.parametrize("threshold", [100, 10**9])
def test_cupy_arrays_share_their_memory_again(cupy, threshold):
    last = cupy.cuda.runtime.getDeviceCount() - 1
    with cupy.cuda.Device(last):
        owner = cupy.asarray(HOST)
        views = [owner[2:4], owner.T[::2], owner[::-1, ::-2], owner.view("i8"), owner[2:2]]
    host = np.arange(3)
    back, *again, host_back = round_trip(owner, *views, host, threshold=threshold)
    assert {array.device.id for array in (back, *again)} == {last}
    for before, after in zip((owner, *views), (back, *again), strict=True):
        assert (after.dtype, after.shape, after.strides) == (
            *(before.dtype, before.shape),
            before.strides,
        )
        assert np.array_equal(after.get(), before.get())
    with cupy.cuda.Device(last):
        back[2, 0] = -1.0
    assert float(again[0][0, 0]) == -1.0
    assert float(again[1][0, 2]) == -1.0
    assert float(owner[2, 0]) == 16.0
    assert host_back.tolist() == [0, 1, 2]


def test_cupy_arrays_are_blocks_that_another_process_reads(cupy):
    array = cupy.arange(1000.0)
    frozen = graph.freeze([array], threshold=100)
    assert [block.memory.nbytes for block in frozen.blocks] == [8000]
    body = "result = values[0].get().tobytes(), values[0].device.id"
    assert crossing.elsewhere([array], body) == (array.get().tobytes(), array.device.id)


def test_a_stack_that_computes_on_the_gpu_goes_on(cupy):
    def simulate():
        u = cupy.asarray(HOST)
        half = u[:3]
        for step in range(4):
            u += 1.0
            if step == 1 and (snapshot := skt.capture(base=simulate)) is not None:
                return snapshot
        return u.get(), half.get()

    u, half = skt.Snapshot.from_bytes(simulate().to_bytes()).resume()
    assert np.array_equal(u, HOST + 4.0)
    assert np.array_equal(half, HOST[:3] + 4.0)


def test_tensors_come_back_on_their_device(torch):
    device = f"cuda:{torch.cuda.device_count() - 1}"
    tensor = torch.tensor(HOST, device=device)
    weight = torch.nn.Parameter(tensor.clone())
    back, again, weight_back, cpu = round_trip(tensor, {"a": tensor}, weight, tensor.cpu())
    assert back is again["a"]
    assert (str(back.device), str(weight_back.device), str(cpu.device)) == (device, device, "cpu")
    assert np.array_equal(back.cpu().numpy(), HOST)
    assert isinstance(weight_back, torch.nn.Parameter)
    assert weight_back.requires_grad
