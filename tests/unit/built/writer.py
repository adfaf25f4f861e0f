"""Writes the lines of one function, and knows inside of which constructs each place lies."""


class Writer:
    """The writer of one function's body.

    Attributes:
        builder: of the whole program, see `builder.Builder`.
        callees: functions that this one may call.
        path: the constructs that the next line lies in, outermost first.
        inner: functions defined inside of it so far.
        budget: statements that it may still get.
    """

    def __init__(self, builder, callees):
        self.builder, self.rng = builder, builder.rng
        self.callees = callees
        self.lines, self.indent = [], 1
        self.path = []
        self.inner = []
        self.fresh = 0
        self.budget = self.rng.randrange(6, 14)

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

    def pause(self, text):
        site = self.builder.site(self.path)
        return f"pause({site}, {text})"
