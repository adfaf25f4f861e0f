"""Classes: by name, or, made at run time, as an empty class that is given its attributes."""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import decimal
import enum
import functools
import operator
import sys
import types
import typing
import weakref
from collections.abc import Iterator
from typing import Any

from sauerkraut.code import fingerprint
from sauerkraut.errors import CaptureError
from sauerkraut.objects import thawing
from sauerkraut.objects.freezing import Freezing, Reduced, describe, reduces
from sauerkraut.objects.project import is_project
from sauerkraut.objects.reducers import containers, enumerations
from sauerkraut.objects.reducers.definitions import attribute, carried, carries
from sauerkraut.objects.reducers.functions import namespace_of

# Py_TPFLAGS_HEAPTYPE without Py_TPFLAGS_IMMUTABLETYPE: a class that Python code made.
_PYTHON_KIND = 1 << 9
_KIND = 1 << 9 | 1 << 8

# Made anew with the class, by its metaclass, or by pickling.
_OWN = frozenset(("__dict__", "__slotnames__", "__static_attributes__", "__weakref__", "_abc_impl"))
# What the base classes look at when a class is made.
_AT_CREATION = ("__slots__", "__orig_bases__")
_NAME_SETS = frozenset(
    ("__abstractmethods__", "__non_callable_proto_members__", "__protocol_attrs__")
)
_ENUM_OWN = frozenset(
    (
        "_generate_next_value_",
        "_hashable_values_",
        "_member_map_",
        "_member_names_",
        "_member_type_",
        "_unhashable_values_",
        "_unhashable_values_map_",
        "_value2member_map_",
        "_value_repr_",
        "_boundary_",
        "_flag_mask_",
        "_all_bits_",
        "_inverted_",
        "_singles_mask_",
        "__new__",
    )
)


@reduces(type, subclasses=True)
def reduce_class(cls: type, freezing: Freezing) -> Any:
    """By name when the name finds this very class, otherwise by value."""
    module, qualname = cls.__module__, cls.__qualname__
    if "<" not in qualname and attribute(module, qualname) is cls:
        if is_project(module):
            _note_methods(cls, freezing)
        if carries(module, freezing):
            return carried(cls, _by_value(cls, freezing), freezing)
        return qualname
    if module == "builtins" and cls in _BUILT_IN_BY_TYPES_NAME:
        return (built_in, (_BUILT_IN_BY_TYPES_NAME[cls],))
    if cls in (type(None), type(NotImplemented), type(Ellipsis)):
        return NotImplemented
    if (of_ctypes := _reduce_ctypes(cls)) is not None:
        return of_ctypes
    if (module, qualname) == ("decimal", "ContextManager"):
        return (class_of_local_contexts, ())
    if cls.__flags__ & _KIND != _PYTHON_KIND:
        raise CaptureError(f"{describe(cls)} cannot be captured: it is a class in C without a name")
    return _by_value(cls, freezing)


def _by_value(cls: Any, freezing: Freezing) -> Reduced:
    module = cls.__module__
    freezing.class_of[id(namespace_of(cls))] = cls
    if issubclass(cls, enum.Enum):
        return _reduce_enum(cls)
    if type(cls) is _TypedDictMeta:
        annotations = dict(cls.__annotations__)
        return (make_typed_dict, (cls.__name__, annotations, cls.__total__, module))
    attributes = _attributes(cls)
    at_creation = {name: attributes.pop(name) for name in _AT_CREATION if name in attributes}
    at_creation["__module__"] = module
    for name in _NAME_SETS & attributes.keys():
        # In an order of ours: theirs follows the hash seed, and nobody looks at it.
        attributes[name] = sorted(attributes[name])
    return (
        make_class,
        (type(cls), cls.__name__, cls.__bases__, at_creation),
        (cls.__qualname__, attributes, *_registered(cls)),
        None,
        None,
        set_class,
    )


def _registered(cls: type) -> list[list[weakref.ref[type]]]:
    """Classes that an abstract one was told of by ``register``, in an order of ours; or nothing."""
    if not isinstance(cls, abc.ABCMeta):
        return []
    registry: set[weakref.ref[type]] = vars(abc)["_get_dump"](cls)[0]
    held = [found for each in registry if (found := each()) is not None]
    held.sort(key=lambda each: (each.__module__, each.__qualname__))
    return [[weakref.ref(each) for each in held]] if held else []


