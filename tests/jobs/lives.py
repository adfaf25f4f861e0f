"""Lives of one program on one checkpoint directory, each in a process of its own, made by fork.

Hundreds of them take seconds, since nothing is imported anew.
"""

import contextlib
import json
import os
import shutil
import signal
import tempfile
import warnings
from pathlib import Path

import numpy as np

import sauerkraut as skt
from sauerkraut.errors import CorruptCheckpoint, StorageError
from sauerkraut.storage import disk

LIMIT = 100  # seconds that a life may take


def work(log):
    """Checkpoint in the middle of nested loops, with a log; returns a number."""
    field = np.arange(9000.0)
    with open(log, "w") as out:  # noqa: PTH123 - as programs do
        for i in range(2):
            field *= 1.5
            for j in range(2):
                field += j
                out.write(f"{i} {j} {field.sum()}\n")
                if i or j:
                    skt.current().checkpoint()
    return float(field.sum())


class Lives:
    """The program in a directory of its own, in memory where there is such a file system."""

    def __init__(self):
        memory = Path("/dev/shm")
        parent = memory if os.access(memory, os.W_OK) else None
        self._made = Path(tempfile.mkdtemp(prefix="sauerkraut-", dir=parent))
        self.here = self._made / "here"
        """The path is a part of the state: the log that is open has it."""
        self.here.mkdir()
        self.checkpoints = self.here / "ckpt"
        self._run()  # imports what all others have then
        self.clear()

    def remove(self):
        """Remove all of it."""
        shutil.rmtree(self._made)

    def clear(self):
        """Make the directory empty."""
        shutil.rmtree(self.here)
        self.here.mkdir()

    def keep(self, name):
        """Keep the directory as it is now, to be `set` again."""
        shutil.copytree(self.here, self._made / name)

    def set(self, name):
        """Make the directory what was kept by that name."""
        shutil.rmtree(self.here)
        shutil.copytree(self._made / name, self.here)

    @property
    def log(self):
        """What the program wrote."""
        return (self.here / "log.txt").read_text()

    def live(self, hook=None):
        """Run the program, every call on the store announced to ``hook``.

        Returns what it came to: the value, the error as (kind, text), or the signal.
        """
        told, tell = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # threads of NumPy's
            child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                signal.alarm(LIMIT)
                os.write(tell, json.dumps(self._life(hook)).encode())
            os._exit(0)
        os.close(tell)
        with os.fdopen(told) as end:
            said = end.read()
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            return os.WTERMSIG(status)
        found = json.loads(said)
        return tuple(found) if isinstance(found, list) else found

    def _life(self, hook):
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (1, 2):
            os.dup2(nothing, stream)
        disk.hook = hook
        try:
            return self._run()
        except CorruptCheckpoint as error:
            return ("corrupt", str(error))
        except StorageError as error:
            return ("storage", str(error))
        except BaseException as error:
            return (type(error).__name__, str(error))

    def _run(self):
        ckpt = skt.Checkpointer(
            self.checkpoints, interval=None, keep=2, quiet=True, signals=False, globals="none"
        )
        return ckpt.run(work, str(self.here / "log.txt"))
