"""Loops over everything that can be iterated."""

import collections
import functools
import io
import itertools
import operator
import weakref

from scenarios.pausing import pause


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


def do_map_in_a_loop():
    class Doubles:
        def __call__(self, x, y=1):
            return pause(x) * y

    got = []
    for x in map(lambda x: pause(x) + 1, [1, 2]):
        for y in map(Doubles(), (x, 5), [2, 3]):
            got.append((x, y))

    def stops(x):
        if pause(x) == 2:
            raise StopIteration
        return x

    one = map(stops, [1, 2, 3])
    got += [[*[x for x in one]], next(one), next(one, "end"), [x for x in map(str, [pause(1)])]]
    return got, next(map(stops, [2]), "default")


def do_map_over_iterators_that_call_others():
    def f(*args):
        return pause(args)

    def g(x):
        return [x]

    class Counts:
        def __init__(self):
            self.left = 2

        def __iter__(self):
            return self

        def __next__(self):
            if not self.left:
                raise StopIteration
            self.left -= 1
            return self.left

        def method(self, x):
            return pause(x), self.left

    counts = Counts()
    sources = [
        map(f, map(g, [1, 2])),
        map(f, map(int, "12"), map(str, [1, 2])),
        map(f, zip([1], map(operator.neg, [2]), strict=True)),
        map(f, filter(None, [0, 1])),
        map(f, Counts()),
        map(f, iter([1, 2].pop, 1)),
        map(f, itertools.chain([1], map(g, [2]))),
        map(f, itertools.islice(itertools.count(), 2)),
        map(f, enumerate(map(str, [5]))),
        map(f, itertools.starmap(pow, [(2, 3)])),
        map(f, (g(x) for x in [1])),
        map(f, map(functools.partial(g), [1])),
        map(f, map(operator.itemgetter(0), ["ab"])),
        map(f, {"a": 1}.items()),
        map(counts.method, map(int, "12")),
        map(counts.method, counts),
    ]
    return [[x for x in each] for each in sources]


def do_weak_containers():
    class Held:
        pass

    one, two = Held(), Held()
    keys, values = weakref.WeakKeyDictionary({one: 1, two: 2}), weakref.WeakValueDictionary(a=one)
    elements, got = weakref.WeakSet([one, two]), []
    for key, value in keys.items():
        pause()
        got.append((key is one, value))
    for name, value in values.items():
        pause()
        got.append((name, value is one))
    for value in values.values():
        pause()
        got.append(value is one)
    for each in elements:
        pause()
        got.append(each in (one, two))
    del one, key, value, each
    pause()
    return got, len(keys), len(values), len(elements)
