"""What a program tells the standard library once: handlers of logging and of signals.

A program whose source a restart runs again tells it again; for one that is carried whole
(`sauerkraut run`) it belongs to the checkpoint. Functions given to `atexit` cannot be found.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from typing import Any

from sauerkraut.objects.project import is_project


def capture() -> dict[str, Any]:
    """Loggers that are not as `logging` makes them, signal handlers, and the hooks of `sys`.

    Values to be frozen with the graph; what sauerkraut registered is left out.
    """
    hooks = {name: getattr(sys, name) for name in _HOOKS if _is_of_program(getattr(sys, name))}
    return {"logging": _logging(), "signals": _signals(), "hooks": hooks}


def restore(state: Mapping[str, Any]) -> None:
    """Set what `capture` returned, thawed; in the main thread."""
    for number, handler in state["signals"].items():
        signal.signal(number, handler)
    for name, hook in state["hooks"].items():
        setattr(sys, name, hook)
    if state["logging"] is None:
        return
    import logging

    disabled, levels, loggers = state["logging"]
    logging.disable(disabled)
    for number, text in levels.items():
        logging.addLevelName(number, text)
    known = {id(reference()) for reference in vars(logging)["_handlerList"]}
    for name, attributes in loggers.items():
        vars(logging.getLogger(name)).update(attributes)
        for handler in attributes["handlers"]:
            if id(handler) not in known:  # so that it is flushed at the end
                vars(logging)["_addHandlerRef"](handler)
    # loggers remember which levels they pass
    vars(logging.Manager)["_clear_cache"](logging.root.manager)


def _signals() -> dict[int, Any]:
    found = {}
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        own = getattr(handler, "__module__", None) or ""
        at_start = _AT_START.get(number, signal.SIG_DFL)
        if handler not in (None, at_start) and not own.startswith("sauerkraut."):
            found[int(number)] = handler
    return found


def _is_of_program(hook: Any) -> bool:
    return is_project(getattr(hook, "__module__", None))


def _logging() -> tuple[int, dict[int, str], dict[str | None, dict[str, Any]]] | None:
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
    return root.manager.disable, dict(vars(logging)["_levelToName"]), found


def _of_logger(logger: Any) -> dict[str, Any]:
    return {name: getattr(logger, name) for name in _UNTOLD}


_HOOKS = ("excepthook", "displayhook", "unraisablehook")
_AT_START: dict[int, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGPIPE: signal.SIG_IGN,
    signal.SIGXFSZ: signal.SIG_IGN,
}
"""What CPython sets; the rest is SIG_DFL."""
_UNTOLD: dict[str, Any] = {
    "level": 0,
    "handlers": [],
    "filters": [],
    "propagate": True,
    "disabled": False,
}
