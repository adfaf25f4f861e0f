"""What do ranks pay: calls and bytes counted on 2 to 64 ranks, times on 1 and 2.

    python benchmarks/mpi.py [--quick] [--only counts|times] [--ranks 2 4 8 16 32 64]

Counts are of real jobs under the `mpiexec` that works here, by a library that is preloaded
(`programs/mpi_calls.c`): calls that send, receive or are collective, and the bytes that their
arguments name, in and out, of the rank that has most. Of the machine they depend on the lengths of
names only. The law is the first of a, a + b log2 P, a + b P, a + b P + c P^2 from which no count is
more than 0.5 % away.

Times are medians; ratios are of one run, both sides in turn, so that a busy machine slows both:

    poll      nothing due, beside an empty method with the same arguments, and an Allreduce of one
              number beside a poll, all in loops of their own
    signal    from SIGUSR2 on the last rank to the return of the poll that committed the epoch,
              beside the latency that was asked for (`--latency`, SAUERKRAUT_SIGNAL_LATENCY)
    death     from kill -9 of one rank to the first step after the restart on all ranks, beside
              the time that the same program, without a Checkpointer, takes to its first step
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import mpi4py
import numpy as np

from sauerkraut.testing import Job, events, find_launcher

PROGRAMS = Path(__file__).resolve().parent / "programs"
LIMIT = 600  # seconds that a job may take
EXACT = 0.005  # relative deviation up to which a law describes counts
LAWS = (
    ("{:.0f}", [np.ones_like]),
    ("{:.0f} + {:.3g} log2 P", [np.ones_like, np.log2]),
    ("{:.0f} + {:.3g} P", [np.ones_like, np.positive]),
    ("{:.0f} + {:.3g} P + {:.3g} P^2", [np.ones_like, np.positive, np.square]),
)
POLLS = 64
CONSENSUS = "poll, at a consensus"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few ranks, few repetitions")
    parser.add_argument("--only", choices=("counts", "times"))
    parser.add_argument("--ranks", type=int, nargs="+", help="of the counts")
    parser.add_argument("--latency", type=float, help="seconds, of the signals (5)")
    parser.add_argument("--mib", type=int, default=16, help="array of each rank in the times (16)")
    chosen = parser.parse_args()
    launcher = find_launcher()
    if chosen.only != "times":
        count(launcher, chosen.ranks or ([2, 4, 8] if chosen.quick else [2, 4, 8, 16, 32, 64]))
    if chosen.only != "counts":
        latency = chosen.latency or (0.2 if chosen.quick else 5.0)
        print(f"times with {launcher.name}, medians; {chosen.mib} MiB of state per rank")
        for ranks in (1, 2):
            time_poll(launcher, ranks, *((2_000, 1) if chosen.quick else (200_000, 9)))
        for ranks in (1, 2):
            time_signal(launcher, ranks, 2 if chosen.quick else 9, latency, chosen.mib)
        for ranks in (1, 2):
            time_death(launcher, ranks, 1 if chosen.quick else 7, chosen.mib)


# --- counts


def count(launcher, numbers):
    """Print calls and bytes of each operation, and how they grow with the ranks."""
    with tempfile.TemporaryDirectory() as scratch:
        library = Path(scratch) / "mpi_calls.so"
        compiler = ["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", library]
        compiler += ["-DLARGE_COUNTS"] if mpi_version() >= (4, 0) else []
        subprocess.run([*compiler, PROGRAMS / "mpi_calls.c", "-ldl"], check=True, timeout=LIMIT)
        found = [count_on(launcher, ranks, Path(scratch), library) for ranks in numbers]
    print(f"counted with {launcher.name}, per rank")
    print(row("ranks", numbers), "law", sep="   ")
    print(row(f"of {POLLS} polls, those without a call", [idle for _, idle in found]))
    for what in found[0][0]:
        sums = [total(operations[what]) for operations, _ in found]
        for unit, values in zip(("calls", "bytes"), zip(*sums, strict=True), strict=True):
            if any(values):
                print(row(f"{what:<36}{unit}", values), law(numbers, values), sep="   ")
    for what, parts in found[-1][0].items():
        print(f"{what}: " + ", ".join(f"{calls} {name}" for name, (calls, _) in parts.items()))


def mpi_version():
    """Of the standard, of the library that the ranks use; MPI is not initialized for it."""
    mpi4py.rc.initialize = False
    from mpi4py import MPI

    return MPI.Get_version()


def row(label, values):
    return label.ljust(42) + "".join(f"{value:>9}" for value in values)


def count_on(launcher, ranks, scratch, library):
    """What was counted on the rank that has most, and the polls that called nothing.

    The first is operation -> call of MPI -> its number and its bytes.
    """
    directory = scratch / str(ranks)
    directory.mkdir()
    environment = {"LD_PRELOAD": str(library), "MPI_CALLS": str(directory / "calls")}
    run(launcher, ranks, directory, "counted.py", POLLS, **environment)
    found = sorted(directory.glob("calls.*"))
    assert len(found) == ranks, f"{len(found)} of {ranks} ranks have counted"
    operations, idle = {}, 0
    for line in "".join(path.read_text() for path in found).splitlines():
        what, *words = line.split("\t")
        parts = {}
        for name, calls, size in map(str.split, words):
            parts[name.removesuffix("_c")] = int(calls), int(size)  # _c: with large counts
        if what == "poll":
            idle += not parts
            what = CONSENSUS
        if total(parts) >= total(operations.get(what, {})):
            operations[what] = parts
    return operations, idle // ranks


def total(parts):
    """Calls and bytes."""
    return tuple(map(sum, zip(*parts.values(), strict=True))) or (0, 0)


def law(numbers, values):
    """The simplest of `LAWS` for how `values` grow with the number of ranks, as text."""
    ranks, wanted = np.array(numbers, float), np.maximum(values, 1)
    for text, terms in LAWS:
        if len(terms) < len(values) or len(terms) == 1:
            relative = np.column_stack([term(ranks) / wanted for term in terms])
            factors = np.linalg.lstsq(relative, values / wanted)[0]
            if np.all(abs(relative @ factors - values / wanted) <= EXACT):
                return text.format(*np.round(factors, 6) + 0.0)
    return "none of these" if len(values) > 2 else "grows"


# --- times


def time_poll(launcher, ranks, calls, rounds):
    """Print what a poll costs with nothing due."""
    with tempfile.TemporaryDirectory() as scratch:
        said = run(launcher, ranks, Path(scratch), "polled.py", calls, rounds)
    lines = [tuple(map(float, line.split())) for line in said.splitlines()]
    empty, poll, allreduce = (statistics.median(column) for column in zip(*lines, strict=True))
    beside = statistics.median(b / a for a, b, _ in lines)
    dearer = statistics.median(c / b for _, b, c in lines)
    print(
        f"poll, {ranks} ranks: {beside:.2f} empty methods; an Allreduce is {dearer:.1f} polls "
        f"({empty:.0f}, {poll:.0f}, {allreduce:.0f} ns; {rounds} rounds)"
    )


def time_signal(launcher, ranks, signals, latency, mib):
    """Print how long a signal takes to become an epoch."""
    environment = {"SAUERKRAUT_SIGNAL_LATENCY": str(latency)}
    with tempfile.TemporaryDirectory() as scratch:
        said = run(
            launcher, ranks, Path(scratch), "signalled.py", signals, 0.005, mib, **environment
        )
    lines = [tuple(map(float, line.split())) for line in said.splitlines()]
    waits, epochs = zip(*lines, strict=True)
    print(
        f"signal to epoch, {ranks} ranks: {statistics.median(waits) / latency:.2f} of the latency "
        f"of {latency:g} s, {max(waits) / latency:.2f} at most ({statistics.median(waits):.2f} s, "
        f"of which the epoch took {statistics.median(epochs):.2f}; {signals} signals)"
    )


def time_death(launcher, ranks, rounds, mib):
    """Print how long it takes from a death to the first step after it."""
    chance, rows = random.Random(0), []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as scratch:
            rows.append(die(launcher, ranks, Path(scratch), mib, chance))
    plain, fresh, ended, whole = map(statistics.median, zip(*rows, strict=True))
    beside = statistics.median(row[-1] / row[0] for row in rows)
    print(
        f"death to first step, {ranks} ranks: {beside:.2f} plain starts ({whole:.2f} s, of which "
        f"mpiexec took {ended:.2f} to end; a plain start {plain:.2f}, a fresh one with a "
        f"Checkpointer {fresh:.2f}; {rounds} rounds)"
    )


def die(launcher, ranks, directory, mib, chance):
    """Seconds: of a plain start, of a fresh one, to the end of mpiexec, to the first step."""
    began = time.monotonic()
    with start(launcher, ranks, directory, "plain", mib) as job:
        plain = first_step(job, directory) - began
    began = time.monotonic()
    with start(launcher, ranks, directory, "saved", mib) as job:
        fresh = first_step(job, directory) - began
        wait_until(job, lambda: "commit" in happened(directory))
        killed = time.monotonic()
        job.kill("rank", chance)
        job.wait(LIMIT)
        ended = time.monotonic() - killed
        with start(launcher, ranks, directory, "saved", mib) as again:
            whole = first_step(again, directory) - killed
    assert "restart" in happened(directory)
    return plain, fresh, ended, whole


def start(launcher, ranks, directory, how, mib):
    """Start `stepping.py`; it takes longer than anybody waits for it."""
    program = [sys.executable, str(PROGRAMS / "stepping.py"), how, "100000", str(mib)]
    return Job(launcher, ranks, program, cwd=directory, output=directory / "output")


def first_step(job, directory):
    """The time at which the last rank had done its first step."""
    said = []

    def stepped():
        said[:] = [directory / f"stepped-{pid}" for pid in job.rank_pids()]
        return len(said) == job.ranks and all(path.exists() for path in said)

    wait_until(job, stepped)
    return max(float(path.read_text()) for path in said)


def happened(directory):
    return {event["event"] for event in events(directory / "ckpt")}


def wait_until(job, condition):
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert job.status is None, job.said()
        assert time.monotonic() < deadline, job.said()
        time.sleep(0.005)


def run(launcher, ranks, directory, program, *words, **environment):
    """What a program of `programs/` prints on so many ranks."""
    done = subprocess.run(
        [*launcher.command(ranks), sys.executable, PROGRAMS / program, *map(str, words)],
        cwd=directory,
        env={**os.environ, **launcher.environment, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, f"{program} on {ranks} ranks:\n{done.stdout}{done.stderr}"
    return done.stdout


if __name__ == "__main__":
    main()
