"""Pipelines whose steps tell that they ran."""

import pickle
from pathlib import Path

import pytest

from sauerkraut.flow import CheckpointFlow


class BrokenError(Exception):
    """What a step raises to fail."""


class Pipeline:
    """A flow of named steps; each adds its name to `ran` and to the state."""

    def __init__(self, path, names, broken=(), **options):
        self.flow = CheckpointFlow(path, **{"quiet": True, **options})
        self.ran = []
        for name in names:
            self.add(name, fails=name in broken)

    def add(self, name, *, fails=False, load=None, save=None):
        def step(state, data):
            self.ran.append(name)
            if fails:
                raise BrokenError(name)
            state[name] = len(state)

        step.__name__ = name
        self.flow.add_step(load, save)(step)

    def run(self, *args, **kwargs):
        self.ran.clear()
        return self.flow.run(*args, **kwargs)

    def breaks(self, *args, **kwargs):
        with pytest.raises(BrokenError):
            self.run(*args, **kwargs)


class PickleFile:
    """A handler as a user writes one."""

    def __init__(self, path):
        self.path = Path(path)

    def write(self, state):
        self.path.write_bytes(pickle.dumps(state))

    def read(self):
        return pickle.loads(self.path.read_bytes()) if self.path.exists() else {}


HANDLERS = {"local": "local", "hdf5": "hdf5", "of the user": PickleFile}
