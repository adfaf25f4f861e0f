"""Programs that pause at many places; each is run whole, and resumed from each pause.

A scenario is a function of a module of this package whose name starts with ``do_``; what it
returns must not depend on where it was captured and resumed. ``pause(x)`` returns ``x``.
"""

import importlib
import pkgutil

from scenarios import pausing


def _find():
    found = {}
    for module in pkgutil.iter_modules(__path__):
        for name, value in vars(importlib.import_module(f"{__name__}.{module.name}")).items():
            if name.startswith("do_"):
                assert name not in found, f"two scenarios are called {name}"
                found[name] = value
    return found


scenarios = _find()


def run(name, pause_at=0):
    """Run one scenario; returns (its value as text, pauses it made, the snapshot or None)."""
    pausing.begin(scenarios[name], pause_at)
    value = repr(scenarios[name]())
    return value, pausing.count, pausing.kept
