"""Builds programs at random: deterministic, ending, full of places where they can pause.

`build(seed)` returns the source of a module with a function ``main(pause)``. What it returns must
not depend on where it was captured and resumed. Each call ``pause(n, x)`` returns ``x``; the
program knows inside of which constructs its places lie.
"""

import random
from dataclasses import dataclass, field

PRELUDE = '''
import functools


class Manager:
    """Enters with a number, remembers what it left with, hides errors when told to."""

    def __init__(self, log, number, hide=False):
        self.log, self.number, self.hide = log, number, hide

    def __enter__(self):
        return self.number

    def __exit__(self, kind, error, traceback):
        self.log.append(("left", repr(error)))
        return self.hide


class Thing:
    def __init__(self, pause, n):
        self.pause = pause
        self.n = pause(-1, n)
        self.log = []

    def method(self, x, *more, scale=2):
        self.log.append(x)
        return self.pause(-2, x * scale) + len(more) + self.n

    @property
    def half(self):
        return self.pause(-3, self.n) // 2

    def __getitem__(self, index):
        return self.pause(-4, index) + self.n

    def __call__(self, x):
        return self.pause(-5, x) - self.n

    @staticmethod
    def twice(pause, x):
        return pause(-6, x) * 2

    @classmethod
    def made(cls, pause, n):
        return cls(pause, pause(-7, n))


class Derived(Thing):
    def __init__(self, pause, n):
        super().__init__(pause, n + 1)

    def method(self, x, *more, scale=3):
        return super().method(x, *more, scale=scale) + 1


def add(x, y=1, *rest, z=0, **more):
    return x + y + z + len(rest) + len(more)


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def count(pause, n):
    """A generator that pauses between its values, and where it is closed."""
    try:
        for i in range(n):
            got = yield pause(-8, i)
            if got is not None:
                yield got
    finally:
        pause(-9, 0)


def chain(pause, n):
    got = yield from count(pause, n)
    yield n
    return got


def silent(n):
    yield from range(n)
'''

EXCEPTIONS = ("ValueError", "KeyError", "ZeroDivisionError", "Exception", "LookupError")


