"""Resumes snapshots in a process that never made them: reads paths, writes what each returns."""

import os
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import scenarios
from scenarios import pausing

from sauerkraut import Snapshot


def resume(path):
    """In a child of its own, so that a crash is the result of one snapshot only."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        name = Path(path).stem.rpartition("-")[0]
        pausing.begin(scenarios.scenarios[name], 0)
        try:
            text = repr(Snapshot.from_bytes(Path(path).read_bytes()).resume())
        except BaseException:
            text = traceback.format_exc()
        os.write(writer, text.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    return text if status == 0 else f"died: {os.waitstatus_to_exitcode(status)}"


for line in sys.stdin:
    print(repr(resume(line.strip())), flush=True)
