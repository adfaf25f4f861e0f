"""Statements about generators, context managers and coroutines, and functions that make them."""

import statements

# fmt: off
STATEMENTS = [
    "own_generator", "own_generator", "own_manager", "coroutine", "async_generator", "async_for",
    "async_with",
]
# fmt: on


class GeneratorStatements(statements.Statements):
    """Writes all kinds of statements, those of `STATEMENTS` here as well.

    Attributes:
        makes: what a call of the function that is being written makes: "generator", "coroutine",
            "async generator", or None.
        home: how many constructs were open where that function begins.
    """

    makes = None
    home = 0

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
            item = self.inside("generator expression", lambda: self.pause("x"))
            self.line(f"{name} = ({item} for x in range(3))")
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

    def number(self, depth=2):
        enclosed = {"lambda", "comprehension"} & set(self.path[self.home :])
        if self.makes and depth > 0 and not enclosed and self.rng.random() < 0.25:
            return self.handed_over(depth - 1)
        return super().number(depth)

    def returned(self):
        return "return" if self.makes == "async generator" else super().returned()

    def handed_over(self, depth):
        """An expression that gives a number to who steps into the function."""
        number = self.number(depth)
        kinds = {"generator": "yield", "coroutine": "await"}
        if kinds.get(self.makes, self.rng.choice(["yield", "await"])) == "yield":
            return f"((yield {number}) or 1)"
        return f"(await give({number}))"

    def defined(self, makes, depth, head="def"):
        """Define one; its name."""
        name = self.name_of("made")
        kept = self.makes, self.home, self.inner
        self.makes, self.home, self.inner = makes, len(self.path), list(self.inner)
        self.block(
            f"{head} {name}(n)",
            makes or "contextmanager",
            lambda: self.line("v0 = v1 = v2 = v3 = n"),
            lambda: self.line("table = {0: 1, 1: 2}"),
            lambda: self.body(depth, 2),
            lambda: self.line("yield n" if makes != "coroutine" else "await give(n)"),
            lambda: self.body(depth, 1),
        )
        self.makes, self.home, self.inner = kept
        return name

    def do_own_generator(self, depth):
        maker = self.defined("generator", depth)
        if self.rng.random() < 0.3:
            outer = self.name_of("outer")
            self.block(
                f"def {outer}(n)",
                "yield from",
                lambda: self.line(f"yield (yield from {maker}(n))"),
                lambda: self.line(f"yield from {maker}({self.pause('n')})"),
            )
            maker = outer
        if self.rng.random() < 0.5:
            self.block(
                f"for v2 in {maker}({self.number(1)})",
                "for over a generator",
                lambda: self.line("log.append(v2)"),
                lambda: self.body(depth, 1),
                self.leave,
            )
            return
        name = self.name_of("g")
        self.line(f"{name} = {maker}({self.number(1)})")
        self.block(
            "try",
            "suspended generator",
            lambda: self.line(f"log.append(next({name}, None))"),
            lambda: self.body(depth, 1),
            lambda: self.line(f"log.append({name}.send({self.number(1)}))"),
            lambda: self.line(f"log.append({name}.throw(KeyError({self.number(1)})))"),
        )
        self.block("except KeyError as error", "except", self.log_error)
        self.block(
            "except StopIteration as stop", "except", lambda: self.line("log.append(stop.value)")
        )
        self.line(f"{name}.close()")

    def do_own_manager(self, depth):
        self.line("@section")
        maker = self.defined(None, depth)
        self.block(
            f"with {maker}({self.number(1)}) as m1",
            "with a contextmanager",
            lambda: self.line("log.append(m1)"),
            lambda: self.body(depth, 1),
            self.fail,
        )

    def do_coroutine(self, depth):
        maker = self.defined("coroutine", depth, "async def")
        self.line(f"v3 = drive({maker}({self.number(1)})) or 1")

    def do_async_generator(self, depth):
        maker = self.defined("async generator", depth, "async def")
        user = self.name_of("use")
        self.block(
            f"async def {user}()",
            "async for",
            lambda: self.line(f"return [pause({self.builder.site(self.path)}, x)"),
            lambda: self.line(f"        async for x in {maker}(2)]"),
        )
        self.line(f"log.append(drive({user}()))")

    def do_async_for(self, depth):
        if self.makes not in ("coroutine", "async generator"):
            self.do_coroutine(depth)
            return
        item = self.name_of("i")
        self.block(
            f"async for {item} in async_count(pause, 2)",
            "async for",
            lambda: self.line(f"log.append({item})"),
            lambda: self.body(depth, 1),
        )

    def do_async_with(self, depth):
        if self.makes not in ("coroutine", "async generator"):
            self.do_coroutine(depth)
            return
        hide = self.rng.choice(["True", "False"])
        self.block(
            f"async with AsyncManager(pause, log, {self.number(1)}, {hide}) as m1",
            "async with",
            lambda: self.line("log.append(m1)"),
            lambda: self.body(depth, 1),
            self.fail,
        )
