"""Expressions that pause in the middle: numbers, truth values, lists of numbers."""

import writer

# fmt: off
NUMBERS = [
    "pause", "pause", "pause", "binary", "binary", "condition", "chained", "call", "call", "star",
    "lambda", "walrus", "max", "text", "list", "subscript", "thing", "thing", "inner",
]
# fmt: on


class Expressions(writer.Writer):
    """Writes expressions of all kinds; each kind a method, found by its name in `NUMBERS`."""

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
            return self.starred(f"[{', '.join(numbers)}]")
        if form == 1:
            return f"add({numbers[0]}, **{{'z': {numbers[-1]}}})"
        return f"add(*({numbers[0]},), {numbers[-1]}, z={self.number(depth)}, other=0)"

    def starred(self, numbers):
        """A call with a list of numbers, or with an iterator in C over it, which may call, too."""
        if self.builder.iterators is None:
            return f"add(*{numbers})"
        return self.builder.iterators.choice(
            [
                f"add(*{numbers})",
                f"add(*map(abs, {numbers}))",
                f"thing.method(*map(int, {numbers}))",
                f"thing.method(*map(thing.method, {numbers}))",
            ]
        )

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