@dataclass
class Program:
    """A built module and what it is made of."""

    seed: int
    source: str
    sites: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Place of a pause -> the constructs it lies in, outermost first."""


class _Function:
    """The writer of one function's body."""

    def __init__(self, builder, name, callees):
        self.builder, self.rng = builder, builder.rng
        self.name, self.callees = name, callees
        self.lines, self.indent = [], 1
        self.path = []
        self.inner = []
        self.fresh = 0
        self.budget = self.rng.randrange(6, 14)

    # --- writing

    def line(self, text):
        self.lines.append("    " * self.indent + text)

    def block(self, head, construct, *bodies):
        """Write ``head:`` and a body inside of a construct."""
        self.line(f"{head}:")
        self.indent += 1
        self.path.append(construct)
        before = len(self.lines)
        for body in bodies:
            body()
        if len(self.lines) == before:
            self.line("pass")
        self.path.pop()
        self.indent -= 1

    def name_of(self, kind):
        self.fresh += 1
        return f"{kind}{self.fresh}"

    def inside(self, construct, make):
        self.path.append(construct)
        text = make()
        self.path.pop()
        return text

    # --- expressions

    def pause(self, text):
        site = self.builder.site(self.path)
        return f"pause({site}, {text})"

    def number(self, depth=2):
        rng = self.rng
        if depth <= 0 or rng.random() < 0.15:
            return rng.choice([str(rng.randrange(9)), *self.variables()])
        kind = rng.choice(self.builder.numbers)
        return self.inside(kind, lambda: getattr(self, f"number_{kind}")(depth - 1))

    def variables(self):
        return ["a", "b", "v0", "v1", "v2", "v3"]

    def number_pause(self, depth):
        return self.pause(self.number(depth))

    def number_binary(self, depth):
        left, right = self.number(depth), self.number(depth)
        operator = self.rng.choice(["+", "-", "*", "%", "//", "|", "^", "+", "-"])
        return f"({left} {operator} {right}) % 1009"

    def number_condition(self, depth):
        return f"({self.number(depth)} if {self.truth(depth)} else {self.number(depth)})"

    def number_chained(self, depth):
        return f"int({self.number(depth)} < {self.number(depth)} <= {self.number(depth)})"

    def number_call(self, depth):
        if not self.callees:
            return self.number_star(depth)
        callee = self.rng.choice(self.callees)
        extra = self.rng.choice(["", f", {self.number(depth)}", f", c={self.number(depth)}"])
        return f"{callee}(pause, log, {self.number(depth)}{extra})"

    def number_star(self, depth):
        numbers = [self.number(depth) for _ in range(self.rng.randrange(1, 4))]
        form = self.rng.randrange(3)
        if form == 0:
            return f"add(*[{', '.join(numbers)}])"
        if form == 1:
            return f"add({numbers[0]}, **{{'z': {numbers[-1]}}})"
        return f"add(*({numbers[0]},), {numbers[-1]}, z={self.number(depth)}, other=0)"

    def number_lambda(self, depth):
        body = self.pause(f"x + {self.number(depth - 1)}")
        return f"(lambda x, y=2: {body} * y)({self.number(depth)})"

    def number_walrus(self, depth):
        if "comprehension" in self.path:
            return self.number_max(depth)  # there it is an error of the compiler
        return f"(v{self.rng.randrange(4)} := {self.number(depth)})"

    def number_max(self, depth):
        return f"max({self.number(depth)}, {self.number(depth)})"

    def number_text(self, depth):
        one, other = self.number(depth), self.number(depth)
        if "'" in one + other or "{" in one + other:  # CPython 3.11 cannot nest them
            return f"len(str({one}) + str({other}))"
        return f"len(f'{{{one}!r:>4}}{{{other}}}')"

    def number_list(self, depth):
        return f"{self.rng.choice(['sum', 'len'])}({self.rows(depth)})"

    def number_subscript(self, depth):
        return f"[*{self.rows(depth)}, 7][{self.number(depth)} % 2 - 1]"

    def number_thing(self, depth):
        number = self.number(depth)
        return self.rng.choice(
            [
                f"thing.method({number}, 1)",
                f"thing.method(*[{number}, 2], scale=1)",
                "thing.half",
                f"thing[{number}]",
                f"thing({number})",
                f"Thing.twice(pause, {number})",
                f"type(thing).made(pause, {number}).n",
                f"Derived(pause, {number}).n",
                f"functools.partial(thing.method, {number})(3)",
            ]
        )

    def number_inner(self, depth):
        if not self.inner:
            return self.number_max(depth)
        return f"{self.rng.choice(self.inner)}({self.number(depth)})"

    def truth(self, depth):
        rng = self.rng
        one = f"{self.number(depth)} {rng.choice(['<', '>', '==', '!=', '>='])} {self.number(0)}"
        form = rng.randrange(5)
        if form == 0:
            return f"not {one}"
        if form == 1:
            return f"({one} {rng.choice(['and', 'or'])} {self.number(depth)} > 3)"
        if form == 2:
            return f"({self.number(0)} in {self.rows(depth)})"
        return one

    def rows(self, depth=1):
        rng = self.rng
        form = rng.randrange(7)
        if depth <= 0 or form == 0:
            return f"[{self.number(0)}, {self.number(0)}]"
        if form == 1:
            return f"[{self.number(depth)}, *{self.rows(depth - 1)}]"
        if form == 2:
            return f"sorted({self.rows(depth - 1)})[:3]"
        if form == 3:
            return f"list(silent({rng.randrange(4)}))"
        return self.inside("comprehension", lambda: self.comprehension(depth))

    def comprehension(self, depth):
        rng, name = self.rng, self.rng.choice(["v0", "x"])
        over = rng.choice(["range(3)", "(1, 2)", self.rows(depth - 1)])
        item = self.pause(f"{name} + {self.number(0)}")
        form = rng.randrange(5)
        if form == 0:
            return f"[{item} for {name} in {over} if {name} != {rng.randrange(3)}]"
        if form == 1:
            return f"list({{{name}: {item} for {name} in {over}}}.values())"
        if form == 2:
            return f"sorted({{{item} for {name} in {over}}})"
        if form == 3:
            return f"[{item} for y in range(2) for {name} in {over} if y]"
        return f"[sum([{item} for {name} in range(y)]) for y in range(3)]"

    # --- statements

    def body(self, depth, count=None):
        for _ in range(count or self.rng.randrange(1, 4)):
            if self.budget <= 0:
                self.simple()
                return
            self.budget -= 1
            kind = self.rng.choice(self.builder.statements) if depth else "assign"
            getattr(self, f"do_{kind}")(depth - 1)

    def simple(self):
        self.line(f"log.append({self.number(1)})")

    def do_assign(self, depth):
        name = self.rng.choice(["v0", "v1", "v2", "v3"])
        self.line(f"{name} = {self.number(2)}")

    def do_augmented(self, depth):
        form = self.rng.randrange(3)
        if form == 0:
            self.line(f"v{self.rng.randrange(4)} += {self.number(2)}")
        elif form == 1:
            self.line(f"table[{self.rng.randrange(3)}] = table.get(1, 0) + {self.number(2)}")
        else:
            self.line(f"table[{self.rng.randrange(2)}] -= {self.number(2)}")

    def do_unpack(self, depth):
        self.line(f"v0, *rest, v1 = {self.number(1)}, {self.number(1)}, *{self.rows()}")
        self.line("log.append(rest)")

    def do_log(self, depth):
        self.line(f"log.append(({self.number(2)}, {self.number(1)}))")

    def do_if(self, depth):
        self.block(f"if {self.truth(2)}", "if", lambda: self.body(depth))
        if self.rng.random() < 0.4:
            self.block(f"elif {self.truth(1)}", "if", lambda: self.body(depth))
        if self.rng.random() < 0.5:
            self.block("else", "if", lambda: self.body(depth))

    def do_for(self, depth):
        item = self.name_of("i")
        over, target = self.rng.choice(
            [
                ("range(3)", item),
                (f"range({self.number(1)} % 4)", item),
                (self.rows(), item),
                ("enumerate('ab')", f"{item}, letter"),
                (f"zip({self.rows()}, silent(3))", f"{item}, other"),
                ("list(table.items())", f"{item}, value"),
                ("{1: 2, 3: 4}", item),
                ("{5, 6}", item),
                ("reversed([1, 2, 3])", item),
                ("iter((4, 5))", item),
                ("map(abs, [-1, 2])", item),
                ("b'xy'", item),
            ]
        )
        self.block(
            f"for {target} in {over}",
            "for",
            lambda: self.line(f"log.append({item})"),
            lambda: self.body(depth),
            self.leave,
        )
        if self.rng.random() < 0.3:
            self.block("else", "else of a loop", lambda: self.body(depth, 1))

    def do_while(self, depth):
        counter = self.name_of("w")
        self.line(f"{counter} = {self.rng.randrange(1, 4)}")
        self.block(
            f"while {counter} > 0",
            "while",
            lambda: self.line(f"{counter} -= 1"),
            lambda: self.body(depth),
            self.leave,
        )
        if self.rng.random() < 0.3:
            self.block("else", "else of a loop", lambda: self.body(depth, 1))

    def leave(self):
        if self.rng.random() < 0.3:
            self.block(
                f"if {self.truth(1)}",
                "if",
                lambda: self.line(self.rng.choice(["break", "continue"])),
            )

    def do_try(self, depth):
        caught = self.rng.random() < 0.8
        self.block("try", "try", lambda: self.body(depth), self.fail)
        if caught:
            name = self.rng.choice(EXCEPTIONS)
            self.block(
                f"except {name} as error",
                "except",
                lambda: self.line("log.append(repr(error))"),
                lambda: self.body(depth),
                self.reraise,
            )
            if self.rng.random() < 0.3:
                self.block("else", "else of a try", lambda: self.body(depth, 1))
        if not caught or self.rng.random() < 0.4:
            self.block("finally", "finally", lambda: self.body(depth))

    def fail(self):
        if self.rng.random() < 0.6:
            name = self.rng.choice(EXCEPTIONS)
            self.block(
                f"if {self.truth(1)}",
                "if",
                lambda: self.line(f"raise {name}({self.number(1)})"),
            )

    def reraise(self):
        if self.rng.random() < 0.25:
            self.line(self.rng.choice(["raise", "raise LookupError(1) from error"]))

    def do_group(self, depth):
        self.block(
            "try",
            "try",
            lambda: self.body(depth, 1),
            lambda: self.line(
                f"raise ExceptionGroup('g', [ValueError({self.number(1)}), KeyError(2)])"
            ),
        )
        self.block(
            "except* ValueError as group",
            "except*",
            lambda: self.line("log.append(repr(group))"),
            lambda: self.body(depth, 1),
        )
        self.block("except* KeyError", "except*", lambda: self.body(depth, 1))

    def do_with(self, depth):
        one = f"Manager(log, {self.number(1)}, {self.rng.choice(['True', 'False'])})"
        other = f", Manager(log, {self.number(1)}) as m2" if self.rng.random() < 0.3 else ""
        self.block(
            f"with {one} as m1{other}",
            "with",
            lambda: self.line("log.append(m1)"),
            lambda: self.body(depth),
            self.fail,
        )

    def do_match(self, depth):
        self.line(f"match [{self.number(1)} % 3, {self.rows()}]:")
        self.indent += 1
        self.block("case [0, []]", "match", lambda: self.body(depth, 1))
        self.block(
            f"case [1, [first, *_]] if {self.truth(1)}",
            "match",
            lambda: self.line("log.append(first)"),
            lambda: self.body(depth, 1),
        )
        self.block("case _", "match", lambda: self.body(depth, 1))
        self.indent -= 1

    def do_function(self, depth):
        name, shared = self.name_of("inner"), self.rng.choice(["v0", "v1", "v2"])
        decorator = self.rng.random() < 0.3
        if decorator:
            self.line("@decorated")

        def write():
            self.line(f"nonlocal {shared}")
            self.line(f"{shared} = ({shared} + x) % 101")
            self.line(f"log.append({self.pause(shared)})")
            self.line(f"return {self.pause('x + y')} + {shared}")

        self.block(f"def {name}(x, y=1)", "closure", write)
        self.inner.append(name)
        self.line(f"v3 = {name}({self.number(1)})")

    def do_class(self, depth):
        name = self.name_of("Local")
        self.block(
            f"class {name}(Thing)",
            "local class",
            lambda: self.line("kind = v1"),
            lambda: self.line("def method(self, x): return super().method(x) + self.kind"),
        )
        self.line(f"log.append({name}(pause, {self.number(0)}).method({self.number(1)}))")

    def do_delete(self, depth):
        name = self.name_of("gone")
        self.line(f"{name} = {self.number(1)}")
        self.line(f"v0 = {self.number(2)}")
        self.line(f"log.append({name})")
        self.line(f"del {name}")

    def do_assert(self, depth):
        self.block(
            "try",
            "try",
            lambda: self.line(f"assert {self.truth(2)}, {self.number(1)}"),
        )
        self.block("except AssertionError as error", "except", self.log_error)

    def log_error(self):
        self.line(f"log.append((repr(error), {self.number(1)}))")

    def do_unbound(self, depth):
        name = self.name_of("late")
        self.block(f"if {self.truth(1)}", "if", lambda: self.line(f"{name} = 1"))
        self.block("try", "try", lambda: self.line(f"log.append({self.number(2)} + {name})"))
        self.block("except UnboundLocalError as error", "except", self.log_error)

    def do_generator(self, depth):
        name = self.name_of("g")
        maker = self.rng.choice(["count", "chain"])
        form = self.rng.randrange(4)
        if form == 0:
            self.block(
                f"for v2 in {maker}(pause, 3)",
                "for over a generator",
                lambda: self.body(depth, 1),
                self.leave,
            )
            return
        self.line(f"{name} = {maker}(pause, 3)")
        if form == 1:
            self.line(f"log.append(next({name}))")
            self.path.append("suspended generator")
            self.body(depth, 1)
            self.path.pop()
            self.line(f"log.append({name}.send({self.number(1)}))")
        elif form == 2:
            self.line(f"{name} = ({self.pause('x')} for x in range(3))")
            self.line(f"log.append(next({name}, None))")
            self.line(f"v1 = {self.number(2)}")
            self.block(f"for v0 in {name}", "generator expression", self.simple)
            return
        else:
            self.path.append("generator not begun")
            self.line(f"v1 = {self.number(2)}")
            self.path.pop()
            self.line(f"log.append(next({name}))")
        self.line(f"{name}.close()")

    def do_return(self, depth):
        if self.path and "except*" not in self.path:
            self.block(f"if {self.truth(1)}", "if", lambda: self.line(f"return {self.number(2)}"))
        else:
            self.do_log(depth)


