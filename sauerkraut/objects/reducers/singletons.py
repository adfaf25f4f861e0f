"""Objects that mean something by being the very one a module holds: written as that name."""

from __future__ import annotations

import contextvars
import os
import random
import sys
import threading
from collections.abc import Iterator
from typing import Any

from sauerkraut.code import carried
from sauerkraut.objects.freezing import Freezing, Reduced, reduces, refuse
from sauerkraut.objects.project import is_project

_KINDS = (object, contextvars.ContextVar)


def name_of(obj: object, freezing: Freezing) -> tuple[str, str] | None:
    """(module, dotted name) of a global or class attribute that is ``obj``; of `_KINDS` only."""
    if freezing.singletons is None:
        freezing.singletons = {}
        for held, module, name in _held_by_modules():
            freezing.singletons.setdefault(id(held), (held, (module, name)))
    _, found = freezing.singletons.get(id(obj), (None, None))
    return found


def _held_by_modules() -> Iterator[tuple[object, str, str]]:
    for module, holder in list(sys.modules.items()):
        if carried.carries(module):
            continue
        for name, value in list(getattr(holder, "__dict__", {}).items()):
            if type(value) in _KINDS:
                yield value, module, name
            elif isinstance(value, type) and getattr(value, "__module__", None) == module:
                for attribute, held in list(vars(value).items()):
                    if type(held) in _KINDS:
                        yield held, module, f"{name}.{attribute}"


def find(module: str, name: str) -> object:
    """The object that a dotted name of a module stands for."""
    import importlib

    found: Any = importlib.import_module(module)
    for part in name.split("."):
        # Not getattr: a class attribute may be a descriptor.
        found = vars(found)[part] if isinstance(found, type) else getattr(found, part)
    return found


@reduces(object)
def _reduce_sentinel(obj: object, freezing: Freezing) -> Reduced:
    name = name_of(obj, freezing)
    return (object, ()) if name is None else (find, name)


@reduces(random.Random)
def _reduce_random(generator: random.Random, _: Freezing) -> Reduced:
    # The generator behind the functions of the module belongs to the process.
    if generator is getattr(random, "_inst", None):
        return (find, ("random", "_inst"))
    return generator.__reduce__()


@reduces(
    *{
        type(value)
        for value in vars(sys).values()
        if isinstance(value, tuple) and type(value).__module__ == "sys"
    }
)
def _reduce_of_sys(value: object, _: Freezing) -> Reduced:
    """What sys says of the interpreter (``sys.version_info``): as it is where it comes back."""
    return (find, ("sys", type(value).__name__))


@reduces(type(os.environ))
def _reduce_environment(environment: Any, _: Freezing) -> Reduced:
    # The process's own, not a copy of what it was elsewhere.
    for name in ("environ", "environb"):
        if environment is getattr(os, name):
            return (find, ("os", name))
    reduced: tuple[Any, ...] = environment.__reduce_ex__(5)
    return reduced


@reduces("ctypes.CDLL", "_ctypes.CFuncPtr", "_cffi_backend.Lib", "_cffi_backend.CompiledFFI")
def _reduce_library(library: Any, _: Freezing) -> Reduced:
    """A library in C, or a function of it, as the global of the project that holds it."""
    for module, holder in list(sys.modules.items()):
        if is_project(module):
            for name, value in list(vars(holder).items()):
                if value is library:
                    return (find, (module, name))
    raise refuse(library, "keep it in a global, and do not rebind that")


@reduces(type(threading.main_thread()))
def _reduce_main_thread(_thread: object, _: Freezing) -> Reduced:
    return (threading.main_thread, ())


@reduces("numpy.random.mtrand.RandomState")
def _reduce_legacy(generator: Any, _: Freezing) -> Reduced:
    # The same for the functions of numpy.random.
    if generator is getattr(sys.modules["numpy.random.mtrand"], "_rand", None):
        return (find, ("numpy.random.mtrand", "_rand"))
    reduced: tuple[Any, ...] = generator.__reduce__()
    return reduced
