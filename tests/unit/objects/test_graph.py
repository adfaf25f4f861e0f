"""One graph: identity, cycles and aliasing come back, in this process and in another."""

import collections
import functools
import gc
import itertools
import logging
import math
import sys
import types

import pytest

from sauerkraut.code import fingerprint
from sauerkraut.errors import CaptureError, CodeChanged, ResumeError
from sauerkraut.objects import freezing, graph
from tests.unit.objects import crossing, things
from tests.unit.objects.crossing import round_trip

PROJECT = things.__file__.removesuffix("tests/unit/objects/things.py")


def test_containers_keep_identity_and_cycles():
    shared = [1]
    cycle = {"shared": shared}
    cycle["self"] = cycle
    deque = collections.deque([shared])
    deque.append(deque)
    a, b, c = round_trip(cycle, deque, (shared, shared))

    assert a["self"] is a
    assert a["shared"] is b[0] is c[0] is c[1]
    assert b[1] is b


def test_shared_cells_and_recursive_closures():
    increment, read = things.counter(5)
    increment2, read2, itself = round_trip(increment, read, things.recursive())

    assert increment2() == 6
    assert read2() == 6
    assert read() == 5
    assert itself.__closure__[0].cell_contents is itself
    assert itself(5) == 120


def test_closures_in_another_process():
    increment, read = things.counter(5)
    increment()
    result = crossing.elsewhere(
        [increment, read, things.recursive()],
        "result = values[0](), values[1](), values[2](4)",
        path=[PROJECT],
    )
    assert result == (7, 7, 24)


def test_importable_functions_and_classes_are_the_very_ones():
    values = [things.counter, things.Node, things.Node.add, math.sqrt, len, collections.Counter]
    assert all(a is b for a, b in zip(round_trip(*values), values, strict=True))


def test_function_attributes_and_defaults():
    def f(a, b=[], *, c={}):  # noqa: B006
        """Doc."""
        return a, b, c

    f.note = f
    (g,) = round_trip(f)
    assert g.note is g
    assert g.__defaults__ == ([],)
    assert g.__kwdefaults__ == {"c": {}}
    assert g.__doc__ == "Doc."
    assert g.__qualname__ == f.__qualname__
    assert g.__globals__ is f.__globals__
    assert g.__code__ is f.__code__


def test_exec_globals_are_shared_and_by_value():
    namespace = {"n": 1}
    exec("def f():\n global n\n n += 1\n return n, g\ndef g():\n return n", namespace)
    for order in ((namespace, namespace["f"]), (namespace["f"], namespace)):
        back = round_trip(*order)
        ns = next(x for x in back if isinstance(x, dict))
        f = next(x for x in back if not isinstance(x, dict))
        assert f is ns["f"]
        assert f.__globals__ is ns
        assert f()[0] == 2
        assert ns["n"] == 2
    result = crossing.elsewhere([namespace["f"]], "n, g = values[0](); result = n, g()")
    assert result == (2, 2)


def test_built_in_names_of_exec_globals():
    plain, own, none = {"n": 1}, {"__builtins__": {"len": lambda x: 42}}, {"__builtins__": {}}
    for namespace in (plain, own, none):
        exec("def f(x):\n return len(x)", namespace)
    for values in ((plain["f"], own["f"], none["f"]), (plain, own, none)):
        for _ in range(2):  # and once more what came back
            values = round_trip(*values)
        f, g, h = (each["f"] if isinstance(each, dict) else each for each in values)
        assert f("abc") == 3
        assert g("abc") == 42
        assert list(f.__globals__) == ["n", "__builtins__", "f"]
        assert f.__globals__["__builtins__"] is __builtins__
        with pytest.raises(NameError):
            h("abc")


def test_module_globals_go_by_name():
    (back, in_list) = round_trip(vars(things), [vars(things)])
    assert back is vars(things)
    assert in_list[0] is vars(things)
    assert round_trip(things)[0] is things


