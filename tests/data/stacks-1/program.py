"""The program of the golden stacks. No line of it ever changes: they stand inside of it.

``run`` goes on from ./ckpt where that is, ``stop`` ends with its one checkpoint; ``resume`` runs
the frames of ./snapshot, which ``capture`` wrote, and ``plain`` has neither. It prints what it found.
"""

import collections
import contextlib
import contextvars
import csv
import decimal
import enum
import functools
import itertools
import mmap
import os
import re
import sys
import threading
import types
import typing
import warnings
import weakref

import numpy as np

import sauerkraut as skt

seen = []
"""What the run has met: a global."""


class Odd(ValueError):
    def __init__(self, index, why):
        super().__init__(why)
        self.index = index


class Model:
    """A field, and views of its memory."""

    scale = 3

    def __init__(self, field):
        self.field = field
        self.rows = field[1:4]
        self.turned = field.T[::2]

    def step(self, by):
        self.rows += by
        return float(self.turned.sum())


class Steps(dict):
    def __setitem__(self, key, value):
        super().__setitem__(key, value * 2)


class Text(str):
    def __new__(cls, *parts):
        return super().__new__(cls, "/".join(parts))


class Names(dict):
    def __init__(self, **names):
        super().__init__(**names)
        self.__dict__ = self


class Sizes(list):
    def __new__(cls, least):
        return super().__new__(cls)

    def __init__(self, least):
        super().__init__(range(least))

    def append(self, size):
        super().append(size)


class Lazy:
    def __init__(self):
        self.held = {"a": 1}

    def __getattr__(self, name):
        return self.held[name]


class Picture(np.ndarray):
    pass


def making_adder(by):
    calls = 0

    def add(number):
        nonlocal calls
        calls += 1
        return number + by * calls

    return add


def numbers(start):
    total = start
    while True:
        given = yield total
        total += 1 if given is None else given


@contextlib.contextmanager
def noting(name):
    seen.append(f"into {name}")
    try:
        yield name.upper()
    finally:
        seen.append(f"out of {name}")


class Paused:
    def __await__(self):
        return (yield "paused")


async def awaiting():
    return await Paused() + 1


async def ticking():
    for tick in range(3):
        yield tick


def used_up(iterator):
    list(iterator)
    return iterator


def after(iterator, count=1):
    for _ in range(count):
        next(iterator)
    return iterator


