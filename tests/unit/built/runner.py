"""Runs built programs whole, then again with a capture at a random place, and compares.

Run as a program it prints a histogram of what was captured, and the seeds that failed:

    python tests/unit/built/runner.py 10000 [first seed [captures in each construct]]
"""

import collections
import functools
import gc
import itertools
import json
import os
import random
import signal
import sys
import types
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import builder
import expressions

import sauerkraut as skt

MOST_PAUSES = 300
SECONDS = 20
BATCH = 50
MOST_BATCHES = 40  # of programs to look for one construct
COMMON = {"pause", "__init__", "try", "for", "lambda", "with", "comprehension", "method", "if"}
CONSTRUCTS = (
    *builder.PRELUDE_SITES.values(),
    *dict.fromkeys(expressions.NUMBERS),
    *("comprehension", "if", "match", "for", "while", "else of a loop", "closure"),
    *("try", "except", "except*", "else of a try", "finally", "with", "with a contextmanager"),
    *("generator expression", "generator not begun", "suspended generator", "yield from"),
    *("for over a generator", "contextmanager", "coroutine", "async for", "async with"),
)
"""What the long form captures inside of a hundred times each."""


class TooLong(BaseException):
    """The program pauses too often to be worth its time."""


class Refused(BaseException):
    """The capture was refused: no error that the program may catch."""


class Pauses:
    """What a program calls to pause: counts, and captures when told to."""

    def __init__(self):
        self.begin(None)

    def begin(self, main, at=0):
        """Count from 1; capture at the pause of that number, from ``main`` on."""
        self.count, self.at, self.taken, self.base = 0, at, [], main
        self.refused, self.sites = None, []

    def check(self):
        """Raise what a pause raised."""
        if self.refused:
            raise Refused(self.refused)
        if self.count > MOST_PAUSES:
            raise TooLong

    def pause(self, site, value):
        self.count += 1
        self.sites.append(site)
        if self.count > MOST_PAUSES:
            raise TooLong
        if self.count == self.at:
            count = self.count
            try:
                snapshot = self.take()
            except skt.CaptureError as error:
                self.refused = str(error)  # a program may well hide what is raised here
                raise Refused(str(error)) from error
            if snapshot:
                self.taken.append((site, snapshot))
            else:
                self.count = count  # resumed: counts on from here
        return value


class ByCapture(Pauses):
    def take(self):
        return skt.capture(base=self.base)


class BySeedApi(Pauses):
    """With dead locals left out: shows that liveness is sound."""

    def take(self):
        # As bytes: a copy that is not written holds what the program may give up meanwhile.
        return skt.copy_current_frame(stack=True, base=self.base, serialize=True)


_pauses = [ByCapture(), BySeedApi()]


def pause_by_capture(site, value):
    return _pauses[0].pause(site, value)


def pause_by_seed_api(site, value):
    return _pauses[1].pause(site, value)


def load(program):
    """The program as a module, so that its code is found by name."""
    module = types.ModuleType(f"built_{program.seed}")
    sys.modules[module.__name__] = module
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `return` in `finally` and their like are meant
        code = compile(program.source, f"<{module.__name__}>", "exec", dont_inherit=True)
    exec(code, vars(module))
    return module


def constructs(program, site):
    """What is open around a place, for the histogram."""
    if site < 0:
        return (builder.PRELUDE_SITES[site],)
    return program.sites[site] or ("straight line",)


def attempt(seed, generations=3, wanted=None, **options):
    """Run the program of a seed: ("same" | "refused" | "too long", what was open or refused).

    The first capture is inside of the construct ``wanted`` where the program comes there.

    Raises:
        AssertionError: the resumed program returned something else.
    """
    program = builder.build(seed, **options)
    module = load(program)
    gc.collect()
    gc.disable()  # what is in a cycle would be closed at any time, and the program logs that
    try:
        return _attempt(random.Random(-seed - 1), program, module.main, generations, wanted)
    except TooLong:
        return "too long", ()
    except Refused as refusal:
        return "refused", (str(refusal),)
    finally:
        gc.enable()
        del sys.modules[module.__name__]


def _attempt(rng, program, main, generations, wanted):
    which = rng.randrange(2)
    pauses, pause = _pauses[which], (pause_by_capture, pause_by_seed_api)[which]
    pauses.begin(main)
    expected = outcome(pauses, lambda: main(pause))
    sites = pauses.sites
    at = choose(rng, program, sites, wanted=wanted)
    pauses.begin(main, at)
    got = outcome(pauses, lambda: main(pause))
    assert got == expected, f"disturbed by the capture at {at}: {got} is not {expected}"
    open_there = []
    for generation in range(generations):
        site, snapshot = pauses.taken[0]
        open_there += set(constructs(program, site))
        pauses.taken, pauses.at = [], 0
        if generation < generations - 1 and at < len(sites):
            at = pauses.at = choose(rng, program, sites, at)
        got = outcome(pauses, functools.partial(resume, snapshot))
        assert got == expected, f"generation {generation}, pause {at}: {got} is not {expected}"
        if not pauses.taken:
            break
    return "same", open_there


