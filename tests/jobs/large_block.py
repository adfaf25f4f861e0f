"""A frame with an array and one with bytes beyond 2 GiB, captured, handed on and resumed."""

import numpy as np

import sauerkraut as skt

LENGTH = (1 << 28) + 1000  # doubles: 2 GiB and 8000 bytes


def simulate(array):
    snapshot = skt.capture(base=simulate, arrays="borrow")
    return (snapshot,) if snapshot else array


def seed(size):
    text = bytes(size)
    data = skt.copy_current_frame(serialize=True, exclude_dead_locals=False)
    return data if isinstance(data, bytes) else len(text)


def main():
    array = np.zeros(LENGTH)
    array[:: 1 << 20] = np.arange(len(array[:: 1 << 20]))
    array[-1] = 7.0
    (snapshot,) = simulate(array)
    buffers = snapshot.to_buffers()
    assert max(memoryview(each).nbytes for each in buffers) >= array.nbytes > 1 << 31
    back = skt.Snapshot.from_buffers(buffers).resume()
    assert back.shape == array.shape
    assert np.array_equal(back, array)
    assert not np.shares_memory(back, array)
    del back, buffers, snapshot, array
    size = 2_201_171_000
    assert skt.deserialize_frame(seed(size), run=True) == size
    print("resumed")


main()
