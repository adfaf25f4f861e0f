"""Freeze in this process, thaw in a fresh interpreter."""

import os
import pickle
import tempfile
from pathlib import Path

from sauerkraut.objects import graph
from tests.processes import run_python

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
        run_python("-W", "error", "-c", script, env={**os.environ, "PYTHONHASHSEED": "0"})
        return pickle.loads(Path(out).read_bytes())


def round_trip(*values, threshold=1024, **options):
    """``values`` frozen and thawed in this process."""
    return graph.thaw(graph.freeze(list(values), threshold=threshold, **options))
