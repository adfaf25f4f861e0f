"""Lists, tables and arrays in globals of installed packages: they are not captured.

Frames that lead to one of them have a copy of it after a restart, and the package its own.
"""

from __future__ import annotations

import re
import sys
from collections import deque
from collections.abc import Mapping

from sauerkraut.objects.project import is_project

_CONTAINERS = (bytearray, deque, dict, list, set)
_PREFIX = "package "
_WRITTEN = re.compile(rb"anchor package ([\w.]+)")


def anchors() -> dict[str, object]:
    """What `graph.freeze` is to write by name, so that `found` can tell."""
    numpy = sys.modules.get("numpy")
    kinds = (*_CONTAINERS, numpy.ndarray) if numpy is not None else _CONTAINERS
    loaded = [(name, getattr(each, "__dict__", {})) for name, each in list(sys.modules.items())]
    known = {id(namespace) for _, namespace in loaded}
    chosen: dict[str, object] = {}
    for module, namespace in loaded:
        if is_project(module) or module.partition(".")[0] == "sauerkraut":
            continue
        for name, value in list(namespace.items()):
            # Not isinstance, which asks a proxy for its class.
            if not issubclass(type(value), kinds) or name.startswith("__") or id(value) in known:
                continue
            known.add(id(value))
            chosen[f"{_PREFIX}{module}.{name}"] = value
    return chosen


def found(stream: bytes, chosen: Mapping[str, object]) -> list[str]:
    """Names, as in ``package.module.TABLE``, of what of `anchors` a stream leads to."""
    names = dict.fromkeys(each.decode() for each in _WRITTEN.findall(stream))
    return [name for name in names if f"{_PREFIX}{name}" in chosen]
