"""Epochs whose ranks stored blocks of arrays."""

from itertools import product

import numpy as np

from sauerkraut import storage
from sauerkraut.storage import dtypes

U = np.random.default_rng(17).random((23, 7, 5))
ROWS = [slice(0, 9), slice(9, 9), slice(9, 22), slice(22, 23)]  # uneven, and one empty
GRID = list(product((slice(0, 10), slice(10, 23)), (slice(0, 3), slice(3, 7)), (slice(0, 5),)))


def blocks_of(values, wheres, name="fields/u"):
    """What each rank stores of an array: its block, wherever that is."""
    for where in wheres:
        where = where if isinstance(where, tuple) else (where,)
        where += (slice(None),) * (values.ndim - len(where))
        block = np.ascontiguousarray(values[where])
        start = tuple(each.indices(n)[0] for each, n in zip(where, values.shape, strict=True))
        place = storage.Place(name, start, values.shape)
        raw = block.reshape(-1).view("u1")
        text = dtypes.text(values.dtype)
        dataset = f"providers/{name.replace('/', '/blocks/')}"
        yield storage.Array(dataset, raw, text, block.shape, name, place)


def store(job, directory, *arrays, trust=None, **about):
    """Commit an epoch; ``arrays`` are generators of each rank's block."""
    ranks = list(zip(*arrays, strict=True))
    running = job(
        directory, world_size=len(ranks), foreign=True, keep=9, trust=trust or storage.Trust()
    )
    running.start()
    about = storage.About(step=running.step + 1, **about)
    parent = None if running.newest is None else running.newest.attempt
    attempt = storage.begin(running.ownership, world_size=len(ranks), parent=parent, about=about)
    seals = [
        storage.write(attempt, storage.Piece(rank, (), held), running.trust)
        for rank, held in enumerate(ranks)
    ]
    epoch = storage.publish(running.ownership, attempt, seals, seconds=0.5, trust=running.trust)
    running.leave()
    return epoch
