"""What was restored once is captured and restored again like the first time."""

import numpy as np
import pytest

from sauerkraut.objects import graph


@pytest.mark.parametrize("size", [0, 3, 100, 100_000])
def test_arrays_stay_writable_and_aliased(size):
    array = np.arange(float(size))
    pair = [array, array[::2]]

    for _ in range(3):
        pair = graph.thaw(graph.freeze(pair))
        pair[0] += 1

    assert np.array_equal(pair[0], np.arange(float(size)) + 3)
    assert np.array_equal(pair[1], pair[0][::2])
