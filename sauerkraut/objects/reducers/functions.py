"""Functions, cells, code objects, bound methods, modules."""

from __future__ import annotations

import builtins
import functools
import gc
import importlib
import sys
import types
from typing import Any

from sauerkraut.code import fingerprint, reference
from sauerkraut.code.reference import CodeReference
from sauerkraut.errors import CodeChanged
from sauerkraut.objects.freezing import Freezing, Reduced, reduces, refuse, same
from sauerkraut.objects.project import is_project
from sauerkraut.objects.reducers.definitions import (
    Definitions,
    attribute,
    carried,
    carries,
    named_by,
)
from sauerkraut.objects.reducers.plain import own_state, set_attributes


@reduces(types.FunctionType)
def reduce_function(function: types.FunctionType, freezing: Freezing) -> Reduced:
    """By name when the name finds this very function, otherwise by value."""
    module, qualname = function.__module__, function.__qualname__
    if "<" not in qualname and attribute(module, qualname) is function:
        if is_project(module):
            freezing.code[f"{module}:{qualname}"] = fingerprint.of(function.__code__)
        if carries(module, freezing):
            return carried(function, _by_value(function, freezing), freezing)
        return qualname
    return _by_value(function, freezing)


def _by_value(function: types.FunctionType, freezing: Freezing) -> Reduced:
    closure = function.__closure__ or ()
    freezing.globals_of[id(function.__code__)] = function.__globals__
    return (
        make_function,
        (
            function.__code__,
            function.__globals__,
            function.__name__,
            tuple(_empty(cell, freezing) for cell in closure),
            *_own_builtins(function),
        ),
        (
            closure,
            function.__qualname__,
            function.__module__,
            function.__defaults__,
            function.__kwdefaults__,
            _annotations(function),
            function.__doc__,
            dict(function.__dict__),  # a variable may hold the very one, see `own_attributes`
            getattr(function, "__type_params__", ()),
            freezing.contents_of(function.__globals__),
            named_by(function) if freezing.carried is not None else {},
        ),
        None,
        None,
        set_function,
    )


def _empty(cell: types.CellType, freezing: Freezing) -> object:
    """What a function is made with: it may lead to itself. A cell that goes by name is there."""
    return cell if id(cell) in freezing.anchored else freezing.shell_of(cell, make_cell)


def _own_builtins(function: Any) -> tuple[dict[str, Any], ...]:
    """What a function finds built-in names in, where that is not the module ``builtins``."""
    found: dict[str, Any] = function.__builtins__
    return () if found is vars(builtins) else (found,)


def _annotations(function: types.FunctionType) -> object:
    """Annotations; from CPython 3.14 on the function that makes them, not yet called (PEP 649)."""
    annotate = getattr(function, "__annotate__", None)
    return function.__annotations__ if annotate is None else annotate


def make_function(
    code: types.CodeType,
    namespace: dict[str, Any],
    name: str,
    cells: tuple[types.CellType, ...],
    own_builtins: dict[str, Any] | None = None,
) -> types.FunctionType:
    """A function without defaults and attributes, whose cells and globals may be empty yet."""
    absent = own_builtins is not None and "__builtins__" not in namespace
    if absent:
        namespace["__builtins__"] = own_builtins
    made = types.FunctionType(code, namespace, name, None, cells or None)
    if absent:
        del namespace["__builtins__"]  # it comes with the others, in their order
    return made


def set_function(function: Any, state: tuple[Any, ...]) -> None:
    """Set what `make_function` left out; the cells in ``state`` were filled by being read."""
    _, qualname, module, defaults, kwdefaults, annotations, doc, attributes, params, held, named = (
        state
    )
    function.__globals__.update(held)
    function.__qualname__ = qualname
    function.__module__ = module
    function.__defaults__ = defaults
    function.__kwdefaults__ = kwdefaults
    if isinstance(annotations, dict):
        function.__annotations__ = annotations
    else:
        function.__annotate__ = annotations
    function.__doc__ = doc
    function.__dict__.update(attributes)
    if params:
        function.__type_params__ = params
    Definitions(named).bind()


def make_cell() -> types.CellType:
    """An empty cell."""
    return types.CellType()


@reduces(types.CellType)
def _reduce_cell(cell: types.CellType, freezing: Freezing) -> Reduced:
    shell = freezing.shell_of(cell, make_cell)
    try:
        contents = cell.cell_contents
    except ValueError:
        return (same, (shell,))
    if type(contents) is dict and (cls := _class_with(contents, freezing)) is not None:
        return (same, (shell,), (cls,), None, None, set_cell_to_namespace)
    # In a tuple: a state of None would not be set.
    return (same, (shell,), (contents,), None, None, set_cell)


def namespace_of(cls: type) -> dict[str, Any]:
    """The dict behind the ``__dict__`` of a class: code in the class body may refer to it."""
    found: dict[str, Any] = gc.get_referents(vars(cls))[0]
    return found


def _class_with(contents: dict[str, Any], freezing: Freezing) -> type | None:
    """The class whose attributes a cell holds: annotations and type parameters look there."""
    if "__module__" not in contents:
        return None
    known = freezing.class_of.get(id(contents))
    if known is None:
        for referrer in gc.get_referrers(contents):
            if isinstance(referrer, type) and namespace_of(referrer) is contents:
                return referrer
    return known


