"""How objects that pickle does not take, or takes wrongly, are written: one file per family."""

from __future__ import annotations

import importlib

_FAMILIES = (
    "c_data",
    "classes",
    "containers",
    "contexts",
    "data_frames",
    "devices",
    "exceptions",
    "files",
    "functions",
    "generators",
    "plain",
    "iterators",
    "iterator_tools",
    "locks",
    "managers",
    "mappings",
    "refused",
    "singletons",
    "tables",
    "text_codecs",
    "type_variables",
    "weakrefs",
)


def load() -> None:
    """Fill the table of reducers."""
    for family in _FAMILIES:
        importlib.import_module(f"{__name__}.{family}")
