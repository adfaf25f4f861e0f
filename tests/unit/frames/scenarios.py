# ruff: noqa: B008, FURB110, PERF401, TRY301
"""Programs that pause at many places; each is run whole, and resumed from each pause.

A scenario is a function whose name starts with ``do_``; what it returns must not depend on
where it was captured and resumed. ``pause(x)`` returns ``x``.
"""

import collections
import contextlib
import functools
import io
import itertools
import operator
import sys
import traceback

import sauerkraut as skt

count = 0
at = 0
base = None
kept = None


def pause(value=None):
    global count, kept
    count += 1
    if count == at:
        snapshot = skt.capture(base=base)
        if snapshot:
            kept = snapshot
    return value


# --- calls ----------------------------------------------------------------------------------


def do_nested_calls():
    def inner(a, b=2, *args, c=3, **kw):
        total = a
        for x in args:
            total += pause(x)
        return total, b, c, sorted(kw.items())

    def outer(n):
        return [inner(n), inner(n, 5), inner(n, 1, 2, 3, c=pause(9), d=4)]

    return outer(1), outer(pause(2))


def do_closures_share_cells():
    x = 0

    def add(n):
        nonlocal x
        x += n
        pause()
        x += 100
        return x

    def read():
        return x

    got = []
    for n in range(3):
        got.append((add(n), read()))
        x -= 1
    return got, x, read()


def do_default_and_star():
    def f(a, /, b, *rest, k=pause(7), **kw):
        pause()
        return a, b, rest, k, kw

    args, kwargs = (3, 4, 5), {"z": 1, "k": 2}
    return f(1, 2), f(*args), f(*args, **kwargs), f(1, b=pause(2)), f(*pause(args), y=pause(0))


class Account:
    rate = 2

    def __init__(self, start):
        self.amount = start
        self.log = []

    def add(self, n):
        self.amount += pause(n) * self.rate
        self.log.append(n)
        return self

    @classmethod
    def make(cls, n):
        pause()
        return cls(n)

    @staticmethod
    def twice(n):
        return pause(n) * 2


class Saving(Account):
    def add(self, n):
        result = super().add(n + 1)
        pause()
        return result


def do_methods():
    one = Saving.make(5).add(1).add(Account.twice(4))
    bound = one.add
    bound(3)
    return one.amount, one.log, bound.__self__ is one


class Built:
    def __init__(self, n, *, scale=1):
        self.n = n
        pause()
        self.value = n * pause(scale)
        self.me = self


def do_class_call():
    made = Built(4, scale=3)
    others = [Built(i).value for i in range(3)]
    return made.value, made.me is made, others


def do_partial_and_decorated():
    def wraps(fn):
        @functools.wraps(fn)
        def wrapper(*args, **kw):
            before = pause("b")
            return before, fn(*args, **kw), pause("a")

        return wrapper

    @wraps
    def f(x, y=1):
        return pause(x) + y

    def h(x, y):
        return pause(x) - y

    g = functools.partial(f, y=10)
    one = Saving(1)
    later = functools.partial(functools.partial(one.add), 2)
    return f(1), f(1, y=5), g(3), functools.partial(g)(4), functools.partial(h, 1)(2), later().log


class Callable:
    def __call__(self, x, y=0):
        return pause(x) - y


def do_callable_object():
    c = Callable()
    return c(3), c(3, y=1), c(*[7]), functools.partial(c, 1)(2)


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


class Strict:
    def __init__(self):
        return pause(5)


def do_init_that_returns_something():
    try:
        Strict()
    except TypeError as error:
        return str(error)


def do_recursion():
    def fall(n):
        if n == 0:
            return pause(1)
        return n + fall(n - 1)

    return fall(500)


def do_lambda_and_keywords():
    f = lambda x, *, k: (pause(x), k)  # noqa: E731
    return f(1, k=2), (lambda: pause(3))(), sorted([3, 1, 2], key=operator.neg), f(k=pause(1), x=0)


# --- expressions ----------------------------------------------------------------------------


def do_expressions():
    d, o = {"k": [1, 2, 3, 4, 5, 6]}, type("O", (), {})()
    o.x = 5
    a = 1 + pause(2) * pause(3) - (4 + pause(5))
    b = [0, pause(1), *pause([2, 3]), pause(4)]
    c = {pause("a"): pause(1), **pause({"b": 2}), "c": pause(3)}
    e = {pause(1), *pause([2]), 3}
    f = f"{pause(1)!r:>4}{pause('x')}{a:{pause(6)}}|"
    g = 0 < pause(1) < pause(2) < 9, 0 < pause(1) > pause(2) < 9
    h = d["k"][pause(1) : pause(4) : pause(2)]
    i = (pause(0) or pause(1)) and pause(2), not pause(0), pause(1) if pause(1) else pause(2)
    d["k"][pause(0)] += pause(10)
    o.x += pause(1)
    d[pause("n")] = o.y = pause(8)
    (p, *q), r = pause(((1, 2, 3), 4))
    if (w := pause(5)) > 3:
        w += 1
    assert pause(1), pause(2)
    s = [pause(1) for _ in range(2)], {k: pause(k) for k in "ab"}, {pause(n) for n in range(2)}
    t = tuple(x for x in [pause(1), pause(2)])
    u = max(pause(1), pause(2), key=operator.neg), print(end="", file=pause(None))
    v = pause(d)["k"][0], pause(o).x, (pause(1), (pause(2), pause(3))), [*range(pause(3))]
    return a, b, c, e, f, g, h, i, o.x, o.y, p, q, r, s, t, u, v, w, d["k"], d["n"]


