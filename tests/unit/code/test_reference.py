"""Code by reference: found again by name, embedded otherwise, refused when changed."""

import dataclasses
import functools
import sys
import types

import pytest

from sauerkraut.code import difference, reference
from sauerkraut.code.reference import CodeReference
from sauerkraut.errors import CodeChanged, ResumeError

SOURCE = """
import functools

def plain(x):
    def inner(y):
        return [lambda: (x, y, z) for z in range(3)]
    class Local:
        def method(self):
            return x
    return inner, Local

async def coroutine():
    pass

def generator():
    yield from (i for i in range(3))

named_lambda = lambda x: x

def wrapping(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)
    return wrapper

def hiding(function):
    def hidden(*args):
        return function(*args)
    return hidden

@wrapping
def wrapped(x):
    return x

@hiding
@hiding
def unwrappable(x):
    return x

@functools.lru_cache
def cached(x):
    return x

@functools.singledispatch
def dispatched(x):
    return x

class Class:
    def method(self):
        return 1
    def __private(self):
        return 2
    @staticmethod
    def static():
        return 3
    @classmethod
    def of_class(cls):
        return 4
    @property
    def value(self):
        return 5
    @value.setter
    def value(self, new):
        self.x = new
    @functools.cached_property
    def kept(self):
        return 6
    @wrapping
    def wrapped(self):
        return 7
    key = staticmethod(lambda x: -x)
    class Inner:
        def method(self):
            return 8
    def __init_subclass__(cls):
        return 9
"""


@pytest.fixture
def module():
    made = types.ModuleType("reference_sample")
    sys.modules[made.__name__] = made
    exec(compile(SOURCE, "reference_sample.py", "exec", dont_inherit=True), vars(made))
    yield made
    del sys.modules[made.__name__]


def codes_of(value, found=None):
    found = {} if found is None else found
    if isinstance(value, types.CodeType):
        found[id(value)] = value
        for constant in value.co_consts:
            codes_of(constant, found) if isinstance(constant, types.CodeType) else None
    return found


def every_code(module):
    compiled = {}
    for value in list(vars(module).values()):
        holders = [value, *(vars(value).values() if isinstance(value, type) else ())]
        holders += list(vars(module.Class.Inner).values())
        for holder in holders:
            for function in reference._functions_in(holder, set()):
                if function.__module__ == module.__name__:
                    codes_of(function.__code__, compiled)
    return [c for c in compiled.values() if c.co_filename == "reference_sample.py"]


def test_every_function_of_a_module_is_found_by_name(module):
    codes = every_code(module)
    assert len(codes) > 25
    for code in codes:
        ref = reference.of(code, vars(module))
        assert ref.module == "reference_sample", code
        assert ref.embedded is None
        assert reference.resolve(ref) is code


def test_names_and_paths(module):
    ref = reference.of(module.Class.method.__code__, vars(module))
    assert (ref.qualname, ref.path) == ("Class.method", ())
    inner, local = module.plain(1)
    ref = reference.of(inner.__code__, vars(module))
    assert ref.qualname == "plain"
    assert len(ref.path) == 1
    assert reference.of(local.method.__code__, vars(module)).qualname == "plain"
    assert reference.of(module.named_lambda.__code__, vars(module)).qualname == "named_lambda"
    hidden = module.unwrappable.__closure__[0].cell_contents.__closure__[0].cell_contents
    assert reference.of(hidden.__code__, vars(module)).qualname == "unwrappable"


def test_what_no_name_leads_to_is_embedded(module):
    namespace = {"__name__": "reference_sample"}
    exec("def plain(x): return x", namespace)
    for code, where in [
        (namespace["plain"].__code__, namespace),
        (namespace["plain"].__code__, vars(module)),
        ((lambda: 1).__code__, vars(module)),
    ]:
        ref = reference.of(code, where)
        assert ref.module == ""
        assert reference.resolve(ref) == code
    ref = reference.of(module.plain.__code__, vars(module), embed=True)
    assert ref.module == ""
    assert reference.resolve(ref) == module.plain.__code__


def test_a_rebound_name_embeds(module):
    original = module.plain
    module.plain = lambda x: x
    assert reference.of(original.__code__, vars(module)).module == ""


def test_changed_code(module):
    ref = reference.of(module.Class.method.__code__, vars(module))

    def method(self):
        return 2

    module.Class.method = method
    with pytest.raises(CodeChanged, match=r"reference_sample.Class.method has changed"):
        reference.resolve(ref)
    del module.Class.method
    with pytest.raises(CodeChanged, match="no longer there"):
        reference.resolve(ref)


