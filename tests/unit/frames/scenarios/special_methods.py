"""Methods that the interpreter calls itself: properties, items, operators, managers."""

import contextlib
import sys

from scenarios.pausing import pause


class Shelf:
    def __init__(self, items):
        self.items = items

    @property
    def size(self):
        return len(pause(self.items))

    def __getitem__(self, place):
        return self.items[pause(place)]


def do_property_and_item():
    shelf = Shelf([3, 4, 5])
    got = [(shelf.size, shelf[i], shelf[i] + shelf.size) for i in range(3)]
    for i in range(20):  # until CPython has specialised it
        got.append(shelf[i % 3])
    return got, shelf.size


class PausingManager:
    def __enter__(self):
        return self

    def __exit__(self, *error):
        pause()
        self.left = True


def do_pause_in_normal_exit():
    with PausingManager() as a, PausingManager() as b:
        pause()
    return a.left, b.left


class Container:
    def __init__(self, items):
        self.items = items

    def __len__(self):
        return pause(len(self.items))

    def __getitem__(self, place):
        return self.items[pause(place)]

    def __setitem__(self, place, value):
        self.items[place] = pause(value)

    def __delitem__(self, place):
        del self.items[pause(place)]

    def __contains__(self, item):
        return pause([1] if item in self.items else "")

    def __iter__(self):
        pause()
        return Steps(self.items)

    def __reversed__(self):
        pause()
        return iter(self.items[::-1])


class Steps:
    def __init__(self, items):
        self.items, self.place = items, 0

    def __iter__(self):
        return self

    def __next__(self):
        pause()
        if self.place == len(self.items):
            raise StopIteration
        self.place += 1
        return self.items[self.place - 1]


def do_container():
    c = Container([1, 2, 3])
    got = [len(c), c[0], c[1:], 1 in c, 9 in c, 9 not in c, not c, bool(c), [0, 1][bool(c)]]
    c[0] = 5
    c[1:2] = [7, 8]
    c[0] += 1
    del c[1]
    del c[0:1]
    if c:
        got.append("true")
    while Container([]):
        got.append("never")
    got.append("yes" if c and not Container([]) else "no")
    got.append((c or 1) is c)
    got.append((c and 2, Container([]) or 3, len(Container([]) and [4])))
    return got, c.items, list(reversed(c))


def do_python_iterators():
    got = []
    for x in Container([1, 2]):
        for y in Container("ab"):
            got.append((x, pause(y)))
        else:
            got.append("else")
    for x in Steps([5, 6, 7]):
        if x == 6:
            break
        got.append(x)
    it = iter(Steps([1]))
    got += [next(it), next(it, "default")]
    try:
        next(it)
    except StopIteration:
        got.append("stop")
    got += [
        [x * 2 for x in Steps([3, 4])],
        {x for x in Steps([3])},
        {x: y for x in Steps("k") for y in Steps("v")},
    ]
    return got, iter(it) is it, [z for z in Container([]) if pause(z)]


class Truth:
    def __init__(self, truth):
        self.truth = truth

    def __bool__(self):
        return pause(self.truth)


def do_truth():
    yes, no = Truth(True), Truth(False)
    got = [not yes, not no, bool(yes), bool(no), 1 if yes else 2, 1 if no else 2]
    got += [(yes and 3), (yes or 3) is yes, (no and 3) is no, (no or 3), not (yes and no)]
    if yes and not no:
        got.append("if")
    elif no:
        got.append("elif")
    while not yes:
        got.append("never")
    n = 0
    while Truth(n < 2):
        n += 1
    assert yes, "message"
    got.append([x for x in range(3) if Truth(x != 1)])
    try:
        if Truth("text"):
            got.append("never")
    except TypeError as error:
        got.append(told(error))
    match 3:
        case 3 if no:
            got.append("never")
        case 3 if yes:
            got.append("guard")
    return got, n


