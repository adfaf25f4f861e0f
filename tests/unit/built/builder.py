"""Builds programs at random: deterministic, ending, full of places where they can pause.

`build(seed)` returns the source of a module with a function ``main(pause)``. What it returns must
not depend on where it was captured and resumed. Each call ``pause(n, x)`` returns ``x``; the
program knows inside of which constructs its places lie.
"""

import random
import sys
from dataclasses import dataclass, field
from pathlib import Path

import expressions
import generator_statements
import statements

PRELUDE_SITES = {
    -1: "__init__",
    -2: "method",
    -3: "property",
    -4: "__getitem__",
    -5: "__call__",
    -6: "static method",
    -7: "class method",
    -8: "generator",
    -9: "closing a generator",
    -10: "async generator",
    -11: "await in an async generator",
    -12: "__aenter__",
    -13: "__aexit__",
}
PRELUDE = (Path(__file__).parent / "prelude.py").read_text()


@dataclass
class Program:
    """A built module and what it is made of."""

    seed: int
    source: str
    sites: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Place of a pause -> the constructs it lies in, outermost first."""

    def constructs(self):
        """Those it may pause in; nobody knows of what is in the prelude, which all share."""
        return {each for path in self.sites.values() for each in path} | set(PRELUDE_SITES.values())


class Builder:
    """Builds one program; see `build`."""

    def __init__(self, seed, *, generators=True, iterators=True):
        self.rng = random.Random(seed)
        # Apart, so that the rest of a program does not depend on it.
        self.iterators = random.Random(f"iterators {seed}") if iterators else None
        self.program = Program(seed, "")
        self.numbers, self.statements = expressions.NUMBERS, statements.STATEMENTS
        if generators:
            # Each program has one of each that it likes, so that none of them is rare in all.
            kinds = statements.STATEMENTS + generator_statements.STATEMENTS
            self.statements = kinds + [self.rng.choice(sorted(set(kinds)))] * 20
            self.numbers = self.numbers + [self.rng.choice(sorted(set(self.numbers)))] * 10

    def site(self, path):
        number = len(self.program.sites) + 1
        self.program.sites[number] = tuple(path)
        return number

    def function(self, head, callees, depth):
        writer = generator_statements.GeneratorStatements(self, callees)
        writer.line("v0 = v1 = v2 = 1")
        writer.line("v3, table = a, {0: 1, 1: 2}")
        writer.line(f"thing = {self.rng.choice(['Thing', 'Derived'])}(pause, 2)")
        writer.body(depth, self.rng.randrange(2, 5))
        writer.line("log.append((v0, v1, v2, v3, table, thing.log))")
        writer.line(f"return {writer.number(1)}")
        return "\n".join([head, *writer.lines])

    def build(self):
        parts, callees = [PRELUDE], []
        for number in range(self.rng.randrange(1, 4)):
            name = f"work{number}"
            head = f"def {name}(pause, log, a, b=2, *rest, c=3, **more):"
            decorator = "@decorated\n" if self.rng.random() < 0.2 else ""
            parts.append(decorator + self.function(head, list(callees), 3))
            callees.append(name)
        parts.append(
            "def main(pause):\n"
            "    log = []\n"
            "    try:\n"
            f"        log.append({callees[-1]}(pause, log, 5))\n"
            "    except (Exception, BaseExceptionGroup) as error:\n"
            "        log.append(repr(error))\n"
            "    return log"
        )
        self.program.source = "\n\n\n".join(parts) + "\n"
        return self.program


def build(seed, **options):
    """The program of a seed; see the module.

    Without ``generators`` or ``iterators`` as it was before it had functions that make the one, and
    the other in ``f(*map(g, xs))``.
    """
    return Builder(seed, **options).build()


if __name__ == "__main__":
    print(build(int(sys.argv[1])).source)