# fmt: off
NUMBERS = [
    "pause", "pause", "pause", "binary", "binary", "condition", "chained", "call", "call", "star",
    "lambda", "walrus", "max", "text", "list", "subscript", "thing", "thing", "inner",
]
STATEMENTS = [
    "assign", "assign", "augmented", "unpack", "log", "log", "if", "for", "for", "for", "while",
    "try", "try", "group", "with", "with", "match", "function", "class", "delete", "assert",
    "unbound", "generator", "return",
]
# fmt: on


class Builder:
    """Builds one program; see `build`."""

    def __init__(self, seed, *, generators=True):
        self.seed, self.rng = seed, random.Random(seed)
        self.program = Program(seed, "")
        self.numbers = NUMBERS
        self.statements = [each for each in STATEMENTS if generators or each != "generator"]

    def site(self, path):
        number = len(self.program.sites) + 1
        self.program.sites[number] = tuple(path)
        return number

    def function(self, name, head, callees, depth):
        writer = _Function(self, name, callees)
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
            parts.append(decorator + self.function(name, head, list(callees), 3))
            callees.append(name)
        parts.append(
            "def main(pause):\n"
            "    log = []\n"
            "    try:\n"
            f"        log.append({callees[-1]}(pause, log, 5))\n"
            "    except Exception as error:\n"
            "        log.append(repr(error))\n"
            "    return log"
        )
        self.program.source = "\n\n\n".join(parts) + "\n"
        return self.program


def build(seed, **options):
    """The program of a seed; see the module."""
    return Builder(seed, **options).build()


if __name__ == "__main__":
    import sys

    print(build(int(sys.argv[1])).source)
