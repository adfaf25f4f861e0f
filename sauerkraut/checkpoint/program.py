"""State of the program beside its frames, in its simplest form."""

from __future__ import annotations

import importlib
import os
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from sauerkraut.errors import CaptureError
from sauerkraut.objects.project import is_project

NO_DATA = (ModuleType, FunctionType, BuiltinFunctionType, type)
HANDLES = ("mpi4py", "sauerkraut")


def state_of(obj: Any) -> object:
    """What `set_state` needs to make another object of this type equal to ``obj``."""
    if type(obj).__module__ == "numpy" and type(obj).__name__ == "ndarray":
        return obj.copy()  # another object: this one is written as a name
    if type(obj) in (list, dict, set, bytearray):
        return type(obj)(obj)
    if hasattr(obj, "__dict__"):
        return dict(vars(obj))
    raise CaptureError(f"the state of a {type(obj).__qualname__} cannot be set in place")


def set_state(obj: Any, state: Any) -> None:
    """Give ``obj`` the state that `state_of` returned."""
    if isinstance(obj, (list, bytearray)):
        obj[:] = state
    elif isinstance(obj, (dict, set)):
        obj.clear()
        obj.update(state)
    elif hasattr(obj, "__dict__"):
        vars(obj).clear()
        vars(obj).update(state)
    else:
        obj[...] = state


def digest(args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """What two starts must have in common, as JSON."""
    return [[_look(each) for each in args], {name: _look(each) for name, each in kwargs.items()}]


def difference(then: Any, now: Any) -> str | None:
    """Say how two digests differ; None when they do not."""
    return None if then == now else f"run was called with {then} then, with {now} now"


def collect(modules: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The data in the globals of ``__main__`` and of those of ``modules`` that are the user's."""
    return {
        name: {
            key: value
            for key, value in vars(sys.modules[name]).items()
            if not key.startswith("__") and _is_data(value)
        }
        for name in dict.fromkeys(["__main__", *modules])
        if is_project(name)
    }


def rebind(held: Mapping[str, Mapping[str, Any]]) -> None:
    """Bind globals to what `collect` found."""
    for name, values in held.items():
        vars(sys.modules[name]).update(values)


def process() -> dict[str, Any]:
    """Random streams and working directory."""
    state: dict[str, Any] = {"random": random.getstate(), "directory": str(Path.cwd())}
    if "numpy.random" in sys.modules:
        state["numpy"] = sys.modules["numpy.random"].get_state()
    return state


def restore_place(state: Mapping[str, Any]) -> None:
    """Go to the working directory of `process`."""
    os.chdir(state["directory"])


def restore_process(state: Mapping[str, Any]) -> None:
    """Set the random streams of `process`."""
    random.setstate(state["random"])
    if "numpy" in state:
        importlib.import_module("numpy.random").set_state(state["numpy"])


def _look(value: Any) -> str:
    if isinstance(value, (bool, int, float, complex, str, bytes, type(None), Path)):
        return repr(value)
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{type(value).__qualname__} of {value.dtype} {value.shape}"
    return type(value).__qualname__


def _is_data(value: Any) -> bool:
    # a callable is code or a handle to something; a class with __call__ is data to its author,
    # but not to the simplest form
    return not isinstance(value, NO_DATA) and not type(value).__module__.startswith(HANDLES)