def _reduce_ctypes(cls: Any) -> Reduced | None:
    """Array and pointer types of ctypes are made by an expression."""
    if type(cls).__module__ == "_ctypes" and cls.__mro__[1].__module__ == "_ctypes":
        if cls.__mro__[1].__name__ == "Array":
            return (operator.mul, (cls._type_, cls._length_))
        if cls.__mro__[1].__name__ == "_Pointer":
            return (pointer_to, (cls._type_,))
    return None


class _AnyTypedDict(typing.TypedDict):
    pass


_TypedDictMeta = type(_AnyTypedDict)


def make_typed_dict(name: str, annotations: dict[str, Any], total: bool, module: str) -> Any:
    """A ``typing.TypedDict``, which is a class only to type checkers."""
    made: Any = typing.TypedDict(name, annotations, total=total)  # type: ignore[misc]
    made.__module__ = module
    return made


def pointer_to(cls: Any) -> type:
    """``ctypes.POINTER(cls)``."""
    import ctypes

    made: type = ctypes.POINTER(cls)
    return made


_BUILT_IN_BY_TYPES_NAME: dict[type, str] = {
    value: name
    for name, value in vars(types).items()
    if isinstance(value, type) and name.endswith("Type")
}


def built_in(name: str) -> type:
    """A built-in class that only the module ``types`` has a name for."""
    found: type = getattr(types, name)
    return found


def class_of_local_contexts() -> type:
    """What `with decimal.localcontext()` keeps of its ``__exit__`` on CPython 3.14 and later."""
    return type(decimal.localcontext())


def _note_methods(cls: type, freezing: Freezing) -> None:
    key = f"{cls.__module__}:{cls.__qualname__}"
    if key in freezing.code:
        return
    freezing.code[key] = b""
    for value in vars(cls).values():
        function = getattr(value, "__func__", value)
        if isinstance(function, types.FunctionType) and function.__module__ == cls.__module__:
            name = f"{function.__module__}:{function.__qualname__}"
            freezing.code[name] = fingerprint.of(function.__code__)


def _attributes(cls: type) -> dict[str, Any]:
    slots = cls.__dict__.get("__slots__", ())
    slots = (slots,) if isinstance(slots, str) else tuple(slots)
    private = f"_{cls.__name__.lstrip('_')}"
    made = {f"{private}{s}" if s.startswith("__") and not s.endswith("__") else s for s in slots}
    return {
        name: value
        for name, value in vars(cls).items()
        if name not in _OWN and not (name in made and isinstance(value, types.MemberDescriptorType))
    }


def make_class(
    metaclass: type, name: str, bases: tuple[type, ...], at_creation: dict[str, Any]
) -> type:
    """A class without attributes.

    Only bases and metaclasses that this program defines hear of it: what the captured ones made of
    it is captured with them.
    """
    found = thawing.current().classes
    of_program: Any = next(each for each in metaclass.__mro__ if id(each) not in found)
    with _not_told(bases, found):
        try:
            if of_program is metaclass:
                made = types.new_class(
                    name, bases, {"metaclass": metaclass}, lambda space: space.update(at_creation)
                )
            else:
                made = of_program.__new__(metaclass, name, bases, dict(at_creation))
                of_program.__init__(made, name, bases, dict(at_creation))
        except TypeError:
            # A base or the metaclass wants arguments of the class statement, which nobody keeps.
            make: Any = abc.ABCMeta if issubclass(metaclass, abc.ABCMeta) else type
            with _not_told(bases):
                made = make.__new__(metaclass, name, bases, dict(at_creation))
    found.add(id(made))
    thawing.current().undefined[id(made)] = []
    return made


@contextlib.contextmanager
def _not_told(bases: tuple[type, ...], among: set[int] | None = None) -> Iterator[None]:
    """Without the ``__init_subclass__`` of the bases meanwhile; where given, of those only."""
    mro = dict.fromkeys(cls for base in bases for cls in base.__mro__ if cls is not object)
    told: dict[Any, Any] = {
        cls: vars(cls)["__init_subclass__"]
        for cls in mro
        if "__init_subclass__" in vars(cls) and (among is None or id(cls) in among)
    }
    try:
        for cls in told:
            hears: Any = (lambda _: None) if among is None else _passing_on(cls)
            cls.__init_subclass__ = classmethod(hears)
        yield
    finally:
        for cls, method in told.items():
            cls.__init_subclass__ = method


def _passing_on(owner: Any) -> Any:
    return lambda cls: super(owner, cls).__init_subclass__()


