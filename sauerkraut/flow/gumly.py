"""Reads what Gumly's ``LocalStateHandler`` wrote: a state, as one pickle by dill."""

from __future__ import annotations

import io
from pathlib import Path

from sauerkraut.errors import CorruptCheckpoint, ResumeError
from sauerkraut.flow.stores import State
from sauerkraut.objects import inert
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
    content = _content(path)
    import dill

    try:
        state = dill.load(content)
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


def look(path: Path) -> State:
    """Read the plain values of a state, and of all else that there is something. Runs nothing.

    Raises:
        CorruptCheckpoint: it is no such file, damaged, or cannot be read without running it.
        StorageError: it cannot be read.
    """
    try:
        state = inert.Reader(_content(path)).load()
    except MemoryError:
        raise
    except Exception as error:  # unpickling wrong bytes raises anything
        raise CorruptCheckpoint(
            f"{path}: what Gumly stored cannot be shown without running it: {error!r}"
        ) from error
    if not isinstance(state, dict):
        raise CorruptCheckpoint(f"{path} holds a {type(state).__name__}, no state")
    return state


def _content(path: Path) -> io.BytesIO:
    with File.open(path) as file:
        content = bytearray(file.status().st_size)
        return io.BytesIO(content[: file.read(0, content)])
