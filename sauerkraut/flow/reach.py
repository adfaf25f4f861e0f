"""What of the project a function reaches: other functions and classes, by whatever leads to them.

Globals, attributes of modules, variables of closures, defaults, what decorators and partials hold,
methods of the classes of instances. Values do not count, only what code they lead to.
"""

from __future__ import annotations

import dis
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from types import CodeType, FunctionType, MappingProxyType, MethodType, ModuleType, NoneType
from typing import Any

from sauerkraut.objects.project import is_project

Definition = FunctionType | type
_GLOBAL = {"LOAD_GLOBAL", "LOAD_NAME"}
_ATTRIBUTE = {"LOAD_ATTR", "LOAD_METHOD"}
_CONTAINERS = (list, tuple, dict, MappingProxyType)
_OF_DATACLASS = "__create_fn__."  # methods that `dataclasses` writes: their class says it all
_ANNOTATIONS = frozenset({"__annotations__", "__annotate__", "__annotate_func__"})
"""The text of a class says them; what holds them differs between versions."""
_ATOMS = frozenset({NoneType, bool, int, float, complex, str, bytes})


def definitions(function: Callable[..., Any]) -> Iterator[tuple[str, Definition]]:
    """The functions and classes that make up what ``function`` does, with how each is reached.

    Each way to each of them, in no order that means something. ``function`` itself counts wherever
    it is from, what it reaches only if it is of the project.
    """
    seen: dict[int, object] = {}
    waiting: list[tuple[str, Any]] = [("", function)]
    while waiting:
        way, found = waiting.pop()
        if found is function or is_own(found):
            if isinstance(found, (FunctionType, type)):
                yield way, found
                way = found.__qualname__
        elif isinstance(found, type):
            continue
        if id(found) not in seen:
            seen[id(found)] = found  # kept, so that no other object gets its id
            waiting += [(f"{way}.{name}", each) for name, each in _held_by(found)]


def functions_of(definition: Definition) -> Iterator[FunctionType]:
    """A function itself, or the functions in the body of a class."""
    if isinstance(definition, FunctionType):
        yield definition
        return
    for _, held in sorted(vars(definition).items()):
        for _, each in [("", held), *_inner(held)]:
            if isinstance(each, FunctionType):
                yield each


def texts_in(function: Callable[..., Any] | None) -> frozenset[str]:
    """Texts that the code of a function holds, and of what it reaches: keys that it may set."""
    reached = iter(()) if function is None else definitions(function)
    return frozenset(
        text
        for _, definition in reached
        for each in functions_of(definition)
        for text in _texts(each.__code__)
    )


@functools.lru_cache(maxsize=1 << 12)
def _texts(code: CodeType) -> frozenset[str]:
    found: set[str] = set()
    waiting: list[object] = list(code.co_consts)
    while waiting:
        held = waiting.pop()
        if isinstance(held, str):
            found.add(held)
        elif isinstance(held, (tuple, frozenset)):
            waiting += held
        elif isinstance(held, CodeType):
            waiting += held.co_consts
    return frozenset(found)


def bound_by(function: Callable[..., Any] | None) -> list[Any]:
    """Arguments that a `functools.partial` binds."""
    if not isinstance(function, functools.partial):
        return []
    return [function.args, function.keywords, *bound_by(function.func)]


def is_own(definition: Any) -> bool:
    """Whether a function or class is of the project, or what an object is an instance of."""
    if isinstance(definition, FunctionType):
        if definition.__code__.co_qualname.startswith(_OF_DATACLASS):
            return False
        # not its __module__: a wrapper of a library takes that of what it wraps
        return is_project(definition.__globals__.get("__name__"))
    kind = definition if isinstance(definition, type) else type(definition)
    return is_project(kind.__module__)


def _held_by(found: Any) -> Iterator[tuple[str, Any]]:
    """What an object holds that may lead to code, by name."""
    if isinstance(found, FunctionType):
        held = _held_by_function(found)
        if not is_own(found):  # a wrapper of a library names as it likes
            held = (("", each) for _, each in held)
    elif isinstance(found, type):
        held = _held_by_class(found)
    elif isinstance(found, _CONTAINERS):
        yield from _code_in(found)
        return
    else:
        yield from _inner(found)
        if is_own(found):
            yield "class", type(found)
            yield from _code_in(getattr(found, "__dict__", {}))
        return
    yield from ((name, each) for name, each in held if _is_code(each) or is_own(each))


