"""Statements that pause, hold statements that pause, raise, and leave early."""

import expressions

EXCEPTIONS = ("ValueError", "KeyError", "ZeroDivisionError", "Exception", "LookupError")

# fmt: off
STATEMENTS = [
    "assign", "assign", "augmented", "unpack", "log", "log", "if", "for", "for", "for", "while",
    "try", "try", "group", "with", "with", "match", "function", "class", "delete", "assert",
    "unbound", "generator", "return",
]
# fmt: on


class Statements(expressions.Expressions):
    """Writes statements of all kinds; each kind a method, found by its name in `STATEMENTS`."""

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
        if self.rng.random() < 0.3:
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

    def do_return(self, depth):
        if self.path and "except*" not in self.path:
            self.block(f"if {self.truth(1)}", "if", lambda: self.line(self.returned()))
        else:
            self.do_log(depth)

    def returned(self):
        return f"return {self.number(2)}"
