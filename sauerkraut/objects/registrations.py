"""What a program tells the standard library once: handlers of logging and of signals.

A program whose source a restart runs again tells it again; for one that is carried whole
(`sauerkraut run`) it belongs to the checkpoint. Functions given to `atexit` cannot be found.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from typing import Any


def capture() -> dict[str, Any]:
    """Loggers that are not as `logging` makes them, and signal handlers in Python.

    Values to be frozen with the graph; handlers of sauerkraut are left out.
    """
    return {"logging": _logging(), "signals": _signals()}


def restore(state: Mapping[str, Any]) -> None:
    """Set what `capture` returned, thawed; signals where this is the main thread."""
    for number, handler in state["signals"].items():
        signal.signal(number, handler)
    if state["logging"] is None:
        return
    import logging

    disabled, loggers = state["logging"]
    logging.disable(disabled)
    for name, attributes in loggers.items():
        vars(logging.getLogger(name)).update(attributes)
    # loggers remember which levels they pass
    getattr(logging.root.manager, "_clear_cache", lambda: None)()


def _signals() -> dict[int, Any]:
    found = {}
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        own = getattr(handler, "__module__", None) or ""
        if (
            callable(handler)
            and handler is not signal.default_int_handler
            and not own.startswith("sauerkraut.")
        ):
            found[int(number)] = handler
    return found


def _logging() -> tuple[int, dict[str | None, dict[str, Any]]] | None:
    logging = sys.modules.get("logging")
    if logging is None:
        return None
    root = logging.root
    named = root.manager.loggerDict.items()
    loggers = {name: each for name, each in named if isinstance(each, logging.Logger)}
    found: dict[str | None, dict[str, Any]] = {None: _of_logger(root)}
    for name, logger in loggers.items():
        state = _of_logger(logger)
        if state != _UNTOLD:
            found[name] = state
    return root.manager.disable, found


def _of_logger(logger: Any) -> dict[str, Any]:
    return {name: getattr(logger, name) for name in _UNTOLD}


_UNTOLD: dict[str, Any] = {
    "level": 0,
    "handlers": [],
    "filters": [],
    "propagate": True,
    "disabled": False,
}
