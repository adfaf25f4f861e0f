"""Resumes snapshots whose control state was changed with care: nothing may crash.

The hashes of the container are out of the way, so that the second and third ring of
verification are what is tested. Run as a program it prints how far the changed ones came:

    python tests/unit/frames/fuzz.py 20000
    python tests/unit/frames/fuzz.py 2000 --here     # in this process: coverage counts at its end
"""

import argparse
import collections
import contextlib
import os
import pickle
import random
import resource
import signal
import struct
import sys
import traceback
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import control_buffer as cb
import scenarios
from scenarios import pausing

from sauerkraut import ResumeError, Snapshot

BATCH = 100


def corpus():
    """A snapshot of each scenario at its first, a middle and its last pause."""
    found = []
    for name in scenarios.scenarios:
        if name == "do_recursion":
            continue  # a thousand frames alike
        _, pauses, _ = scenarios.run(name)
        for at in sorted({1, (pauses + 1) // 2, pauses}):
            snapshot = scenarios.run(name, at)[2]
            found.append((name, snapshot.control, snapshot.objects, snapshot.blocks))
    return found


def u64(buffer, at):
    return struct.unpack_from("<Q", buffer, at)[0]


def change(control, rng):
    """Change one to three things in a control section."""
    buffer = bytearray(control)
    places = cb.slots(buffer)
    flat = [at for frame in places for at in frame]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        kind = rng.randrange(13)
        frame = rng.choice(cb.frames(buffer))
        if kind <= 3:  # a slot takes the object of another
            value = u64(buffer, rng.choice(flat))
            struct.pack_into("<Q", buffer, rng.choice(flat), value)
        elif kind <= 5:  # two slots change places, perhaps between frames
            a, b = rng.choice(flat), rng.choice(flat)
            one, other = u64(buffer, a), u64(buffer, b)
            struct.pack_into("<Q", buffer, a, other)
            struct.pack_into("<Q", buffer, b, one)
        elif kind <= 7:  # a slot becomes null, a number, None, any object
            value = rng.choice(
                (0, 3, 4, 5, 2 | rng.randrange(520) << 3, 6 | rng.randrange(99) << 3)
            )
            if rng.random() < 0.3:
                value = 1 | rng.randrange(40) << 3
            struct.pack_into("<Q", buffer, rng.choice(flat), value)
        elif kind == 8 and (at := frame.field(cb.UNIT)) is not None:
            unit = struct.unpack_from("<I", buffer, at)[0]
            struct.pack_into("<I", buffer, at, max(0, unit + rng.randrange(-60, 60)))
        elif kind == 9:
            for field in (
                *(cb.CONTINUATION, cb.PENDING, cb.LOCALS, cb.GLOBALS, cb.LOCAL_COUNT),
                cb.GENERATOR,
            ):
                at = frame.field(field)
                if at is not None and rng.random() < 0.4:
                    buffer[at] = rng.choice((0, 1, 2, 3, rng.randrange(20), rng.randrange(256)))
        elif kind == 10 and (at := cb.snapshot(buffer).field(cb.HANDLED)) is not None:
            struct.pack_into("<Q", buffer, at, u64(buffer, rng.choice(flat)))
        elif kind == 11 and (generators := cb.generators(buffer)):
            generator = rng.choice(generators)
            for field in (cb.STAGE, cb.OBJECTS, cb.FLAGS, cb.HANDLED_IN):
                at = generator.field(field)
                if at is not None and rng.random() < 0.4:
                    buffer[at] = rng.choice((0, 1, 2, 3, rng.randrange(20), rng.randrange(256)))
        else:
            at = rng.randrange(len(buffer))
            if not any(at in code for code in cb.embedded_code(buffer)):
                buffer[at] ^= 1 << rng.randrange(8)
                break  # its structure may be gone
    return bytes(buffer)


class TooLong(BaseException):
    pass


def too_long(*_):
    raise TooLong


def hits_a_bug_of_cpython(thawed):
    """Whether a program finds the class `list` where it had a list, on CPython 3.13.

    There `x.append(y)` crashes by itself for `x = list` once it has run often with lists (seen on
    3.13.0): the specialised instruction takes a method called without self for one with a self.
    """
    if sys.version_info[:2] != (3, 13):
        return False
    stack = thawed.stack
    return any(value is list for i in range(len(stack)) for _, _, value in stack.bound(i))


def attempt(entry, seed):
    """How far one changed snapshot comes: "ring 2", "ring 3" or "ran"."""
    name, control, objects, blocks = entry
    pausing.begin(scenarios.scenarios[name], 0)
    changed = change(control, random.Random(seed))
    try:
        snapshot = Snapshot.of_parts(changed, objects, blocks)
        repr((snapshot.frames, snapshot.references()))
        thawed = snapshot.thaw()
    except ResumeError:
        return "ring 2"
    try:
        thawed.check()
    except ResumeError:
        return "ring 3"
    if hits_a_bug_of_cpython(thawed):
        return "ring 3"
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        try:
            thawed.run()
        except BaseException:  # whatever a program does that finds other values than it left
            pass
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except TooLong:  # after the program, before the timer was stopped
        pass
    return "ran"


def batch(entries, seeds):
    """Run many in a child; returns (counts, seed that killed it or None)."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():  # of threads of numpy's, which no child of ours needs
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.close(reader)
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
        signal.signal(signal.SIGALRM, too_long)
        sys.unraisablehook = lambda _: None  # of generators that are closed with other locals
        if "ASAN_OPTIONS" not in os.environ:  # its shadow alone is larger
            resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
        counts = collections.Counter()
        try:
            for seed in seeds:
                os.write(writer, b"%d\n" % seed)
                counts[attempt(entries[seed % len(entries)], seed)] += 1
            os.write(writer, b"=" + pickle.dumps(counts))
            os._exit(0)
        except BaseException:  # an untyped refusal is a culprit as well, and pytest is not ours
            traceback.print_exc()
        finally:
            os._exit(70)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    head, _, tail = text.partition(b"=")
    if status == 0 and tail:
        return pickle.loads(tail), None
    return collections.Counter(), int(head.split()[-1])


def fuzz(executions, first_seed=0):
    """Returns (how many came how far, seeds that crashed the interpreter)."""
    entries = corpus()
    counts, crashed = collections.Counter(), []
    for start in range(first_seed, first_seed + executions, BATCH):
        done, culprit = batch(entries, range(start, min(start + BATCH, first_seed + executions)))
        counts.update(done)
        if culprit is not None:
            crashed.append(culprit)
    return counts, crashed


def here(executions, first_seed=0):
    """As `fuzz`, in this process, which a crash ends."""
    entries = corpus()
    signal.signal(signal.SIGALRM, too_long)
    sys.unraisablehook = lambda _: None
    seeds = range(first_seed, first_seed + executions)
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        counts = collections.Counter(attempt(entries[seed % len(entries)], seed) for seed in seeds)
    return counts, []


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("executions", type=int)
    parser.add_argument("first_seed", type=int, nargs="?", default=0)
    parser.add_argument("--here", action="store_true", help="no child processes")
    chosen = parser.parse_args()
    counts, crashed = (here if chosen.here else fuzz)(chosen.executions, chosen.first_seed)
    total = sum(counts.values())
    for stage, number in sorted(counts.items()):
        print(f"{stage}: {number} of {total} ({100 * number / max(1, total):.0f} %)")
    print(f"crashed: {crashed}")
    sys.exit(bool(crashed))
