"""How much longer a checkpoint takes than writing the same bytes, and a restart than reading them.

Each line is the median of ratios, both sides measured in turn in the same run, so that a busy
machine slows both. The last lines are `checkpoint()` of a program on several ranks, from the call
to its return, beside the raw writes of all of them at the same time.

    python benchmarks/store.py [--mib 256] [--pairs 7] [--ranks 4 ...] [DIRECTORY ...]
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from sauerkraut import _native, storage
from sauerkraut.storage import hashes
from sauerkraut.testing import find_launcher

TRUST = storage.Trust()
PIECE = 8 << 20


def raw_write(path, data):
    """Write and fsync, and nothing else."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    view = memoryview(data).cast("B")
    for start in range(0, len(view), PIECE):
        os.pwrite(descriptor, view[start : start + PIECE], start)
    os.fsync(descriptor)
    os.close(descriptor)


def raw_read(path, size):
    """Read into newly allocated memory and hash it there."""
    descriptor = os.open(path, os.O_RDONLY)
    data = np.empty(size, "u1")
    view = memoryview(data)
    for start in range(0, size, PIECE):
        os.preadv(descriptor, [view[start : start + PIECE]], start)
    os.close(descriptor)
    return _native.hash(data, hashes.BLOCK)


class Epochs:
    """Epochs of one rank with one large array."""

    def __init__(self, directory, data):
        self.ownership = storage.Ownership.take(
            directory, storage.Incarnation.of_this_job(), wait=0
        )
        array = storage.Array("arrays/0", data, "<f8", data.shape, "main:u")
        self.piece = storage.Piece(0, (storage.Stream("control", b"x" * 1000),), (array,))
        self.newest = None

    def checkpoint(self):
        """Stage, seal and commit."""
        parent = None if self.newest is None else self.newest.attempt
        attempt = storage.begin(
            self.ownership, world_size=1, parent=parent, about=storage.About(step=1)
        )
        seals = [storage.write(attempt, self.piece, TRUST)]
        self.newest = storage.publish(self.ownership, attempt, seals, seconds=0, trust=TRUST)

    def prune(self):
        """Remove all but the newest."""
        storage.sweep(storage.prune(self.ownership, 1))

    def restart(self):
        """Read and check everything."""
        manifest = storage.catalog.read_manifest(self.newest.path, TRUST)
        seal = manifest.seals[0]
        with storage.Shard.open(self.newest.path / seal.file, TRUST, seal=seal) as shard:
            return shard.piece()


def seconds(function, *arguments):
    """Wall time of one call."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def paired(pairs, ours, baseline, after=lambda: None):
    """Ratios of two functions, in alternating order, the first pair left out; and their times."""
    times = []
    for number in range(pairs + 1):
        if number % 2:
            mine, theirs = seconds(ours), seconds(baseline)
        else:
            theirs, mine = seconds(baseline), seconds(ours)
        after()
        times.append((mine, theirs))
    return times[1:]


def show(what, times):
    """Print the median ratio with its range."""
    ratios = sorted(mine / theirs for mine, theirs in times)
    mine, theirs = (statistics.median(side) for side in zip(*times, strict=True))
    print(
        f"  {what:34} {statistics.median(ratios):6.2f}   "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f}; {mine * 1e3:.1f} ms against {theirs * 1e3:.1f} ms)"
    )


def measure(directory, data, pairs):
    """Compare checkpoint and restart of ``data`` with raw writing and reading."""
    raw = directory / "raw"
    epochs = Epochs(directory / "ckpt", data)

    def clean():
        epochs.prune()
        raw.unlink()

    show(
        "epoch / write + fsync",
        paired(pairs, epochs.checkpoint, lambda: raw_write(raw, data), clean),
    )
    raw_write(raw, data)
    epochs.checkpoint()
    show(
        "restart / read + hash, new memory",
        paired(pairs, epochs.restart, lambda: raw_read(raw, data.nbytes)),
    )
    epochs.ownership.release()


def measure_ranks(directory, ranks, mib, pairs):
    """Compare `checkpoint()` on ``ranks`` ranks with raw writing by all of them."""
    launcher = find_launcher()
    program = Path(__file__).parent / "programs" / "checkpointing.py"
    subprocess.run(
        [*launcher.command(ranks), sys.executable, program, directory, str(mib), str(pairs)],
        env={**os.environ, **launcher.environment},
        stdin=subprocess.DEVNULL,
        check=True,
    )


def main():
    """Measure in memory and on disk."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directories", nargs="*", type=Path, default=[Path("/dev/shm"), Path.cwd()])
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--ranks", type=int, nargs="+", default=[4])
    options = parser.parse_args()
    large = np.random.default_rng(1).random(options.mib << 17)
    small = np.zeros(100)
    for place in options.directories:
        for data, size in ((large, f"{options.mib} MiB"), (small, "800 bytes")):
            directory = Path(tempfile.mkdtemp(prefix="sauerkraut-", dir=place))
            try:
                print(f"{size} per rank in {place}: median ratio of {options.pairs} pairs")
                measure(directory, data, options.pairs)
            finally:
                shutil.rmtree(directory)
        for ranks in options.ranks:
            with tempfile.TemporaryDirectory(prefix="sauerkraut-", dir=place) as directory:
                print(f"{options.mib} MiB in {place}, of {ranks} ranks together", flush=True)
                measure_ranks(directory, ranks, options.mib / ranks, options.pairs)


if __name__ == "__main__":
    main()