def do_display_under_two_names():
    table = {}
    a = table[pause("list")] = []
    b = table[pause("dict")] = {}
    c = table[pause("set")] = {1}
    a.append(1)
    b["x"] = 2
    c.add(3)
    d = (e := [0]), pause(1), e.append(4)
    f = [(g := {}), pause(2), g.setdefault("y", 5)]
    return table, d, f, a is table["list"], d[0] is e, f[0] is g


def do_delete_and_unbound():
    x = 1
    got = []
    for n in range(2):
        if n:
            del x
        pause()
        try:
            got.append(x)
        except UnboundLocalError as error:
            got.append(str(error))
    if got == [1]:
        never = 1
    pause()
    try:
        return never
    except UnboundLocalError:
        return got


# --- loops ----------------------------------------------------------------------------------


def do_builtin_iterators():
    got = []
    items = [10, 20, 30, 40]
    table = {"a": 1, "b": 2, "c": 3}
    sources = [
        lambda: range(0, 9, 3),
        lambda: items,
        lambda: tuple(items),
        lambda: "xyz",
        lambda: b"xyz",
        lambda: bytearray(b"pq"),
        lambda: table,
        lambda: table.items(),
        lambda: table.values(),
        lambda: reversed(items),
        lambda: reversed(table),
        lambda: reversed(range(3)),
        lambda: enumerate(items, 5),
        lambda: zip(items, "abcd", strict=False),
        lambda: zip(items, items, strict=True),
        lambda: map(operator.neg, items),
        lambda: filter(None, [0, 1, 2]),
        lambda: iter(iter([1, 2, 0, 3]).__next__, 0),
        lambda: collections.deque(items),
        lambda: reversed(collections.deque(items)),
        lambda: {7},
        lambda: frozenset([8]),
        lambda: io.StringIO("l1\nl2\n"),
        lambda: collections.OrderedDict(table),
        lambda: collections.Counter("aab").items(),
    ]
    for number, source in enumerate(sources):
        for first in source():
            for second in (1, 2):
                if second == 1:
                    pause()
                got.append((number, first, second))
    return got


def do_itertools():
    got = []
    sources = [
        lambda: itertools.islice(itertools.count(3, 2), 3),
        lambda: itertools.chain([1], (2, 3)),
        lambda: itertools.chain.from_iterable([[1], [2]]),
        lambda: itertools.islice(itertools.cycle("ab"), 5),
        lambda: itertools.repeat(4, 2),
        lambda: itertools.accumulate([1, 2, 3]),
        lambda: itertools.product("ab", [1, 2]),
        lambda: itertools.permutations("abc", 2),
        lambda: itertools.combinations("abc", 2),
        lambda: itertools.combinations_with_replacement("ab", 2),
        lambda: itertools.zip_longest([1, 2], [3], fillvalue=0),
        lambda: itertools.takewhile(bool, [1, 2, 0]),
        lambda: itertools.dropwhile(bool, [1, 0, 2, 3]),
        lambda: itertools.starmap(operator.add, [(1, 2), (3, 4)]),
        lambda: itertools.compress("abc", [1, 0, 1]),
        lambda: itertools.filterfalse(bool, [0, 1, 0]),
        lambda: itertools.pairwise([1, 2, 3]),
        lambda: zip(*itertools.tee([1, 2]), strict=True),
    ]
    for number, source in enumerate(sources):
        for item in source():
            pause()
            got.append((number, item))
    return got


def do_list_grows_while_iterated():
    items = [1, 2, 3]
    got = []
    for x in items:
        pause()
        got.append(x)
        if len(items) < 6:
            items.append(x * 10)
    return got, items


def do_dict_values_change_while_iterated():
    table = {"a": 1, "b": 2, "c": 3}
    got = []
    for key, value in table.items():
        pause()
        got.append((key, value))
        table["c"] += 10
    return got


def do_shared_iterator():
    shared = iter(range(10))
    got = []
    for x in shared:
        pause()
        got.append((x, next(shared)))
    return got


