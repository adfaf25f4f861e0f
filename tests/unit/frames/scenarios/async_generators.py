"""Async generators that stand still while the stack is captured, whatever is asked of them then."""

import contextlib
import sys

from scenarios.coroutines import give, run
from scenarios.pausing import pause


async def count(n, log=None):
    log = [] if log is None else log
    try:
        for i in range(n):
            try:
                got = yield i * i
            except KeyError as error:
                got = repr(error)
            if got is not None:
                log.append(got)
    finally:
        log.append("closed")


def do_async_for_over_a_generator():
    async def work():
        got = []
        async for x in count(3):
            got.append(await give(pause(x)))
        else:
            got.append(pause("else"))
        return got

    return run(work())


def do_fresh_begun_and_ended_async_generators():
    async def work():
        fresh, begun, ended, closed = count(2), count(4), count(1), count(3)
        got = [await anext(begun), [x async for x in ended]]
        await anext(closed)
        await closed.aclose()
        await give(pause())
        async for x in begun:
            got.append(pause(x))
            if x == 4:
                break
        got.append([x async for x in fresh])
        got.append([[x async for x in each] for each in (ended, closed, fresh)])
        got.append(await anext(begun))
        await begun.aclose()
        return got, closed.ag_frame, ended.__qualname__, begun.ag_running

    return run(work())


def do_asend_athrow_aclose_afterwards():
    async def work():
        log = []
        sent, thrown, closed, through = (count(5, log) for _ in range(4))
        got = [await anext(each) for each in (sent, thrown, closed, through)]
        await give(pause())
        got += [await sent.asend("x"), pause(1), await sent.asend("y")]
        got.append(await thrown.athrow(KeyError(pause("z"))))
        await give(pause())
        await closed.aclose()
        try:
            await through.athrow(ValueError("through"))
        except ValueError as error:
            got.append(repr(error))
        with contextlib.suppress(StopAsyncIteration):
            await through.asend(pause(None))
        return got, log, closed.ag_frame

    return run(work())


def do_asynccontextmanager():
    @contextlib.asynccontextmanager
    async def section(log, name):
        log.append(f"+{name}")
        try:
            yield name
        except KeyError as error:
            log.append((repr(error), repr(sys.exc_info()[1])))
        finally:
            log.append(f"-{name}")

    async def work(log):
        async with section(log, "a") as a, section(log, "b") as b:
            log.append(await give(pause(a + b)))
            async with section(log, "c"):
                raise KeyError(pause(3))
            log.append(pause("after"))
        return log

    return run(work([]))


def do_async_generator_expressions():
    async def work():
        plain = (x + y async for x in count(3) if x != 1 for y in (1, 2))
        got = [await anext(plain)]
        await give(pause())
        got += [x async for x in plain]
        got.append({x async for x in count(3) if pause(x)})
        return got

    return run(work())
