"""A checkpoint directory made through the store, and a caller of the command line."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from sauerkraut import storage
from sauerkraut.cli import main
from sauerkraut.storage import About, Array, Incarnation, Ownership, Piece, Stream, Trust

RANKS = 2


@pytest.fixture
def checkpoints(tmp_path):
    """Epochs 1 to 3 of a job of two ranks whose program prints its environment."""
    directory = tmp_path / "ckpt"
    incarnation = Incarnation.of_this_job()
    ownership = Ownership.take(directory, incarnation)
    storage.roll_forward(ownership, Trust())
    parent = None
    program = "import os; print(os.getcwd(), os.environ['PYTHONHASHSEED'])"
    for number in (1, 2, 3):
        about = About(
            step=10 * number,
            of=100,
            metrics={"heat": number / 4},
            command=(sys.executable, "-c", program),
            working_directory=str(tmp_path),
        )
        attempt = storage.begin(ownership, world_size=RANKS, parent=parent, about=about)
        seals = [storage.write(attempt, piece(rank), Trust()) for rank in range(RANKS)]
        storage.publish(ownership, attempt, seals, seconds=0.25, trust=Trust())
        parent = attempt.id
    ownership.release()
    return directory


@pytest.fixture
def commit(checkpoints):
    """Commit an epoch of one rank, or of more, whose command is `true`, with more about it."""

    def commit(ranks=1, **more):
        ownership = Ownership.take(checkpoints, Incarnation.of_this_job())
        about = About(command=("true",), more=more)
        attempt = storage.begin(ownership, world_size=ranks, parent=None, about=about)
        seals = [storage.write(attempt, Piece(rank, ()), Trust()) for rank in range(ranks)]
        epoch = storage.publish(ownership, attempt, seals, seconds=0.1, trust=Trust())
        ownership.release()
        return epoch.path

    return commit


def piece(rank):
    field = np.arange(12.0).reshape(3, 4) + rank
    array = Array("arrays/0", field, field.dtype.str, field.shape, "simulate:u")
    return Piece(rank, (Stream("control", b"c" * 100), Stream("objects", b"o" * 100)), (array,))


@pytest.fixture
def sauerkraut(capsys):
    """Call the command line: status, out, err, and json when there was any."""

    def call(*words):
        try:
            status = main([str(word) for word in words])
        except SystemExit as end:  # argparse
            status = end.code
        out, err = capsys.readouterr()
        document = json.loads(out) if "--json" in words and out else None
        return SimpleNamespace(status=status, out=out, err=err, json=document)

    return call


@pytest.fixture
def damage(checkpoints):
    """Flip one byte in the middle of a shard of the newest epoch."""

    def flip(epoch=3):
        path = checkpoints / f"epoch-{epoch:08}" / "shard-00001.h5"
        data = bytearray(path.read_bytes())
        data[-10] ^= 1
        path.write_bytes(data)

    return flip