def set_cell_to_namespace(cell: types.CellType, state: tuple[type]) -> None:
    """Fill a cell with the attributes of a class."""
    cell.cell_contents = namespace_of(state[0])


def set_cell(cell: types.CellType, state: tuple[object]) -> None:
    """Fill a cell."""
    (cell.cell_contents,) = state


@reduces(types.CodeType)
def _reduce_code(code: types.CodeType, freezing: Freezing) -> Reduced:
    ref = reference.of(code, freezing.globals_of.get(id(code)) or _globals_of(code))
    if is_project(ref.module) and (outer := reference.outermost(ref)) is not None:
        freezing.code[f"{ref.module}:{ref.qualname}"] = fingerprint.of(outer)
    fields = (ref.module, ref.qualname, ref.path, ref.fingerprint, ref.embedded, ref.layout)
    return (
        resolve_code,
        (fields, code.co_qualname, code.co_freevars, freezing.carried is not None),
    )


def _globals_of(code: types.CodeType) -> dict[str, Any]:
    """Globals of the module whose file ``code`` was compiled from; code does not know them."""
    for module in list(sys.modules.values()):
        if isinstance(module, types.ModuleType):
            namespace = vars(module)
            if namespace.get("__file__") == code.co_filename:
                return namespace
    return {}


def resolve_code(
    fields: tuple[Any, ...], qualname: str, variables: tuple[str, ...], carried: bool = False
) -> types.CodeType:
    """The local code object of a reference.

    Code that runs at the restart is checked by whoever resumes it. What a function that was only
    held refers to may have changed, if it is still the same function with the same variables;
    code of ``__main__`` that was ``carried`` along stays as it was.
    """
    ref = CodeReference(*fields)
    try:
        return reference.resolve(ref)
    except CodeChanged:
        if carried and ref.module == "__main__":
            return reference.embedded(ref)
        code = reference.nearest(ref)
        if code is None or (code.co_qualname, code.co_freevars) != (qualname, variables):
            raise
        return code


@reduces(types.MethodType)
def _reduce_method(method: types.MethodType, _: Freezing) -> Reduced:
    return (types.MethodType, (method.__func__, method.__self__))


@reduces(types.ModuleType, subclasses=True)
def _reduce_module(module: types.ModuleType, _: Freezing) -> Reduced:
    if sys.modules.get(module.__name__) is not module:
        raise refuse(
            module,
            f"module {module.__name__!r} was not imported: import it, or keep what a program makes "
            "for itself in a types.SimpleNamespace",
        )
    return (importlib.import_module, (module.__name__,))


_WRAPPERS: Any = (property, staticmethod, classmethod)


@reduces(property)
def _reduce_property(value: property, _: Freezing) -> Reduced:
    return (property, (value.fget, value.fset, value.fdel, value.__doc__))


@reduces(staticmethod, classmethod)
def _reduce_wrapper(value: Any, _: Freezing) -> Reduced:
    return (type(value), (value.__func__,))


@reduces(*_WRAPPERS, subclasses=True)
def _reduce_derived_wrapper(value: Any, _: Freezing) -> Reduced:
    """One of a class of the program's own, with its attributes."""
    cls = type(value)
    base = next(each for each in cls.__mro__ if each in _WRAPPERS)
    if base is property:
        held = (value.fget, value.fset, value.fdel)
        return (make_wrapper, (cls, base), (held, own_state(value)), None, None, set_wrapper)
    return (make_wrapper, (cls, base, value.__func__), own_state(value), None, None, set_attributes)


def make_wrapper(cls: Any, base: Any, *function: Any) -> Any:
    """An empty property, or a static or class method, past the ``__init__`` of its class."""
    made = base.__new__(cls, *function)
    if base.__init__ is not object.__init__:  # from CPython 3.15 on methods have none
        base.__init__(made, *function)
    return made


def set_wrapper(value: Any, state: tuple[tuple[Any, ...], Any]) -> None:
    """Give a property its functions and attributes."""
    held, own = state
    property.__init__(value, *held)
    set_attributes(value, own)


@reduces(super)
def _reduce_super(value: Any, _: Freezing) -> Reduced:
    return (super, (value.__thisclass__, value.__self__))


@reduces(type(functools.lru_cache(len)))
def _reduce_cached(value: Any, freezing: Freezing) -> Reduced:
    name: str = value.__qualname__
    # The cache itself is a copy of what can be computed again: it comes back empty.
    parameters = value.cache_parameters()
    by_value = (make_cached, (value.__wrapped__, parameters["maxsize"], parameters["typed"]))
    if attribute(value.__module__, name) is not value:
        return by_value
    if carries(value.__module__, freezing):
        return carried(value, by_value, freezing)
    return name


def make_cached(function: Any, maxsize: int | None, typed: bool) -> Any:
    """An empty ``functools.lru_cache`` of ``function``."""
    return functools.lru_cache(maxsize, typed)(function)


@reduces(functools.partialmethod)
def _reduce_partialmethod(method: functools.partialmethod[Any], _: Freezing) -> Reduced:
    # From CPython 3.14 on its class cannot be called without a function.
    return (object.__new__, (functools.partialmethod,), vars(method))
