"""State of the process beside its frames and objects: random streams, contexts, directories."""

from __future__ import annotations

import contextvars
import importlib
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sauerkraut.errors import ResumeError
from sauerkraut.objects.project import is_project

_NUMPY = ("numpy._core._ufunc_config", "numpy._core.printoptions")
"""Modules that hold the variables of ``numpy.errstate`` and ``numpy.printoptions``."""


def capture() -> dict[str, Any]:
    """The state of this process, as values to be frozen with the graph; changes nothing.

    `random`, the legacy generator of `numpy.random` (when imported), working directory, umask,
    decimal context, ``numpy.errstate`` and print options, Matplotlib's ``rcParams``, context
    variables of project modules, warnings filters and recursion limit. Not: environment, locale,
    logging.
    """
    state: dict[str, Any] = {
        "random": random.getstate(),
        "directory": str(Path.cwd()),
        "umask": _umask(),
        "recursion_limit": sys.getrecursionlimit(),
        "warnings": list(warnings.filters),
        "variables": _variables(),
    }
    if "decimal" in sys.modules:
        state["decimal"] = sys.modules["decimal"].getcontext()  # the very one that frames may hold
    if "numpy" in sys.modules:
        state["numpy.errstate"] = dict(sys.modules["numpy"].geterr())
        state["numpy.printoptions"] = sys.modules["numpy"].get_printoptions()
    if (parameters := getattr(sys.modules.get("matplotlib"), "rcParams", None)) is not None:
        # Asked through itself it would choose a backend, which stands there as no text until then.
        chosen = dict.items(parameters)
        state["matplotlib"] = {
            name: value for name, value in chosen if name != "backend" or isinstance(value, str)
        }
    if "numpy.random" in sys.modules:
        state["numpy.random"] = sys.modules["numpy.random"].get_state(legacy=False)
    return state


def restore(state: Mapping[str, Any]) -> None:
    """Set what `capture` returned, thawed.

    Raises:
        ResumeError: the working directory is not there; nothing was set.
    """
    try:
        os.chdir(state["directory"])
    except OSError as error:
        raise ResumeError(f"the working directory of the capture is needed: {error}") from error
    os.umask(state["umask"])
    sys.setrecursionlimit(max(state["recursion_limit"], sys.getrecursionlimit()))
    random.setstate(state["random"])
    set_filters(state["warnings"])
    if "decimal" in state:
        importlib.import_module("decimal").setcontext(state["decimal"])
    if "numpy.errstate" in state:
        importlib.import_module("numpy").seterr(**state["numpy.errstate"])
    if "numpy.printoptions" in state:
        importlib.import_module("numpy").set_printoptions(**state["numpy.printoptions"])
    if "matplotlib" in state:
        parameters = importlib.import_module("matplotlib").rcParams
        dict.update(parameters, {k: v for k, v in state["matplotlib"].items() if k in parameters})
    if "numpy.random" in state:
        importlib.import_module("numpy.random").set_state(state["numpy.random"])
    for variable, value in state["variables"]:
        variable.set(value)


def set_filters(filters: Sequence[Any]) -> None:
    """Make these the filters of `warnings`."""
    held = vars(warnings)  # typed as if nobody changed them
    held["filters"][:] = filters
    held["_filters_mutated"]()


def _umask() -> int:
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    except OSError:
        pass
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _variables() -> list[tuple[contextvars.ContextVar[Any], Any]]:
    """Context variables that project modules hold, with their values."""
    set_here = contextvars.copy_context()
    if not len(set_here):
        return []
    return [(each, set_here[each]) for each in _held(is_project) if each in set_here]


def held_variables() -> set[contextvars.ContextVar[Any]]:
    """Context variables that project modules hold, and NumPy's."""
    return set(_held(lambda module: is_project(module) or module in _NUMPY))


def _held(by: Callable[[str], bool]) -> Iterable[contextvars.ContextVar[Any]]:
    """Context variables that modules of these names hold, each once."""
    found: dict[contextvars.ContextVar[Any], None] = {}
    for name, module in list(sys.modules.items()):
        if by(name):
            for value in list(getattr(module, "__dict__", {}).values()):
                if isinstance(value, contextvars.ContextVar):
                    found[value] = None
    return found


def environment() -> dict[str, str]:
    """Facts of this process that a restart compares: Python, NumPy, MPI, project packages."""
    facts = {
        "python": sys.version.split()[0],
        "hash seed": os.environ.get("PYTHONHASHSEED", "random"),
    }
    for package in ("numpy", "mpi4py"):
        if package in sys.modules:
            facts[package] = str(getattr(sys.modules[package], "__version__", "unknown"))
    library = getattr(sys.modules.get("mpi4py.MPI"), "Get_library_version", None)
    if library is not None:
        facts["MPI"] = library().splitlines()[0].strip("\0 ")
    for name, module in sorted(sys.modules.items()):
        version = getattr(module, "__dict__", {}).get("__version__")
        if "." not in name and isinstance(version, str) and is_project(name):
            facts[name] = version
    return facts


def compare(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """One line per fact that differs; what is absent now may yet be imported, as it was then."""
    return [
        f"{name}: {then.get(name, 'absent')} at the capture, {value} now"
        for name, value in now.items()
        if then.get(name) != value
    ]
