"""Calls of every form: functions, methods, closures, partial, decorated, recursion."""

import collections
import functools
import operator
import sys

from scenarios.pausing import pause


def do_nested_calls():
    def inner(a, b=2, *args, c=3, **kw):
        total = a
        for x in args:
            total += pause(x)
        return total, b, c, sorted(kw.items())

    def outer(n):
        return [inner(n), inner(n, 5), inner(n, 1, 2, 3, c=pause(9), d=4)]

    return outer(1), outer(pause(2))


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
    alike = functools.partial(max, 1)  # gives what a partial below gives, to a function in C
    assert alike(2) == 2
    return f(1), f(1, y=5), g(3), functools.partial(g)(4), functools.partial(h, 1)(2), later().log


def apply(function, x):
    return function(x) + pause(1)


class Solver:
    def __init__(self):
        self.of_function = functools.partial(apply, lambda x: pause(x) * 2)
        self.of_method = functools.partial(apply, self.rate)

    def rate(self, x):
        return pause(x) * 3


def do_partial_of_a_function_that_is_given_another():
    solver = Solver()
    return solver.of_function(1), solver.of_method(2)


class Registry(collections.UserDict):
    def __setitem__(self, key, value):
        super().__setitem__(key, pause(value))


def do_methods_of_the_standard_library():
    registry = Registry(a=1)
    registry.update({"b": 2})
    return registry.data, registry.setdefault("c", 3), registry.pop("a")


class Callable:
    def __call__(self, x, y=0):
        return pause(x) - y


def do_callable_object():
    c = Callable()
    return c(3), c(3, y=1), c(*[7]), functools.partial(c, 1)(2)


def do_starred_iterators_that_call_others():
    def f(*args):
        return pause(len(args))

    class Pair:
        def __init__(self, *both):
            self.both = both
            pause()

        def __iter__(self):
            return iter(self.both)

        def add(self, *others):
            return pause(len(others)), self.both

    one = Pair(*[1, 2])
    kept = (7, 8)
    return [
        f(*map(int, "123")),
        f(*one),
        f(*map(operator.neg, one)),
        f(*(x for x in kept)),
        f(*range(2)),
        f(*{"a": 1}.items()),
        f(*iter([1, 2].pop, 1)),
        functools.partial(f, 1)(*zip(kept, kept, strict=True)),
        Callable()(*kept),
        Callable()(*one),
        one.add(*one, *kept),
        one.add(*map(str, kept)),
        Pair(*one).both,
        Pair(*map(str, kept)).both,
    ]


class Whole(tuple):  # noqa: SLOT001 - its parts are an attribute
    def __init__(self, *parts):
        self.parts = pause(len(parts))


class Apart(frozenset):
    def __init__(self, *parts):
        pause()


def do_classes_derived_from_those_that_go_over_their_argument():
    whole = Whole([1, 2])
    return (
        whole,
        whole.parts,
        Whole(Whole((3,))),
        sorted(Apart("ab")),
        Whole(map(str, [1])),
        Whole(),
    )


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
    def call(f):
        return f(1, k=2), f(k=pause(1), x=0)

    called = call(lambda x, *, k: (pause(x), k))
    return called, (lambda: pause(3))(), sorted([3, 1, 2], key=operator.neg)


if sys.version_info >= (3, 12):
    GENERIC = """
def do_generic_functions():
    def f[T](x: pause(int) = pause(2), *, k: pause(str) = pause(4)):
        return x, k, T.__name__, pause(T) is T
    class A[T](pause(list)):
        pass
    # From 3.14 on annotations are made when they are asked for, which C does for the attribute.
    annotate = getattr(f, "__annotate__", lambda _: f.__annotations__)
    return f(), annotate(1), A.__type_params__[0].__name__
"""
    exec(compile(GENERIC, __file__, "exec"))