def test_local_class_with_super_slots_and_properties():
    cls, instance = things.local_class()
    made, back = round_trip(cls, instance)

    assert type(back) is made
    assert made is not cls
    assert back.total() == instance.total() == 11
    assert back.double == 20
    assert made.make(3).x == 3
    assert made.static() == "static"
    assert made.itself is made
    assert not hasattr(back, "__dict__") or "x" not in back.__dict__
    assert made.__qualname__ == cls.__qualname__


def test_local_class_elsewhere():
    result = crossing.elsewhere(
        list(things.local_class()),
        "result = values[1].total(), values[0].make(3).double, values[0].__name__",
        path=[PROJECT],
    )
    assert result == (11, 6, "Local")


def test_local_enum_and_dataclass():
    colour, point = things.local_enum(), things.local_dataclass()
    red, colour2, p, point2 = round_trip(colour.RED, colour, point(1), point)
    assert red is colour2.RED
    assert red.describe() == "RED!"
    assert p == point2(1, [])
    assert point2(2).y == []


def test_bound_methods_partials_and_mangled_names():
    node = things.Node("a")
    method, private, partial, own = round_trip(
        node.add, node._Node__secret, functools.partial(node.add, "x"), node
    )
    assert method.__self__ is private.__self__ is own
    assert private() == "secret of a"
    assert partial.func.__self__ is own


def test_anchors_are_found_by_identity():
    root, data, text = [1, 2], {"a": 1}, object()
    frozen = graph.freeze(
        [[root, data], {"k": text, "r": [root]}],
        anchors={"root": root, "data": data, "text": text},
    )
    here = {"root": [], "data": {}, "text": "T"}
    a, b = graph.thaw(frozen, anchors=here)
    assert a[0] is here["root"] is b["r"][0]
    assert a[1] is here["data"]
    assert b["k"] == "T"
    with pytest.raises(ResumeError, match="'root'"):
        graph.thaw(frozen)


def test_sentinels_go_by_name():
    sentinel, missing, own = round_trip(things.MISSING, things.Node.NOTHING, (o := object()))
    assert sentinel is things.MISSING
    assert missing is things.Node.NOTHING
    assert type(own) is object
    assert own is not o


def test_module_level_random_generator_stays_the_one():
    import random

    bound, generator, private = round_trip(random.random, random._inst, random.Random(3))
    assert bound.__self__ is random._inst
    assert generator is random._inst
    assert private.random() == random.Random(3).random()


def test_registered_reducers(monkeypatch):
    monkeypatch.setattr(freezing, "_user_by_type", {})
    monkeypatch.setattr(freezing, "_user_by_subclass", {})
    freezing.register_reducer(things.Node, lambda node: (things.Node, (node.name + "!",)))
    assert round_trip(things.Node("a"))[0].name == "a!"

    class Derived(things.Node):
        pass

    assert round_trip(Derived("a"))[0].name == "a"
    freezing.register_reducer(things.Node, lambda n: (things.Node, ("sub",)), by="subclass")
    assert round_trip(Derived("a"))[0].name == "sub"
    assert round_trip(things.Node("a"))[0].name == "a!"
    with pytest.raises(ValueError, match="by='x'"):
        freezing.register_reducer(things.Node, repr, by="x")
    with pytest.raises(TypeError):
        freezing.register_reducer(dict, repr)


class Unpicklable:
    def __reduce_ex__(self, protocol):
        raise TypeError("cannot pickle 'Unpicklable' object")


def test_errors_name_the_variable():
    node = things.Node("a")
    node.children.append({"conn": Unpicklable()})
    with pytest.raises(CaptureError) as raised:
        graph.freeze([1, node], names=lambda i: f"simulate() -> local {'xy'[i]!r}")
    assert str(raised.value) == (
        "simulate() -> local 'y' -> attribute 'children' -> item 0 -> item 'conn': "
        f"{__name__}.Unpicklable cannot be captured; exclude it or register a reducer "
        "(cannot pickle 'Unpicklable' object)"
    )