def make_objects(model):
    """One of each kind that is written in a way of our own; told by `tell`."""
    size, word = 4, "ab"

    class Local:
        size = 5

        def twice(self):
            return self.size * 2, __class__.__name__

    class Level(enum.Enum):
        LOW = 1
        HIGH = size

        def above(self):
            return self.value > 1

    class Options(typing.TypedDict):
        name: str

    kept = Local()
    order = collections.OrderedDict(a=1, b=2, c=3)
    table, ring = {"x": 1, "y": 2, "z": 3}, collections.deque([1, 2, 3, 4])
    whole = {3, 1, 2}
    groups = itertools.groupby("aabbb")
    group = next(groups)[1]
    first = itertools.groupby("aab")
    left = next(first)[1]
    next(first)
    variable = contextvars.ContextVar("variable", default=7)
    variable.set(8)
    token = variable.set(9)
    used = variable.set(10)
    variable.reset(used)
    context = contextvars.Context()
    context.run(variable.set, 11)
    lock, again = threading.Lock(), threading.RLock()
    lock.acquire()
    again.acquire()
    own = threading.local()
    own.value = "mine"
    mapping = mmap.mmap(-1, 16)
    mapping.write(b"mapped")
    closed_mapping = mmap.mmap(-1, 16)
    closed_mapping.close()
    with open("numbers.txt") as closed:
        pass
    structured = np.ma.array([(1, 2.0)], dtype=[("a", int), ("b", float)], mask=[(True, False)])
    objects = np.array([None, {"a": 1}, "text", 4], dtype=object)
    frozen = np.array([{"b": 2}], dtype=object)
    frozen.flags.writeable = False
    coroutine, ticks = awaiting(), ticking()
    stepping = coroutine.__await__()
    assert next(stepping) == "paused"
    gone = after(numbers(1))
    gone.close()
    late = {}
    late["itself"] = after(iter(late.items()), 0)
    late["more"] = 1
    late["itself"] = after(iter(late), 1)
    newest, dead_one = Steps(), Local()
    newest["a"] = 1
    dead, dead_method = weakref.ref(dead_one), weakref.WeakMethod(dead_one.twice)
    del dead_one
    return {
        "lambda": lambda x: x + size,
        "cached": functools.lru_cache(maxsize=8)(lambda x: x * size),
        "partial": functools.partial(making_adder, 6),
        "instance": kept,
        "class": Local,
        "level": Level.HIGH,
        "options": Options,
        "variable of types": typing.TypeVar("T", bound=int),
        "steps": newest,
        "text": Text("a", word),
        "names": Names(one=1),
        "sizes": Sizes(3),
        "lazy": Lazy(),
        "ordered": after(iter(order.items())),
        "ordered, used up": used_up(iter(order)),
        "values": after(iter(table.values())),
        "used up": used_up(iter(table)),
        "view": table.keys(),
        "proxy": types.MappingProxyType(table),
        "late": late,
        "backwards": after(reversed([1, 2, 3])),
        "ring": after(iter(ring), 2),
        "set": after(iter(whole)),
        "chained": after(itertools.chain("ab", "cd"), 3),
        "groups": groups,
        "group": group,
        "group left behind": left,
        "zipped": after(zip("abc", itertools.count(5))),
        "rows": after(csv.reader(iter(["a,b", "c,d"]))),
        "dialect": csv.reader([], delimiter=";").dialect,
        "match": re.compile("(b+)(c)?").search("aabbcc"),
        "bytes": memoryview(b"abcdef")[1:4],
        "all bytes": memoryview(bytearray(b"abc")),
        "descriptor": Model.__dict__["__weakref__"],
        "kind": types.GeneratorType,
        "sentinel": object(),
        "reference": weakref.ref(kept),
        "dead": dead,
        "dead method": dead_method,
        "weak set": weakref.WeakSet([kept]),
        "variable": variable,
        "token": token,
        "used token": used,
        "context": context,
        "lock": lock,
        "reentrant lock": again,
        "own": own,
        "mapping": mapping,
        "closed mapping": closed_mapping,
        "closed file": closed,
        "standard": sys.stdout,
        "generator": after(numbers(10), 3),
        "ended": gone,
        "coroutine": coroutine,
        "stepping": stepping,
        "ticks": ticks,
        "tick": ticks.asend(None),
        "scalars": after(model.field.flat, 3),
        "broadcast": after(np.broadcast([1, 2, 3], [[1], [2]]), 2),
        "masked": np.ma.array(np.arange(4.0), mask=[0, 1, 0, 0]),
        "masked record": structured[0],
        "masked constant": np.ma.masked,
        "objects": objects,
        "some objects": objects[1:3],
        "frozen objects": frozen,
        "picture": np.arange(3).view(Picture),
        "memory map": np.memmap("numbers.txt", np.uint8, "r")[2:5],
        "private map": np.memmap("numbers.txt", np.uint8, "c")[:2],
        "error": caught(),
        "our error": skt.StorageError(5, "cannot write: it failed", "shard"),
        "left out": skt.EXCLUDED,
        "block": skt.Block(axis=1),
    }


def caught():
    try:
        try:
            raise OSError(2, "no such thing", "name")
        except OSError as error:
            raise Odd(3, "odd") from error
    except Odd as error:
        error.add_note("noted")
        return error