def _code_in(values: Any) -> Iterator[tuple[str, Any]]:
    """What of the values of a container is code; instances come and go while a program runs."""
    if isinstance(values, (list, tuple)):
        yield from (("", each) for each in values if _is_code(each))
    else:
        yield from ((_told(key), each) for key, each in values.items() if _is_code(each))


def _told(key: object) -> str:
    if isinstance(key, type):
        return key.__qualname__
    return str(key) if type(key) in _ATOMS else ""


def _is_code(found: Any) -> bool:
    """Whether something is a function, a class, made of them, or may contain them."""
    if type(found) in _ATOMS:
        return False
    if isinstance(found, (FunctionType, type, *_CONTAINERS)):
        return True
    return next(_inner(found), None) is not None


def _held_by_class(found: type) -> Iterator[tuple[str, Any]]:
    yield from ((f"base {each.__qualname__}", each) for each in found.__bases__)
    for name, held in vars(found).items():
        if name in _ANNOTATIONS:
            continue
        if isinstance(held, FunctionType) and held.__qualname__ == f"{found.__qualname__}.{name}":
            # its text is that of the class, if it was not generated
            yield from ((f"{name}.{n}", each) for n, each in _held_by_function(held))
        else:
            yield name, held


def _inner(found: Any) -> Iterator[tuple[str, Any]]:
    """What an object of Python's own is made of: methods, properties, partials, decorated ones."""
    if isinstance(found, MethodType):
        yield "function", found.__func__
        yield "self", found.__self__
    elif isinstance(found, property):
        yield from (("get", found.fget), ("set", found.fset), ("delete", found.fdel))
    elif isinstance(found, functools.cached_property):
        yield "get", found.func
    elif isinstance(found, (functools.partial, functools.partialmethod)):
        yield "function", found.func
        yield "arguments", found.args
        yield "keywords", found.keywords
    elif isinstance(found, functools.singledispatchmethod):
        yield "function", found.dispatcher
    elif isinstance(found, (staticmethod, classmethod)):
        yield "function", found.__func__
    elif (inner := inspect.getattr_static(found, "__wrapped__", None)) is not None:
        yield "wrapped", inner  # functools.lru_cache


def _held_by_function(function: FunctionType) -> Iterator[tuple[str, Any]]:
    code = function.__code__
    if is_own(function):
        yield from _named_in(code, function.__globals__)
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # still empty
            continue
    yield from (("default", each) for each in function.__defaults__ or ())
    yield from (function.__kwdefaults__ or {}).items()
    yield from vars(function).items()  # __wrapped__; registry of functools.singledispatch


def _named_in(code: CodeType, names: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What code names: globals, and attributes of those that are modules."""
    modules: list[tuple[str, ModuleType]] = []
    attributes: set[str] = set()
    chain, found = "", None
    for operation, name in _instructions(code):
        if operation in _GLOBAL:
            chain, found = name, names.get(name)
        elif operation in _ATTRIBUTE:
            attributes.add(name)
            if not isinstance(found, ModuleType):
                continue
            chain, found = f"{chain}.{name}", vars(found).get(name)
        else:
            if isinstance(found, ModuleType) and is_project(found.__name__):
                modules.append((chain, found))  # into a variable, or passed on
            found = None
            continue
        if found is not None and not isinstance(found, ModuleType):
            yield chain, found
    for chain, module in modules:
        held = vars(module)
        yield from ((f"{chain}.{n}", held[n]) for n in sorted(attributes) if n in held)


@functools.lru_cache(maxsize=1 << 12)
def _instructions(code: CodeType) -> tuple[tuple[str, Any], ...]:
    """Operation and argument of each instruction, also of the code inside."""
    inside = [each for each in code.co_consts if isinstance(each, CodeType)]
    return (
        *((each.opname, each.argval) for each in dis.get_instructions(code)),
        *(told for each in inside for told in _instructions(each)),
    )
