"""Async generators that run while the stack is captured, and awaitables that step into them."""

import contextlib
import sys

from scenarios.coroutines import Loop, add, give, run
from scenarios.pausing import pause


async def squares(n):
    for i in range(n):
        yield pause(i) * i
        await give(pause(i + 100))


def do_async_for_over_one_that_runs():
    async def work():
        got = []
        async for x in squares(3):
            got.append(x)
            if x == 1:
                got.append(await add(x, 1))
        else:
            got.append(pause("else"))
        got += [x async for x in squares(2)]
        got.append({x: y async for x in squares(3) if x async for y in squares(x)})
        return got

    return run(work())


def do_asend_athrow_aclose_while_it_runs():
    async def work(log):
        try:
            while True:
                try:
                    log.append((yield await give(pause(len(log)))))
                except KeyError as error:
                    log.append(await give(pause(repr(error))))
        finally:
            log.append((await give(pause("closing")), repr(sys.exc_info()[1])))

    async def use():
        logs = [], [], []
        one, two, three = (work(log) for log in logs)
        got = [await anext(one), await one.asend("x"), await one.athrow(KeyError(1))]
        got += [await one.asend(None), await two.__anext__(), await anext(three)]
        await one.aclose()
        with contextlib.suppress(ValueError):
            await two.athrow(ValueError("through"))
        held = three.asend("held")
        await give(pause("before it begins"))
        got.append(await held)
        try:
            await held
        except RuntimeError as error:
            got.append(str(error))
        await three.aclose()
        return got, logs, [each.ag_running for each in (one, two, three)]

    return run(use())


def do_stepped_by_hand():
    async def work():
        yield pause(1)
        got = await give(pause(2))
        yield got

    def by_hand(awaitable, value):
        got = []
        try:
            while True:
                got.append(awaitable.send(value))
                pause()
        except (StopIteration, StopAsyncIteration) as end:
            return got, type(end).__name__, end.args

    g = work()
    got = [by_hand(g.asend(None), None), by_hand(g.__anext__(), "sent"), by_hand(anext(g), None)]
    h = work()
    got += [by_hand(h.asend(None), None), by_hand(h.aclose(), None)]
    with contextlib.suppress(StopIteration):
        next(work().__anext__())
    return got


def do_in_turn_with_others():
    async def produce(n, out):
        async for x in squares(n):
            out.append(x)
        return len(out)

    out = []
    return Loop(produce(2, out), add(1, 2), produce(3, out)).run(), out


def do_exceptions_out_of_async_generators():
    async def fails(n):
        yield pause(n)
        try:
            raise KeyError(n)
        except KeyError:
            yield await give(pause(repr(sys.exc_info()[1])))
            raise ValueError(pause(n)) from None

    async def work():
        got = []
        try:
            raise TypeError("outside")
        except TypeError:
            try:
                async for x in fails(7):
                    got.append((x, repr(sys.exc_info()[1])))
            except ValueError as error:
                got.append((repr(error), repr(error.__context__)))
            got.append(repr(sys.exc_info()[1]))
        return got

    return run(work())


def do_asynccontextmanager_that_runs():
    @contextlib.asynccontextmanager
    async def section(log, name):
        log.append(await give(pause(f"+{name}")))
        try:
            yield pause(name)
        except KeyError as error:
            log.append(pause(repr(error)))
        finally:
            await give(pause(f"-{name}"))

    async def work(log):
        async with section(log, "a") as a, section(log, "b") as b:
            log.append(a + b)
            async with section(log, "c"):
                raise KeyError(3)
        return log

    return run(work([]))


def do_await_that_returns_the_await_of_a_coroutine():
    class Task:
        def __init__(self, n):
            self.n = n

        def __await__(self):
            return add(self.n, 1).__await__()

    class Delegating:
        def __await__(self):
            return (yield from add(3, 4).__await__())

    async def work():
        return await Task(1), await Task(5), await Delegating()

    by_hand = add(7, 8).__await__()
    got = [by_hand.send(None)]
    pause()
    try:
        by_hand.send(9)
    except StopIteration as stop:
        got.append(stop.value)
    return got, run(work())