def do_used_up_iterators():
    sources = [itertools.pairwise([1, 2, 3]), reversed([1]), iter({1: 2}.items()), iter([1])]
    sources += [itertools.pairwise([(1, 2), (3, 4)]), itertools.pairwise([])]
    got = [list(each) for each in sources]
    pause()
    return got, [list(each) for each in sources]


class Sorted(dict):
    def keys(self):
        return sorted(super().keys())


def do_dict_with_keys_of_its_own():
    return [pause(key) for key in Sorted(c=1, a=2, b=3)]


class Worker:
    def __init__(self, name):
        self.name = name


def take_turns(workers):
    got = []
    for turn in range(3):
        for worker in list(workers.values() if isinstance(workers, dict) else workers):
            pause()
            got.append([getattr(next(each), "name", turn) for each in worker.office])
    return got


def do_containers_that_lead_to_their_iterators():
    got = []
    for kind in (list, collections.deque, dict, collections.OrderedDict):
        names = [Worker(f"w{n}") for n in range(4)]
        workers = kind(enumerate(names)) if issubclass(kind, dict) else kind(names)
        office = [
            itertools.chain(iter(workers), itertools.repeat(None)),
            itertools.chain(reversed(workers), itertools.repeat(None)),
            itertools.cycle(workers),
        ]
        for each in office:
            next(each)
        for worker in names:
            worker.office = office
        del names, worker, each, office
        got.append(take_turns(workers))
    return got


def do_while_else_break():
    n, got = 0, []
    while n < 5:
        n += 1
        if pause(n) == 4:
            break
        got.append(n)
    else:
        got.append("else")
    for i in range(3):
        if i == 1:
            pause()
            continue
        got.append(i)
    else:
        got.append(pause("done"))
    return got


def do_match():
    got = []
    for subject in [1, "a", [1, 2, 3], {"k": 5, "z": 6}, Account(3), None]:
        match subject:
            case int(n) if pause(n) > 0:
                got.append(("int", n))
            case str():
                got.append(pause("str"))
            case [first, *rest]:
                got.append((first, pause(rest)))
            case {"k": value, **others}:
                got.append((value, pause(others)))
            case Account(amount=amount):
                got.append(pause(amount))
            case _:
                got.append(pause("other"))
    return got


def do_comprehensions():
    y = 2
    rows = [[pause(i) * j + y for j in range(3)] for i in range(2)]
    fs = [lambda i=i: (i, y) for i in range(3)]
    caught = [(lambda: x)() + pause(0) for x in range(3)]
    return (
        rows,
        [f() for f in fs],
        {k: [pause(v)] for k, v in zip("ab", [1, 2], strict=True)},
        caught,
    )


def do_comprehension_hides_outer():
    x = "outer"
    got = [pause(x) for x in range(2)]
    pause()
    return got, x


def do_comprehension_hides_a_cell():
    x = 5
    read = lambda: x  # noqa: E731
    got = [(lambda: x)() + pause(0) for x in range(2)]
    before = x
    x = 7
    return before, read(), got


if sys.version_info >= (3, 12):
    GENERIC = """
def do_generic_functions():
    def f[T](x: pause(int) = pause(2), *, k: pause(str) = pause(4)):
        return x, k, T.__name__, pause(T) is T
    class A[T](pause(list)):
        pass
    return f(), f.__annotations__, A.__type_params__[0].__name__
"""
    exec(compile(GENERIC, __file__, "exec"))


# --- with and try ---------------------------------------------------------------------------


class Manager:
    def __init__(self, name, log, swallow=False):
        self.name, self.log, self.swallow = name, log, swallow

    def __enter__(self):
        self.log.append(f"+{self.name}")
        return self

    def __exit__(self, cls, error, tb):
        self.log.append(f"-{self.name} {cls.__name__ if cls else None}")
        if cls is None:
            pause()
        return self.swallow


def do_with():
    log = []
    with Manager("a", log) as a, Manager("b", log, swallow=True):
        pause()
        log.append(a.name)
        for i in range(2):
            with Manager(f"c{i}", log):
                log.append(pause(i))
        raise ValueError(pause("swallowed"))
    pause()
    return log


def do_with_stack():
    log = []
    with contextlib.ExitStack() as stack:
        stack.enter_context(Manager("x", log))
        pause()
        stack.enter_context(Manager("y", log))
        stack.callback(log.append, "callback")
    with contextlib.suppress(KeyError):
        pause()
        raise KeyError
    return log


def do_try_except_finally():
    log = []
    for kind in (None, ValueError, KeyError):
        try:
            try:
                pause()
                if kind:
                    raise kind("x")
            except ValueError as error:
                log.append((repr(pause(error)), sys.exc_info()[0].__name__))
            else:
                log.append(pause("else"))
            finally:
                log.append(("finally", pause(1)))
        except KeyError:
            log.append(repr(sys.exc_info()[1]))
            pause()
            log.append(repr(sys.exc_info()[1]))
    return log, sys.exc_info()


