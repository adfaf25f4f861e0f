"""Freeze in this process, thaw in a fresh interpreter."""

import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

from sauerkraut.objects import graph

_THAW = """
import pickle, sys
sys.path[:0] = {path!r}
from sauerkraut.objects import graph
stream, blocks = pickle.load(open({file!r}, "rb"))
values = graph.thaw((stream, blocks))
result = None
{body}
pickle.dump(result, open({out!r}, "wb"))
"""


def elsewhere(values, body, *, path=(), arrays="copy", threshold=1024):
    """What ``body`` leaves in ``result``, run on thawed ``values`` in a fresh interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        file, out = f"{folder}/in", f"{folder}/out"
        with graph.freeze(values, arrays=arrays, threshold=threshold) as frozen:
            blocks = [bytes(block.memory) for block in frozen.blocks]
            Path(file).write_bytes(pickle.dumps((frozen.stream, blocks)))
        paths = [str(Path(__file__).parent), *map(str, path)]
        script = _THAW.format(path=paths, file=file, out=out, body=body)
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", script],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
        assert done.returncode == 0, done.stderr
        return pickle.loads(Path(out).read_bytes())


def round_trip(*values, threshold=1024, **options):
    """``values`` frozen and thawed in this process."""
    return graph.thaw(graph.freeze(list(values), threshold=threshold, **options))
