"""What load balancing gives: examples/pic.py with and without, and where its tasks were.

    python benchmarks/balance.py                       # ratios, at 2, 4 and 8 ranks
    python benchmarks/balance.py --draw docs/load.svg  # one run on 4 ranks, as a picture

Per step and rank the processor time of its tasks is summed up; the critical path is the sum over
steps of the rank that took most, so it does not depend on how many processors there are. Efficiency
is the average rank over the critical path; "at rest" leaves out the steps up to the second round.
On a shared machine processor time is noisy: "particles" is the same with their numbers instead.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np

PIC = Path(__file__).resolve().parents[1] / "examples" / "pic.py"
EVERY = "0.15s"
PARTICLES = 200_000
"""Per rank: so that a step takes long enough for a round every few of them."""
COLORS = ["#1b6ca8", "#e07b39", "#3a9d5d", "#a13d63", "#7a5cad", "#8a7f2d", "#3f8f9b", "#777777"]


def run(ranks, balance, steps, every=EVERY):
    """Seconds and particles, both by step and rank, and by task and step the rank where it was."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "history.json"
        words = [sys.executable, "-m", "sauerkraut.testing", str(ranks), sys.executable, str(PIC)]
        words += ["--steps", str(steps), "--history", str(file), "--particles"]
        words.append(str(PARTICLES * ranks))
        if balance is not None:
            words += ["--balance", balance, "--every", every]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        tasks = np.array(json.loads(file.read_text())["tasks"])
    place = tasks[:, :, 0].astype(int)
    seconds, particles = (
        np.stack([np.where(place == rank, each, 0).sum(axis=0) for rank in range(ranks)], 1)
        for each in (tasks[:, :, 1], tasks[:, :, 2])
    )
    return seconds, particles, place


def efficiency(loads):
    """The average rank over the critical path."""
    return loads.mean(axis=1).sum() / loads.max(axis=1).sum()


def settled(place):
    """The step after the second one at which tasks had moved."""
    moved = np.flatnonzero((place[:, 1:] != place[:, :-1]).any(axis=0)) + 1
    apart = moved[np.diff(moved, prepend=-10) > 2]  # moves of a round may take two steps
    return int(apart[1]) + 1 if len(apart) > 1 else place.shape[1] // 2


def measure(steps, ranks):
    """Print the table."""
    print("ranks    balance  efficiency  at rest  particles  critical path")
    for size in ranks:
        path = None
        for balance in (None, "greedy", "refine", "diffusive"):
            loads, particles, place = run(size, balance, steps)
            longest = loads.max(axis=1).sum()
            path = longest if path is None else path
            rest, known = (efficiency(each[settled(place) :]) for each in (loads, particles))
            print(
                f"{size:5} {balance or 'none':>10} {efficiency(loads):11.2f} {rest:8.2f} "
                f"{known:10.2f} {longest / path:14.2f}",
                flush=True,
            )


def draw(file, ranks, steps):
    """Draw the load of each rank over the steps, and below where each task was."""
    loads, _, place = run(ranks, "refine", steps)
    smooth = np.stack([np.convolve(line, np.ones(5) / 5, mode="valid") for line in loads.T])
    width, height, lane = 760, 200, 5
    x = np.linspace(0, width, steps)
    top = 1.05 * smooth.max()
    parts = []
    for rank, line in enumerate(smooth):
        points = " ".join(
            f"{a:.1f},{height * (1 - b / top):.1f}" for a, b in zip(x[2:], line, strict=False)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{COLORS[rank % 8]}"/>')
        parts.append(
            f'<text x="{width + 8}" y="{20 + 18 * rank}" fill="{COLORS[rank % 8]}">'
            f"rank {rank}</text>"
        )
    for task, line in enumerate(place):
        starts = [0, *(np.flatnonzero(np.diff(line)) + 1).tolist(), steps]
        for begin, end in pairwise(starts):
            left, right = width * begin / steps, width * end / steps
            parts.append(
                f'<rect x="{left:.1f}" y="{height + 30 + lane * task}" width="{right - left:.1f}" '
                f'height="{lane - 1}" fill="{COLORS[line[begin] % 8]}"/>'
            )
    bottom = height + 30 + lane * len(place)
    parts.append(f'<path d="M0,0V{height}H{width}" fill="none" stroke="#999"/>')
    parts.append(f'<text x="4" y="12">processor time per step, up to {1000 * top:.0f} ms</text>')
    parts.append(f'<text x="0" y="{height + 22}">each task, in the color of its rank</text>')
    parts.append(f'<text x="0" y="{bottom + 18}">step 0</text>')
    parts.append(f'<text x="{width}" y="{bottom + 18}" text-anchor="end">{steps}</text>')
    Path(file).write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 -10 {width + 90} {bottom + 40}" '
        f'font-family="sans-serif" font-size="13">\n'
        f'<rect x="-10" y="-10" width="{width + 90}" height="{bottom + 40}" fill="#fff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def main():
    """Measure, or draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200, help="of each run (200)")
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 4, 8], help="(2 4 8)")
    parser.add_argument("--draw", metavar="FILE", help="draw a run on 4 ranks instead")
    args = parser.parse_args()
    if args.draw:
        draw(args.draw, 4, args.steps)
    else:
        measure(args.steps, args.ranks)


main()
