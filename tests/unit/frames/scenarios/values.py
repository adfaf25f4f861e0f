"""Identity, cycles and classes of the objects in frames."""

from scenarios.pausing import pause


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


async def count(n):
    for i in range(n):
        yield i


def given(agen, most=9):
    """What an async generator yields that never waits, at most so many."""
    got = []
    while len(got) < most:
        try:
            agen.__anext__().send(None)
        except StopIteration as one:
            got.append(one.value)
        except StopAsyncIteration:
            break
    return got


def do_async_generator_expressions_held():
    one = (x * 2 async for x in count(4))
    two = (x + y for x in [10, 20] async for y in count(2))
    pause()
    got = [given(one, 1), given(two, 3)]
    pause()
    return got, given(one), given(two), pause(given(one))


def do_names_for_the_attributes_of_functions_and_exceptions():
    def step(x):
        step.calls += 1
        return pause(x)

    class StepError(Exception):
        pass

    step.calls = 0
    mine = vars(step)
    error = StepError("a", 1)
    error.place = 3
    of_error = vars(error)
    got = step(2), mine["calls"]
    of_error["later"] = [pause(4)]
    mine["last"] = error
    return got, step.last.later, error.place, vars(step) is mine, vars(error) is of_error
