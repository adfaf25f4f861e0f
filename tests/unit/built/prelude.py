"""What every built program begins with: what its statements and expressions use."""

import contextlib
import functools
import types

section = contextlib.contextmanager


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


@types.coroutine
def give(value):
    """Hand a value to `drive`; what that sends back."""
    return (yield value)


def drive(coroutine):
    """Run a coroutine, sending back the double of what it gives."""
    value = None
    while True:
        try:
            value = coroutine.send(value) * 2 % 1009
        except StopIteration as stop:
            return stop.value


async def async_count(pause, n):
    """An async generator that pauses between its values, and where it awaits."""
    for i in range(n):
        yield pause(-10, i)
        await give(pause(-11, i))


class AsyncManager(Manager):
    def __init__(self, pause, log, number, hide=False):
        super().__init__(log, number, hide)
        self.pause = pause

    async def __aenter__(self):
        return await give(self.pause(-12, self.number))

    async def __aexit__(self, kind, error, traceback):
        await give(self.pause(-13, 1))
        return self.__exit__(kind, error, traceback)