def do_bare_raise():
    log = []

    def again():
        try:
            raise ValueError("first")
        except ValueError:
            try:
                raise KeyError("second")
            except KeyError:
                pause()
                log.append(repr(sys.exc_info()[1]))
            log.append(repr(sys.exc_info()[1]))
            pause()
            raise

    try:
        again()
    except ValueError as error:
        log.append((repr(error), repr(error.__context__)))
    return log


def do_context_chain():
    try:
        try:
            raise ValueError("inner")
        except ValueError as inner:
            pause()
            raise TypeError("outer") from inner
    except TypeError as outer:
        pause()
        return repr(outer.__cause__), repr(outer.__context__), outer.__suppress_context__


def do_raise_after():
    def fail(n):
        pause()
        if n == 0:
            raise RuntimeError("deep")
        fail(n - 1)

    try:
        fail(3)
    except RuntimeError:
        names = [frame.name for frame in traceback.extract_tb(sys.exc_info()[2])]
        lines = [frame.line for frame in traceback.extract_tb(sys.exc_info()[2])]
        return names, lines


def do_return_in_finally_and_loop():
    log = []

    def f():
        for i in range(3):
            try:
                if i == 1:
                    return pause(i)
            finally:
                log.append(pause(("f", i)))
        return None

    return f(), log


def do_exception_group():
    got = []
    try:
        raise ExceptionGroup("g", [ValueError(1), KeyError(2), TypeError(3)])
    except* ValueError as group:
        got.append([repr(e) for e in pause(group).exceptions])
    except* (KeyError, TypeError) as group:
        pause()
        got.append([repr(e) for e in group.exceptions])
    return got


def do_stack_looks_whole():
    def names():
        pause()
        frame, found = sys._getframe(), []
        while frame is not None and frame.f_code is not base.__code__:
            found.append((frame.f_code.co_name, frame.f_lineno - frame.f_code.co_firstlineno))
            frame = frame.f_back
        return found, frame is not None

    def middle():
        x = 1
        return names(), x, sorted(locals())

    return middle()


class Settings(dict):
    def __init__(self, **values):
        super().__init__(**values)
        self.__dict__ = self


def do_dict_that_is_its_own_namespace():
    settings = Settings(a=1)
    settings.me = settings
    pause()
    settings.b = 2
    settings["c"] = 3
    return settings["b"], settings.c, sorted(k for k in settings if k != "me"), settings.me.a


# --- values ---------------------------------------------------------------------------------


def do_identity_and_cycles():
    a = []
    b = {"a": a}
    a.append(b)
    c = (a, b)
    pause()
    a.append(1)
    return c[0] is a, c[1]["a"] is a, len(b["a"]), a[0] is b


def do_same_list_in_two_frames():
    shared = [0]

    def inner(x):
        for i in range(3):
            x.append(pause(i))
        return x

    same = inner(shared)
    return same is shared, shared


def do_local_class():
    class Point:
        kind = "p"

        def __init__(self, x):
            self.x = x

        def double(self):
            return type(self)(self.x * pause(2))

    p = Point(3)
    q = p.double()
    pause()
    return q.x, type(q) is Point, type(p) is type(q), isinstance(p, Point), Point.kind


def do_many_locals_and_long_code():
    x0 = x1 = x2 = x3 = x4 = x5 = x6 = x7 = x8 = x9 = 1
    total = 0
    for i in range(2):
        if i:
            x0 += x1 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x9
            x1 += x0 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x9
            x2 += x1 + x0 + x3 + x4 + x5 + x6 + x7 + x8 + x9
            x3 += x1 + x2 + x0 + x4 + x5 + x6 + x7 + x8 + x9
            x4 += x1 + x2 + x3 + x0 + x5 + x6 + x7 + x8 + x9
            x5 += x1 + x2 + x3 + x4 + x0 + x6 + x7 + x8 + x9
            x6 += x1 + x2 + x3 + x4 + x5 + x0 + x7 + x8 + x9
            x7 += x1 + x2 + x3 + x4 + x5 + x6 + x0 + x8 + x9
            x8 += x1 + x2 + x3 + x4 + x5 + x6 + x7 + x0 + x9
            x9 += x1 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x0
        total += pause(x9)
        for j in range(2):
            total += x0 + j + pause(j)
    return total


scenarios = {name: value for name, value in list(globals().items()) if name.startswith("do_")}


def run(name, pause_at=0):
    """Run one scenario; returns (its value as text, pauses it made, the snapshot or None)."""
    global count, at, base, kept
    count, at, base, kept = 0, pause_at, scenarios[name], None
    value = repr(scenarios[name]())
    return value, count, kept
