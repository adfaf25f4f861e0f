"""Objects that mean something by being the very one a module holds: written as that name."""

from __future__ import annotations

import random
import sys
import threading
from typing import Any

from sauerkraut.objects.freezing import Freezing, Reduced, reduces


def name_of(obj: object) -> tuple[str, str] | None:
    """(module, dotted name) of a global or class attribute that is ``obj``."""
    for name, module in list(sys.modules.items()):
        for key, value in list(getattr(module, "__dict__", {}).items()):
            if value is obj:
                return name, key
            if isinstance(value, type) and getattr(value, "__module__", None) == name:
                for attribute, held in list(vars(value).items()):
                    if held is obj:
                        return name, f"{key}.{attribute}"
    return None


def find(module: str, name: str) -> object:
    """The object that a dotted name of a module stands for."""
    import importlib

    found: Any = importlib.import_module(module)
    for part in name.split("."):
        # Not getattr: a class attribute may be a descriptor.
        found = vars(found)[part] if isinstance(found, type) else getattr(found, part)
    return found


@reduces(object)
def _reduce_sentinel(obj: object, _: Freezing) -> Reduced:
    name = name_of(obj)
    return (object, ()) if name is None else (find, name)


@reduces(random.Random)
def _reduce_random(generator: random.Random, _: Freezing) -> Reduced:
    # The generator behind the functions of the module belongs to the process.
    if generator is getattr(random, "_inst", None):
        return (find, ("random", "_inst"))
    return generator.__reduce__()


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