def test_layout_changes_say_so(module):
    old = compile("def f(x):\n while x: x -= 1\n return x", "a", "exec", dont_inherit=True)
    new = old.replace()
    exec(old, vars(module))
    ref = reference.of(module.f.__code__, vars(module))
    told = CodeReference(ref.module, ref.qualname, ref.path, b"\0" * 16, None, ref.layout)
    with pytest.raises(CodeChanged, match="only the layout changed"):
        reference.resolve(told)
    assert "only the layout changed" in difference.describe(told, "")
    assert new


def test_main_is_embedded_too_and_used_where_main_is_another_program(monkeypatch):
    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    exec("def f():\n return 1", vars(main))
    ref = reference.of(main.f.__code__, vars(main))
    assert ref.module == "__main__"
    assert reference.resolve(ref) is main.f.__code__
    original = main.f.__code__
    exec("def f():\n return 2", vars(main))
    with pytest.raises(CodeChanged):
        reference.resolve(ref)
    del main.f
    assert reference.resolve(ref) == original


def test_difference_shows_the_sources(tmp_path, monkeypatch):
    (tmp_path / "changing.py").write_text("def f(x):\n    y = x + 1\n    return y\n")
    monkeypatch.syspath_prepend(tmp_path)
    import changing

    ref = reference.of(changing.f.__code__, vars(changing))
    recorded = difference.source_of(changing.f.__code__)
    assert recorded == "def f(x):\n    y = x + 1\n    return y\n"
    (tmp_path / "changing.py").write_text("def f(x):\n    y = x + 20\n    return y\n")
    sys.modules.pop("changing")
    __import__("linecache").clearcache()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    __import__("shutil").rmtree(tmp_path / "__pycache__", ignore_errors=True)
    text = difference.describe(ref, recorded)
    assert text.startswith("changing.f has changed since the capture\n---")
    assert "\n-    y = x + 1\n+    y = x + 20\n" in text
    sys.modules.pop("changing", None)


def test_a_module_that_is_gone():
    ref = CodeReference("no_such_module_at_all", "f", (), b"\0" * 16)
    with pytest.raises(ResumeError, match="no_such_module_at_all"):
        reference.resolve(ref)
    assert reference.nearest(ref) is None


@pytest.mark.parametrize("embedded", [b"", b"junk", b"N", b"\xe3\0\0"])
def test_damaged_embedded_code(embedded):
    with pytest.raises(ResumeError, match="embedded code"):
        reference.resolve(CodeReference("", "f", (), b"\0" * 16, embedded))


def test_every_changed_byte_of_embedded_code_is_found():
    ref = reference.of((lambda x: [x] * 2).__code__, {})
    for at in range(len(ref.embedded)):
        changed = bytearray(ref.embedded)
        changed[at] ^= 16
        with pytest.raises(ResumeError, match="embedded code"):
            reference.resolve(dataclasses.replace(ref, embedded=bytes(changed)))


def test_methods_of_the_standard_library():
    import email.message

    for function in (functools.wraps, email.message.Message.get_payload):
        code = function.__code__
        ref = reference.of(code, function.__globals__)
        assert ref.embedded is None
        assert reference.resolve(ref) is code


def test_the_function_around_nested_code_of_a_decorated_one(monkeypatch):
    module = types.ModuleType("decorated_outer")
    monkeypatch.setitem(sys.modules, "decorated_outer", module)
    exec(
        "import functools\n"
        "def wrapping(function):\n"
        "    @functools.wraps(function)\n"
        "    def wrapper(): return function()\n"
        "    return wrapper\n"
        "@wrapping\n"
        "def outer():\n"
        "    return 1, 'a', (2, 3), lambda: 7\n",
        vars(module),
    )
    inner = module.outer()[3].__code__
    ref = reference.of(inner, vars(module))
    assert ref.path != ()
    assert reference.outermost(ref) is module.outer.__wrapped__.__code__


def test_a_decorated_function_differs_from_itself_and_not_from_its_decorator(monkeypatch):
    module = types.ModuleType("decorated_changed")
    monkeypatch.setitem(sys.modules, "decorated_changed", module)
    before = """
import functools

def around(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)
    return wrapper

@around
def f(x):
    return x + 1
"""
    exec(before, vars(module))
    ref = reference.of(module.f.__wrapped__.__code__, vars(module))
    exec(before.replace("x + 1", "x + 2"), vars(module))
    assert reference.nearest(ref) is module.f.__wrapped__.__code__
