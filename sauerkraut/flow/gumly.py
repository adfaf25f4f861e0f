"""Reads what Gumly's ``LocalStateHandler`` wrote: a state, as one pickle by dill."""

from __future__ import annotations

import io
from pathlib import Path

from sauerkraut.errors import CorruptCheckpoint, ResumeError
from sauerkraut.flow.stores import State
from sauerkraut.storage.disk import File

BEGINS = b"\x80"
"""How every such file begins."""


def read(path: Path) -> State:
    """Read a state. Runs code that it names: check who may write the file first.

    Raises:
        ResumeError: it needs something that is not here.
        CorruptCheckpoint: it is no such file, or damaged.
        StorageError: it cannot be read.
    """
    with File.open(path) as file:
        content = bytearray(file.status().st_size)
        content = content[: file.read(0, content)]
    import dill

    try:
        state = dill.load(io.BytesIO(content))
    except MemoryError:
        raise
    except (ImportError, AttributeError) as error:
        raise ResumeError(
            f"{path}: what Gumly stored needs something that is not here: {error}; make it "
            "available again, or move the file away to start over"
        ) from error
    except Exception as error:  # unpickling wrong bytes raises anything
        raise CorruptCheckpoint(
            f"{path} cannot be read as a checkpoint of Gumly's: {error!r}; move the file away to "
            "start over"
        ) from error
    if not isinstance(state, dict):
        raise CorruptCheckpoint(f"{path} holds a {type(state).__name__}, no state")
    return state
