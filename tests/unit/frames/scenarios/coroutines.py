"""Coroutines, driven by a loop of our own: they run in the captured stack, or stand at an await."""

import collections
import contextlib
import sys
import types

from scenarios.pausing import pause


@types.coroutine
def give(value):
    """Hand a value to the loop; what it sends back."""
    return (yield value)


class Loop:
    """Runs coroutines in turn and sends to each the double of what it gave."""

    def __init__(self, *coroutines):
        self.ready = collections.deque((each, None) for each in coroutines)
        self.log = []

    def run(self):
        while self.ready:
            coroutine, value = self.ready.popleft()
            try:
                given = coroutine.send(value)
            except StopIteration as stop:
                self.log.append(("returned", coroutine.__name__, stop.value))
            except Exception as error:
                self.log.append(("raised", coroutine.__name__, repr(error)))
            else:
                self.log.append((coroutine.__name__, given))
                self.ready.append((coroutine, given * 2))
            pause()
        return self.log


def run(coroutine):
    """What one coroutine returns when everything that it gives is sent back to it."""
    value = None
    while True:
        try:
            value = coroutine.send(value)
        except StopIteration as stop:
            return stop.value


async def add(a, b):
    first = await give(pause(a))
    return first + pause(b)


def do_coroutines_in_turn():
    async def total(n):
        result = 0
        for i in range(n):
            result += await add(i, 1)
        return result

    async def fails():
        try:
            await add(1, 2)
            raise KeyError(pause("inside"))
        finally:
            await give(pause(5))

    async def empty():
        return pause("at once")

    return Loop(total(2), fails(), empty(), total(1)).run()


def do_awaits_four_deep():
    async def one(n):
        return await give(pause(n)), pause(n + 1)

    async def two(n):
        return [await one(n), f"{await one(n + 10)!r:>4}"]

    async def three(n):
        return {"a": await two(n), **{str(x): x for x in await one(3)}}

    async def four():
        return await three(1) if await one(0) else None

    return run(four())


def do_awaitables_of_ones_own():
    class Plain:
        def __init__(self, n):
            self.n = n

        def __await__(self):
            got = yield pause(self.n)
            return got, pause(self.n)

    class Delegating:
        def __await__(self):
            return (yield from Plain(7).__await__())

    class Iterator:
        left = 2

        def __await__(self):
            return self

        def __iter__(self):
            return self

        def __next__(self):
            self.left -= 1
            if pause(self.left) < 0:
                raise StopIteration("over")
            return self.left

        def send(self, value):
            return self.__next__()

    async def work():
        return await Plain(1), await Delegating(), await Iterator(), await add(1, 1)

    return run(work())


def do_thrown_into_and_closed():
    async def work(log):
        try:
            log.append(await give(pause(1)))
        except KeyError as error:
            log.append(pause(repr(error)))
            log.append(await give(2))
        finally:
            log.append(pause("finally"))

    thrown, closed, fresh = [], [], []
    one, two, three = work(thrown), work(closed), work(fresh)
    got = [one.send(None), two.send(None)]
    pause()
    got.append(one.throw(KeyError("thrown")))
    pause()
    with contextlib.suppress(StopIteration):
        one.send("sent")
    two.close()
    pause()
    three.close()
    return got, thrown, closed, fresh, two.cr_frame


def do_async_with():
    class Section:
        def __init__(self, log, name, hide=False):
            self.log, self.name, self.hide = log, name, hide

        async def __aenter__(self):
            self.log.append(await give(pause(f"+{self.name}")))
            return self.name

        async def __aexit__(self, kind, error, traceback):
            self.log.append((self.name, repr(error), repr(sys.exc_info()[1])))
            await give(pause(f"-{self.name}"))
            return self.hide

    async def work(log):
        async with Section(log, "a") as a, Section(log, "b") as b:
            log.append(pause(a + b))
            await give("body")
            async with Section(log, "c", hide=True):
                raise KeyError(pause(3))
            log.append(await give(pause("after")))
        async with Section(log, "d"):
            raise ValueError(4)

    log = []
    try:
        run(work(log))
    except ValueError as error:
        log.append((repr(error), repr(error.__context__)))
    return log


def do_async_for_over_an_object():
    class Steps:
        def __init__(self, n):
            self.n = n

        def __aiter__(self):
            return self

        async def __anext__(self):
            self.n -= 1
            if await give(pause(self.n)) < 0:
                raise StopAsyncIteration
            return pause(self.n)

    async def work():
        got = []
        async for x in Steps(3):
            got.append(await give(pause(x)))
            if x == 1:
                continue
        else:
            got.append(pause("else"))
        got += [x + await give(1) async for x in Steps(2) if pause(x) != 1]
        got.append({x: [y async for y in Steps(x)] async for x in Steps(3)})
        return got

    return run(work())


def do_coroutines_held_in_containers():
    waiting = [add(i, 10) for i in range(3)]
    boxes = {"a": waiting[0], "b": [waiting[1]]}
    got = [each.send(None) for each in waiting[:2]]
    pause()
    for each in (boxes["a"], boxes["b"][0]):
        got.append((each is waiting[len(got) - 2], each.cr_running, each.cr_await is not None))
        with contextlib.suppress(StopIteration):
            each.send(5)
    pause()
    waiting[2].close()
    return got, [each.cr_frame for each in waiting], run(add(1, 2))