def set_class(cls: Any, state: tuple[Any, ...]) -> None:
    """Give a class its attributes; an abstract one hears of the classes that were registered."""
    qualname, attributes, *registered = state
    # What a program makes of an attribute that is set has been made.
    past = isinstance(type(cls).__setattr__, types.FunctionType)
    put: Any = type.__setattr__ if past else setattr
    put(cls, "__qualname__", qualname)
    for name, value in attributes.items():
        if name in _NAME_SETS:
            value = (frozenset if name == "__abstractmethods__" else set)(value)
        put(cls, name, value)
    for reference in registered[0] if registered else ():
        # When all classes have their attributes, which it looks at.
        thawing.current().last.append(functools.partial(_register, cls, reference))
    for value, own in thawing.current().undefined.pop(id(cls), ()):
        containers.set_state(value, own)


def _register(cls: Any, reference: weakref.ref[type]) -> None:
    cls.register(reference())


def sets_its_own_state(cls: Any) -> bool:
    """Whether a class derived from no built-in one has a `__setstate__` that may come late."""
    own = isinstance(getattr(cls, "__setstate__", None), types.FunctionType)
    return own and containers.comes_late(cls, "__setstate__") and containers.is_made_by_object(cls)


def reduce_with_own_state(value: Any, _: Freezing) -> Any:
    """An instance of a class that `sets_its_own_state`: its class may lead to it."""
    reduced = value.__reduce_ex__(5)
    if isinstance(reduced, tuple) and len(reduced) > 2 and reduced[2] is not None:
        return (*(*reduced, None, None)[:5], set_when_defined)
    return reduced


def set_when_defined(value: Any, state: Any) -> None:
    """Let an instance set its state, as soon as its class has its methods."""
    waiting = thawing.current().undefined.get(id(type(value)))
    if waiting is None:
        containers.set_state(value, state)
    else:
        waiting.append((value, state))


def _reduce_enum(cls: Any) -> Reduced:
    members = {name: member._value_ for name, member in cls.__members__.items()}
    attributes = {
        name: value
        for name, value in _attributes(cls).items()
        if name not in _ENUM_OWN and name not in members
    }
    return (
        make_enum,
        (
            *(type(cls), cls.__name__, cls.__bases__, members, cls.__module__, cls.__qualname__),
            {name: enumerations.made_of(member) for name, member in cls.__members__.items()},
            {"boundary": cls._boundary_} if issubclass(cls, enum.Flag) else {},
        ),
        (attributes, {name: _member_state(member) for name, member in cls.__members__.items()}),
        None,
        None,
        set_enum,
    )


def make_enum(
    metaclass: Any,
    name: str,
    bases: tuple[type, ...],
    members: dict[str, Any],
    module: str,
    qualname: str,
    made: dict[str, enumerations.Made] | None = None,
    options: dict[str, Any] | None = None,
) -> type:
    """An enumeration with its members; older streams do not tell what those are made of."""
    namespace = metaclass.__prepare__(name, bases)
    namespace["__module__"] = module
    namespace["__qualname__"] = qualname
    for key, value in (members if made is None else enumerations.body(members, made)).items():
        namespace[key] = value
    cls: type = metaclass.__new__(metaclass, name, bases, namespace, **(options or {}))
    if made is not None:
        enumerations.forget(cls)
    return cls


def set_enum(cls: Any, state: tuple[dict[str, Any], dict[str, dict[str, Any]]]) -> None:
    """Give an enumeration its methods, and its members what their ``__init__`` gave them."""
    attributes, members = state
    for name, value in attributes.items():
        if name not in ("__module__", "__qualname__"):
            setattr(cls, name, value)
    for name, held in members.items():
        vars(cls[name]).update(held)


def _member_state(member: Any) -> dict[str, Any]:
    made = ("_value_", "_name_", "__objclass__", "_sort_order_")
    return {name: value for name, value in vars(member).items() if name not in made}


@reduces(type(dataclasses.MISSING), type(vars(dataclasses)["_FIELD"]))
def _reduce_dataclass_mark(mark: object, _: Freezing) -> Reduced:
    name = next(name for name, value in vars(dataclasses).items() if value is mark)
    return (getattr, (sys.modules["dataclasses"], name))


@reduces(types.MemberDescriptorType, types.GetSetDescriptorType, types.WrapperDescriptorType)
def _reduce_descriptor(descriptor: Any, _: Freezing) -> Reduced:
    name: str = descriptor.__name__
    if vars(Freezing).get(name) is descriptor:  # of all classes, from 3.15 on
        return (shared_descriptor, (name,))
    return (getattr, (descriptor.__objclass__, name))


def shared_descriptor(name: str) -> Any:
    """The descriptor ``__weakref__`` or ``__dict__``, where all classes have the same one."""
    return vars(Freezing)[name]
