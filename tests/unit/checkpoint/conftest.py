"""Starts of one program on one directory."""

import pytest

import sauerkraut as skt
from tests.unit.checkpoint.crashing import notes


@pytest.fixture(autouse=True)
def no_notes():
    notes.clear()


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "ckpt"


@pytest.fixture
def make(directory):
    """Make a Checkpointer on the one directory, as the next start of the program would."""

    def make(**options):
        return skt.Checkpointer(directory, **{"interval": None, "quiet": True, **options})

    return make
