"""Kill a simulation at a random moment, start it again, and compare every byte: `make demo`.

Runs heat2d.py on 4 ranks, kills it by SIGKILL after a checkpoint, types the same command again,
runs it once more undisturbed in another directory, and compares the final field and the log.
Pictures of the field at the kill and at the end go to demo-output/.
"""

import argparse
import os
import random
import shutil
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import h5py
import numpy as np

from sauerkraut.testing import Job, events, find_launcher

HERE = Path(__file__).resolve().parent
RANKS = 4
WHAT = {"rank": "one rank", "all": "all ranks", "mpiexec": "mpiexec"}
COLOURS = np.array(
    [(4, 4, 22), (61, 15, 108), (146, 38, 103), (221, 81, 58), (252, 165, 10), (252, 255, 164)]
)


def say(text):
    print(text, flush=True)


def sauerkraut(*words):
    """Show what a verb of the command line says."""
    say("$ sauerkraut " + " ".join(map(str, words)))
    subprocess.run([sys.executable, "-m", "sauerkraut", *words], check=True, timeout=60)


class Simulation:
    """One directory in which heat2d.py runs, again and again with the same command."""

    def __init__(self, directory, launcher, size, steps, interval):
        self.directory, self.launcher, self.steps = directory, launcher, steps
        self.checkpoints, self.log, self.out = (
            directory / name for name in ("ckpt", "heat2d.log", "heat2d.npy")
        )
        options = f"--size {size} --steps {steps} --dir ckpt --interval {interval}".split()
        self.command = [sys.executable, str(HERE / "heat2d.py"), *options]
        self.next_line = 0  # where progress is told next, without a terminal
        directory.mkdir(parents=True)

    def start(self):
        words = [*self.launcher.command(RANKS), *self.command]
        say("$ cd " + str(self.directory) + " && " + " ".join(words))
        return Job(
            self.launcher,
            RANKS,
            self.command,
            cwd=self.directory,
            output=self.directory / "output.txt",
            environment={"PYTHONHASHSEED": "0", "SAUERKRAUT_SIGNAL_LATENCY": "0.5"},
        )

    def step(self):
        """The last step in the log file."""
        words = self.log.read_text().split() if self.log.exists() else []
        return int(words[words.index("step", len(words) - 6) + 1]) if len(words) >= 6 else 0

    def commits(self):
        return [event for event in events(self.checkpoints) if event["event"] == "commit"]

    def watch(self, job, until=float("inf")):
        """Draw a progress line while `job` runs, to the moment `until` at most."""
        while job.status is None and time.monotonic() < until:
            step, commits = self.step(), self.commits()
            bar = "#" * (30 * step // self.steps)
            line = f"  [{bar:30}] step {step:5} of {self.steps}, {len(commits)} checkpoints"
            if sys.stdout.isatty():
                print(f"\r{line}", end="", flush=True)
            elif step >= self.next_line:
                self.next_line = step + self.steps // 10
                say(line)
            time.sleep(0.05)
        if sys.stdout.isatty() and job.status is not None:
            print()

    def finish(self):
        """Run to the end, from wherever the checkpoints say."""
        with self.start() as job:
            self.watch(job)
            job.wait(60)
        if not (self.checkpoints / "COMPLETE").exists() or not self.out.exists():
            raise SystemExit(f"{job.said()}\nFAIL: {self.directory} did not finish")

    def saved_field(self):
        """The field in the newest epoch, read by plain h5py from the ranks' own arrays."""
        newest = max(self.checkpoints.glob("epoch-????????"))
        with h5py.File(newest / "manifest.h5") as manifest:
            blocks = [plate_of(manifest[f"ranks/{rank:05}/arrays"]) for rank in range(RANKS)]
        return np.block([blocks[:2], blocks[2:]])


def plate_of(arrays):
    """The one array that `simulate` calls u, without its halo."""
    for array in arrays.values():
        if str(array.attrs["path"]).endswith(("'u'", ":u")):
            return array[1:-1, 1:-1]
    raise LookupError("no array named u: " + ", ".join(a.attrs["path"] for a in arrays.values()))


def draw(field, path):
    """Write `field` as a PNG picture."""
    level = np.sqrt(np.clip(field / 0.9, 0, 1)) * (len(COLOURS) - 1)
    low = np.minimum(level.astype(int), len(COLOURS) - 2)
    pixels = COLOURS[low] + (level - low)[..., None] * (COLOURS[low + 1] - COLOURS[low])
    height, width, _ = pixels.shape
    lines = b"".join(b"\0" + line.tobytes() for line in pixels.astype(np.uint8))

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    say(f"  picture: {path}")


def killed_run(simulation, chance):
    """Start `simulation` and kill it at a random moment after a commit; False: it was too fast."""
    step = chance.randrange(simulation.steps // 5, simulation.steps * 3 // 4)
    with simulation.start() as job:
        while job.status is None and not (simulation.commits() and simulation.step() >= step):
            simulation.watch(job, until=time.monotonic() + 0.2)
        simulation.watch(job, until=time.monotonic() + chance.uniform(0, 1))
        victim = chance.choice(list(WHAT))
        running = job.kill(victim, chance)
        if not running and not (simulation.checkpoints / "COMPLETE").exists():
            raise SystemExit(f"{job.said()}\nFAIL: it ended by itself, but did not finish")
        if not running or simulation.step() == simulation.steps:  # its function had returned
            return False
        say(f"\nkill -9: {WHAT[victim]}, at step {simulation.step()} or a little later")
        return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=512, help="cells along one side (512)")
    parser.add_argument("--steps", type=int, default=4000, help="time steps (4000)")
    parser.add_argument("--out", type=Path, default=Path("demo-output"), help="(demo-output)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the kill")
    args = parser.parse_args()
    out, chance = args.out.resolve(), random.Random(args.seed)
    shutil.rmtree(out, ignore_errors=True)
    launcher = find_launcher()

    say(f"\n1. Run, and kill (seed {args.seed})")
    steps = args.steps
    killed = Simulation(out / "killed", launcher, args.size, steps, "1s")
    while not killed_run(killed, chance):
        steps *= 2
        say(f"  it finished before it could be killed; again, with {steps} steps")
        shutil.rmtree(out)
        killed = Simulation(out / "killed", launcher, args.size, steps, "1s")
    draw(killed.saved_field(), out / "at-the-kill.png")
    sauerkraut("inspect", "--rank", "0", killed.checkpoints)

    say("\n2. The same command again: it resumes inside its loops")
    killed.finish()
    restarts = [event for event in events(killed.checkpoints) if event["event"] == "restart"]
    for event in restarts:
        say(f"  resumed from epoch {event['epoch']} at step {event.get('step')}")
    draw(np.load(killed.out), out / "at-the-end.png")

    say("\n3. The undisturbed reference, without a checkpoint on the way")
    reference = Simulation(out / "reference", launcher, args.size, steps, "10min")
    reference.finish()

    say("\n4. Compare")
    same = bool(restarts)
    for name in ("out", "log"):
        ours, theirs = (getattr(each, name).read_bytes() for each in (killed, reference))
        same = same and ours == theirs
        verdict = "identical" if ours == theirs else "DIFFERENT"
        say(f"  {getattr(killed, name).name}: {len(ours):,} bytes, {verdict}")
    say("\nPASS: killed, resumed, and not a byte is different" if same else "\nFAIL")
    return os.EX_OK if same else 1


if __name__ == "__main__":
    sys.exit(main())