def tell(held, model):
    """What the objects do, as text."""
    late, ended, error = held["late"], held["ended"], held["error"]
    coroutine = held["stepping"]
    yield held["lambda"](1), held["cached"](2), held["partial"]()(1)
    yield held["instance"].twice(), held["class"] is type(held["instance"]), held["class"]().twice()
    yield held["level"].name, held["level"].above(), held["options"].__annotations__
    yield held["variable of types"].__bound__, held["steps"], held["text"], type(held["text"])
    yield held["names"].one, held["names"].__dict__ is held["names"], held["sizes"], held["lazy"].a
    yield list(held["ordered"]), list(held["ordered, used up"]), list(held["values"])
    yield list(held["used up"]), list(held["view"]), dict(held["proxy"]), list(late["itself"])
    yield list(held["backwards"]), list(held["ring"]), list(held["set"]), list(held["chained"])
    yield list(held["group"]), next(held["groups"])[0], list(held["group left behind"])
    yield list(held["zipped"]), next(held["rows"]), held["rows"].line_num
    yield held["dialect"].delimiter, held["match"].group(1), held["match"].span()
    yield bytes(held["bytes"]), bytes(held["all bytes"]), held["descriptor"].__name__, held["kind"]
    yield type(held["sentinel"]), held["reference"]() is held["instance"], held["dead"]()
    yield held["dead method"](), list(held["weak set"]) == [held["instance"]]
    yield held["variable"].get(), held["context"][held["variable"]]
    held["variable"].reset(held["token"])
    yield held["variable"].get(), held["lock"].locked(), held["own"].value
    held["reentrant lock"].release()
    yield held["mapping"].tell(), held["mapping"][:6]
    yield held["closed mapping"].closed, held["closed file"].closed, held["standard"] is sys.stdout
    yield held["generator"].send(5), next(held["generator"]), list(ended), ended.__name__
    try:
        coroutine.send(41)
    except StopIteration as stop:
        yield stop.value, held["coroutine"].cr_frame
    for sent in (held["tick"], held["ticks"].asend(None)):
        try:
            sent.send(None)
        except StopIteration as stop:
            yield stop.value
    yield next(held["scalars"]), next(held["broadcast"]), held["masked"].sum()
    yield held["masked record"], held["masked constant"] is np.ma.masked
    held["some objects"][1] = "seen"
    yield held["objects"].tolist()
    yield held["frozen objects"].flags.writeable, type(held["picture"]), held["picture"].sum()
    yield held["memory map"].tolist(), held["private map"].tolist()
    yield repr(error), error.index, error.__notes__, error.__cause__.filename
    yield [entry.tb_frame.f_code.co_name for entry in tracebacks(error.__traceback__)]
    yield str(held["our error"]), held["our error"].errno, held["left out"] is skt.EXCLUDED
    yield held["block"]
    yield np.shares_memory(model.field, model.rows), np.shares_memory(model.field, model.turned)


def tracebacks(traceback):
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def pause(index, saved):
    """Checkpoint, the second time to stop; or capture, the second time."""
    if sys.argv[1] in ("run", "stop"):
        saved.append(skt.current().checkpoint(index=index))
        if sys.argv[1] == "stop" and isinstance(saved[-1], skt.Epoch) and len(saved) == 2:
            os._exit(0)
    elif sys.argv[1] == "capture" and index == 2 and (snapshot := skt.capture(globals="auto")):
        with open("snapshot", "wb") as file:
            file.write(snapshot.to_bytes())
        os._exit(0)


def inner(model, index, out, add, saved):
    total = 0
    for count, (letter, number) in enumerate(zip("abc", reversed(range(3)))):
        try:
            with noting(f"{index}{letter}") as name:
                if number == 1:
                    raise Odd(index, name)
        except Odd as error:
            with noting("a handler"), decimal.localcontext(prec=20):
                if index in (1, 2):
                    pause(index, saved)
                total += decimal.getcontext().prec
            total += error.index * 100 + len(f"{error.__context__}{sys.exc_info()[1]}")
        total += add(count) + number + decimal.getcontext().prec
        out.write(f"{index} {letter} {model.step(index)} {total}\n")
    return total


def work(field, kind):
    model, add = Model(field), making_adder(2)
    objects = make_objects(model)
    ckpt = skt.current() if sys.argv[1] in ("run", "stop") else None
    totals, saved = {}, []
    given = open("numbers.txt")
    next(given)
    with open("log.txt", "w") as out, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for index, line in enumerate(given):
            totals[int(line)] = inner(model, index, out, add, saved) * model.scale
    given.close()
    assert ckpt is None or ckpt is skt.current()
    seen.extend(each.number if isinstance(each, skt.Epoch) else each.epoch for each in saved)
    seen.extend(dict(each.metrics) for each in saved)
    return [*totals.items(), kind, seen, *tell(objects, model), float(model.field.sum())]


def main():
    if sys.argv[1] == "resume":
        with open("snapshot", "rb") as file:
            told = skt.Snapshot.from_bytes(file.read()).resume()
    elif sys.argv[1] in ("plain", "capture"):  # as large as what a snapshot keeps apart
        told = skt.call(work, np.tile(np.arange(30.0), (300, 1)), "plain")
    else:
        field = np.arange(600.0).reshape(20, 30)
        provided = {"weights": np.arange(5), "name": "of a provider"}
        ckpt = skt.Checkpointer("ckpt", interval=None, signals=False, quiet=True)
        ckpt.provide("provider", lambda: provided, lambda data: provided.update(data))
        told = ckpt.run(work, field, "plain")
        told.append((float(field.sum()), str(provided)))
    for each in told:
        print(each)


if __name__ == "__main__":
    main()
