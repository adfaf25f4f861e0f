"""Functions, closures and classes: by name, or made anew."""

import collections
import functools
import math
import sys
import types

import pytest

from sauerkraut.code import fingerprint
from sauerkraut.errors import CodeChanged
from sauerkraut.objects import graph
from tests.unit.objects import crossing, things
from tests.unit.objects.crossing import round_trip

PROJECT = things.__file__.removesuffix("tests/unit/objects/things.py")


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
    rows, table = [], {}

    def f(a, b=rows, *, c=table):
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
