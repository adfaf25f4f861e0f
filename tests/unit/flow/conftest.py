"""Where a flow keeps its states, and programs that are edited between runs."""

import importlib.util
import os
import sys
import tempfile
from pathlib import Path

import pytest

MEMORY = "/dev/shm"  # an fsync on a busy disk takes its time, and these tests ask for hundreds


@pytest.fixture
def path():
    where = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="sauerkraut-flow-", dir=where) as directory:
        yield Path(directory) / "checkpoint.pkl"


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Import the text of a module as ``pipeline``, as if it had been edited since."""

    def imported(text):
        file = tmp_path / f"version_{len(list(tmp_path.glob('version_*')))}" / "pipeline.py"
        file.parent.mkdir()
        file.write_text(text)
        spec = importlib.util.spec_from_file_location("pipeline", file)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "pipeline", module)
        spec.loader.exec_module(module)
        return module

    return imported