class Wrong:
    def __init__(self, value):
        self.value = value

    def __len__(self):
        return pause(self.value)

    def __iter__(self):
        return pause(self.value)

    def __str__(self):
        return pause(self.value)

    def __format__(self, spec):
        return pause(self.value)

    def __hash__(self):
        return pause(self.value)

    def __contains__(self, item):
        return pause(self.value)


class Index:
    def __index__(self):
        return 4

    def __bool__(self):
        return False


def caught(operation):
    try:
        return operation()
    except Exception as error:
        return told(error)


def told(error):
    """Its text, but for what CPython 3.15 says of the class that was asked (docs/limits.md)."""
    if sys.version_info >= (3, 15) and isinstance(error, TypeError):
        return "TypeError"
    return repr(error)


def do_results_of_the_wrong_type():
    got = []
    for value in (-1, "x", 2.5, Index(), 1 << 80, True, None):
        wrong = Wrong(value)
        got.append(caught(lambda: len(wrong)))
        got.append(caught(lambda: not wrong))
        got.append(caught(lambda: [1 for _ in wrong]))
        got.append(caught(lambda: hash(wrong)))
        got.append(caught(lambda: 1 in wrong))
        got.append(caught(lambda: f"{wrong}|{wrong!s}"))
        got.append(caught(lambda: str(wrong)))
    return got


class Text:
    def __init__(self, text):
        self.text = text

    def __str__(self):
        return pause(self.text)

    def __repr__(self):
        return f"<{pause(self.text)}>"

    def __format__(self, spec):
        return f"{pause(self.text)}:{spec}"


class OnlyRepr:
    def __repr__(self):
        return pause("repr\u00e9")


def do_text():
    t, o = Text("a\u00e9b"), OnlyRepr()
    width = 12
    got = [f"[{t}] {t!s} {t!r} {t!a} {t:x} {t!s:>{width}} {t!r:<9}|", f"{o}{o!s}{o!r:>10}{o!a}"]
    got += [str(t), repr(t), format(t, "spec"), str(o), repr(o), format(o), "%".join([str(t)])]
    return got, {hash(Hashed(5)): 1}, hash(Hashed(-1)), hash(Hashed(1 << 70))


class Hashed:
    def __init__(self, value):
        self.value = value

    def __hash__(self):
        return pause(self.value)


class Missing(dict):
    def __missing__(self, key):
        self[key] = pause(key)
        return key, 1


def do_missing():
    m = Missing()
    return m["a"], m["a"], m


class Guard:
    def __init__(self, name, log, swallow=None):
        self.name, self.log, self.swallow = name, log, swallow

    def __enter__(self):
        self.log.append(pause(f"+{self.name}"))
        return self.name

    def __exit__(self, cls, error, tb):
        self.log.append((pause(f"-{self.name}"), cls and cls.__name__, str(error)))
        if self.swallow == "raise":
            raise KeyError("from exit")
        return self.swallow


def do_managers():
    log = []
    with Guard("a", log) as a, Guard("b", log), Guard("c", log, [1]) as c:
        log.append((a, c))
        raise ValueError("swallowed")
    try:
        with Guard("d", log), Guard("e", log, ""):
            pause()
            raise ValueError("through")
    except ValueError as error:
        log.append(repr(error))
    try:
        with Guard("f", log, "raise"):
            raise ValueError("replaced")
    except KeyError as error:
        log.append((repr(error), repr(error.__context__)))
    for i in range(3):
        with Guard(i, log):
            if i == 1:
                continue
            if i == 2:
                break
    with Guard("g", log) as g, Guard("h", log, Truth(True)):
        raise ValueError(g)
    with contextlib.ExitStack() as stack:
        stack.enter_context(Guard("x", log))
        stack.enter_context(Guard("y", log, True))
        stack.callback(lambda: log.append(pause("callback")))
        raise ValueError("in stack")
    return log


def do_return_in_with():
    log = []

    def f():
        with Guard("r", log):
            return pause("value")

    return f(), log