def test_errors_name_closure_variables():
    held = Unpicklable()

    def f():
        return held

    with pytest.raises(CaptureError, match="closure variable 'held' -> its contents: "):
        graph.freeze([f])


def test_any_error_of_users_code_is_told():
    class Bad:
        def __getstate__(self):
            raise ValueError("boom")

    with pytest.raises(CaptureError, match="boom") as raised:
        graph.freeze([Bad()])
    assert isinstance(raised.value.__cause__, ValueError)


def test_keyboard_interrupt_goes_through():
    class Interrupted:
        def __getstate__(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        graph.freeze([Interrupted()])
    assert round_trip(1) == [1]


def test_too_deep_is_a_capture_error():
    nested = []
    for _ in range(200_000):
        nested = [nested]
    with pytest.raises(CaptureError, match="nested too deeply"):
        graph.freeze([nested], names=lambda _: "f() -> local 'nested'")


def test_dill_takes_the_whole_graph_when_the_pickler_cannot(caplog, monkeypatch):
    np = pytest.importorskip("numpy")
    monkeypatch.setattr(graph, "_warned", set())
    array = np.arange(10.0)
    increment, read = things.counter(1)
    odd = dict.__dict__["fromkeys"]  # a classmethod_descriptor
    root = [1]
    with caplog.at_level(logging.WARNING, "sauerkraut"):
        frozen = graph.freeze(
            [odd, array, array[::2], increment, read, [root]], anchors={"root": root}, threshold=10
        )
        graph.freeze([odd])
    (told,) = caplog.records
    assert "classmethod_descriptor" in told.message
    assert len(frozen.blocks) == 1
    back = graph.thaw(frozen, anchors={"root": root})
    assert back[0].__get__(None, dict)("ab") == {"a": None, "b": None}
    assert np.shares_memory(back[1], back[2])
    back[3]()
    assert back[4]() == 2
    assert back[5][0] is root


def test_more_kinds_of_local_classes():
    for made in (things.local_abstract(), things.local_generic(), things.local_named_tuple()):
        cls, instance = made
        (back_cls, back) = round_trip(cls, instance)
        assert type(back) is back_cls
        assert back.describe() == instance.describe()
    abstract, _ = things.local_abstract()
    (base,) = round_trip(abstract.__mro__[1])
    with pytest.raises(TypeError, match="abstract"):
        base()


def test_project_functions_met_by_name_are_listed_with_their_fingerprint():
    increment, _ = things.counter(0)
    listed = graph.code_names(graph.freeze([things.recursive, things.Node("a"), increment]).stream)
    module = things.__name__
    assert listed[f"{module}:recursive"] == fingerprint.of(things.recursive.__code__)
    assert listed[f"{module}:Node.add"] == fingerprint.of(things.Node.add.__code__)
    assert listed[f"{module}:counter"] == fingerprint.of(things.counter.__code__)
    assert not any(name.startswith(("sauerkraut", "json")) for name in listed)


def test_a_held_closure_follows_a_change_of_its_body(tmp_path, monkeypatch):
    source = "def outer(x):\n    def inner():\n        return x + {}\n    return inner\n"
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    module = types.ModuleType("changing_sample")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(source.format(1), vars(module))
    frozen = graph.freeze([module.outer(10)])
    exec(source.format(2), vars(module))
    assert graph.thaw(frozen)[0]() == 12
    exec(source.replace("x", "y").format(2), vars(module))
    with pytest.raises(CodeChanged, match="changing_sample"):
        graph.thaw(frozen)


def test_a_deep_stack_leaves_room_for_deep_objects():
    nested = []
    for _ in range(200):
        nested = [nested]

    def deep(n):
        return graph.freeze([nested]) if n == 0 else deep(n - 1)

    import inspect

    room = sys.getrecursionlimit() - len(inspect.stack()) - 60
    assert deep(room).stream


def test_released_blocks_refuse_use():
    np = pytest.importorskip("numpy")
    frozen = graph.freeze([np.zeros(1000)], arrays="borrow", threshold=100)
    with frozen:
        assert len(frozen.blocks) == 1
    for use in (lambda: frozen.blocks, lambda: frozen.stream, lambda: graph.thaw(frozen)):
        with pytest.raises(CaptureError, match="released"):
            use()


def test_damaged_streams_are_resume_errors():
    stream = graph.freeze([{"a": 1}]).stream
    for damaged in (b"", stream[:5], stream[:-9], stream[:-1] + b"\xff", b"x" + stream[1:]):
        with pytest.raises(ResumeError):
            graph.thaw((damaged, []))


def test_missing_blocks_are_resume_errors():
    np = pytest.importorskip("numpy")
    frozen = graph.freeze([np.zeros(1000)], threshold=100)
    with pytest.raises(ResumeError, match="1 blocks"):
        graph.thaw((frozen.stream, []))
    with pytest.raises(ResumeError, match="7 bytes"):
        graph.thaw((frozen.stream, [bytearray(7)]))


def test_numpy_is_not_imported_for_programs_without_it():
    script = (
        "import sys\nfrom sauerkraut.objects import graph\n"
        "graph.thaw(graph.freeze([{'a': [1]}, bytearray(3)]))\nassert 'numpy' not in sys.modules"
    )
    import subprocess

    subprocess.run([sys.executable, "-c", script], check=True, timeout=60, stdin=subprocess.DEVNULL)


def test_functions_of_main_go_by_reference():
    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = __builtins__
    saved = sys.modules["__main__"]
    sys.modules["__main__"] = main
    try:
        exec("def f():\n return 1\nclass C:\n def m(self): return f()", vars(main))
        f, cls = round_trip(main.f, main.C)
        assert f is main.f
        assert cls is main.C
    finally:
        sys.modules["__main__"] = saved


def test_enumerations_with_state_and_typed_dicts():
    planet, record = things.local_planet(), things.local_typed_dict()
    earth, planet2, record2 = round_trip(planet.EARTH, planet, record)
    assert earth is planet2.EARTH
    assert earth.density == planet.EARTH.density
    assert record2(a=1) == {"a": 1}
    assert record2.__total__ is False


def test_instances_whose_class_forwards_attributes():
    for cls in (things.Forwarding, things.SlottedForwarding):
        (back,) = round_trip(cls([1, 2]))
        assert type(back) is cls
        assert back.count(2) == 1


def test_kinds_that_pickle_takes_and_cannot_bring_back():
    np = pytest.importorskip("numpy")
    import random

    system, floats, ints = round_trip(random.SystemRandom(), np.finfo("f4"), np.iinfo("i2"))
    assert 0 <= system.random() < 1
    assert floats.eps == np.finfo("f4").eps
    assert ints.max == 32767


def chain_of(make, depth=100_000):
    last = None
    for _ in range(depth):
        last = make(last)
    return last


def wrapping(inner):
    return lambda: inner


@pytest.mark.parametrize(
    "make",
    [
        lambda last: [last],
        lambda last: (last,),
        lambda last: {"next": last},
        lambda last: types.SimpleNamespace(next=last),
        wrapping,
        lambda last: itertools.chain(last or ()),
        lambda last: functools.partial(print, last),
    ],
    ids=["list", "tuple", "dict", "instance", "closure", "iterator", "partial"],
)
def test_too_deep_in_every_way_is_an_error_with_its_path(make):
    chain = chain_of(make)
    with pytest.raises(CaptureError, match=r"^f\(\) -> local 'chain'.* is nested too deeply"):
        graph.freeze([chain], names=lambda _: "f() -> local 'chain'")
    while chain is not None:  # not by one recursion in C
        held = gc.get_referents(chain)
        chain = next((each for each in held if type(each) is type(chain)), None)
        if chain is None:
            cells = [e for e in held if isinstance(e, types.CellType)]
            inner = cells[0].cell_contents if cells else None
            chain = inner