def choose(rng, program, sites, after=0, wanted=None):
    """A pause by its number: each construct is as likely, those that all programs have less so."""
    by_construct = collections.defaultdict(list)
    for number, site in enumerate(sites[after:], after + 1):
        for construct in constructs(program, site):
            by_construct[construct].append(number)
    if wanted in by_construct:
        return rng.choice(by_construct[wanted])
    rare = sorted(by_construct.keys() - COMMON)
    among = rare if rare and rng.random() < 0.8 else sorted(by_construct)
    return rng.choice(by_construct[rng.choice(among)])


def outcome(pauses, run):
    """What a program returns, as text; it may have hidden what a pause raised, or grouped it."""
    try:
        result = repr(run())
    except BaseException:
        pauses.check()
        raise
    pauses.check()
    return result


def resume(snapshot):
    if isinstance(snapshot, skt.Snapshot):
        return skt.Snapshot.from_bytes(snapshot.to_bytes()).resume()
    return skt.deserialize_frame(snapshot, run=True)


def batch(seeds, **options):
    """Run seeds in a child; returns (what it said of them, its wait status)."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():  # of threads of numpy's, which no child of ours needs
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reader)
            with os.fdopen(writer, "w", buffering=1) as pipe:
                for seed in seeds:
                    print(json.dumps(["begin", seed]), file=pipe)
                    signal.alarm(SECONDS)
                    try:
                        print(json.dumps([*attempt(seed, **options)]), file=pipe)
                    except BaseException as error:
                        text = f"{type(error).__name__}: {error} {options or ''}"
                        print(json.dumps(["failed", [text[:2000]]]), file=pipe)
                signal.alarm(0)
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        lines = [json.loads(line) for line in pipe]
    _, status = os.waitpid(child, 0)
    return lines, status


class Report:
    """Sums up what batches did."""

    def __init__(self):
        self.outcomes = collections.Counter()
        self.open = collections.Counter()
        self.refusals = collections.Counter()
        self.failures = []

    def add(self, lines, status):
        """Returns the seeds that a crash left undone."""
        seed = None
        for kind, what in lines:
            if kind == "begin":
                seed = what
                continue
            self.outcomes[kind] += 1
            if kind == "same":
                self.open.update(what)
            elif kind == "refused":
                self.refusals[shorten(what[0])] += 1
            elif kind == "failed":
                self.failures.append((seed, what[0]))
            seed = None
        if status:
            self.outcomes["crashed"] += 1
            self.failures.append((seed, f"the interpreter ended with wait status {status}"))


def shorten(refusal):
    """The kind of a refusal, without names and lines."""
    for known in (
        "generator",
        "__getitem__",
        "entered from C",
        "came in between",
        "except block",
        "caught by the program",
    ):
        if known in refusal:
            return known
    return refusal[-80:]


def run(count, first=0, least=0, constructs=CONSTRUCTS):
    """Run ``count`` programs, a child for each batch; a crash costs the rest of its batch.

    Then more, until each of ``constructs`` was captured inside of ``least`` times.
    """
    report = Report()
    seeds = iter(range(first, sys.maxsize))
    run_batches(report, list(itertools.islice(seeds, count)))
    for construct in constructs:
        for _ in range(MOST_BATCHES):
            if report.open[construct] >= least:
                break
            likely = (seed for seed in seeds if construct in builder.build(seed).constructs())
            run_batches(report, list(itertools.islice(likely, BATCH)), wanted=construct)
    return report


def run_batches(report, seeds, **options):
    while seeds:
        lines, status = batch(seeds[:BATCH], **options)
        report.add(lines, status)
        begun = [seed for kind, seed in lines if kind == "begin"]
        seeds = seeds[seeds.index(begun[-1]) + 1 :]


if __name__ == "__main__":
    found = run(*map(int, sys.argv[1:]))
    print(dict(found.outcomes))
    for name, number in found.open.most_common():
        print(f"  open at the capture: {name}: {number}")
    for name, number in found.refusals.most_common():
        print(f"  refused: {name}: {number}")
    for seed, text in found.failures:
        print(f"FAILED seed {seed}: {text}")
    sys.exit(bool(found.failures))
