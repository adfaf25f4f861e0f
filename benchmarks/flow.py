"""What a step of a pipeline costs beside its own work, against what Gumly does: a bare dill.dump.

Each line is the median of ratios, both sides measured in turn in the same run, so that a busy
machine slows both:

    python benchmarks/flow.py [--steps 10 100] [--pairs 7] [--mib 1024] [DIRECTORY]
"""

import argparse
import functools
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import dill
import numpy as np

from sauerkraut.flow import CheckpointFlow


def small():
    return {
        "name": "run 7",
        "rate": 0.5,
        "rows": list(range(50)),
        "settings": {"a": 1, "b": (2, 3)},
    }


def nothing(state, data):
    pass


def change(state, _data):
    state["field"] += 1


def flow_of(path, steps, handler="local", step=nothing):
    flow = CheckpointFlow(path, handler, quiet=True)
    for index in range(steps):
        flow.add_step(name=f"step {index}")(step)
    return flow


def seconds_of(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def dumped(path, state, *, sync):
    with path.open("wb") as file:  # as Gumly's LocalStateHandler.write does
        dill.dump(state, file)
        if sync:
            file.flush()
            os.fsync(file.fileno())


def compare(label, ours, theirs, pairs, scale):
    ratios, costs = [], []
    for _ in range(pairs):
        mine, other = seconds_of(ours), seconds_of(theirs)
        ratios.append(mine / other)
        costs.append((mine * scale, other * scale))
    mine, other = (statistics.median(each) for each in zip(*costs, strict=True))
    print(f"{label:<72}{mine:10.2f} ms{other:10.2f} ms   {statistics.median(ratios):6.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--mib", type=int, default=1024, help="size of the large state")
    parser.add_argument("directory", nargs="?", type=Path, help="where to write")
    chosen = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="sauerkraut-flow-", dir=chosen.directory))
    print(f"{'one step':<72}{'flow':>13}{'dill':>13}    ratio")
    try:
        measure(directory, chosen)
    finally:
        shutil.rmtree(directory)


def measure(directory, chosen):
    state = small()

    def run(steps):
        (directory / "ours").unlink(missing_ok=True)
        flow_of(directory / "ours", steps).run(small())

    def dumps(steps, *, sync):
        for _ in range(steps):
            dumped(directory / "theirs", state, sync=sync)

    for steps in chosen.steps:
        for sync, label in ((True, "dill.dump and fsync"), (False, "dill.dump")):
            compare(
                f"a small state, {steps} steps, against {label}",
                functools.partial(run, steps),
                functools.partial(dumps, steps, sync=sync),
                chosen.pairs,
                1e3 / steps,
            )

    large = {"field": np.random.default_rng(0).random((chosen.mib, 1 << 17))}

    def keep(handler, step):
        # two commits: what the step begins with, and what it leaves
        path = directory / handler
        path.unlink() if path.is_file() else shutil.rmtree(path, ignore_errors=True)
        flow_of(path, 1, handler, step).run(large)

    def dump_twice(step):
        for name in ("one", "two"):
            (directory / name).unlink(missing_ok=True)
            dumped(directory / name, large, sync=True)
            step(large, {})

    pairs = max(chosen.pairs // 2, 1)
    for handler in ("local", "hdf5"):
        for step, what in ((change, "that the step changes"), (nothing, "that it leaves alone")):
            label = f"{chosen.mib} MiB of arrays {what}, {handler}, against dill and fsync"
            ours = functools.partial(keep, handler, step)
            compare(label, ours, functools.partial(dump_twice, step), pairs, 1e3 / 2)
            keep_nothing(directory)


def keep_nothing(directory):
    for each in directory.iterdir():
        each.unlink() if each.is_file() else shutil.rmtree(each)


if __name__ == "__main__":
    main()
