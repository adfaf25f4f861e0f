"""A ``__main__`` that snapshots carry whole, because no restart runs its source again.

That of `sauerkraut run`: a restart goes on inside the module's body, so imports, functions, classes
and data come back from the snapshot, all by value.
"""

from __future__ import annotations

import sys
from types import CodeType
from typing import Any

from sauerkraut.errors import ResumeError

_namespace: dict[str, Any] | None = None
_body: CodeType | None = None


def carry(namespace: dict[str, Any], body: CodeType) -> None:
    """From now on the globals ``namespace`` of ``__main__`` belong to each snapshot.

    Args:
        namespace: Those of the module.
        body: Code of the module's body: what it names and assigns counts, as of a function.
    """
    global _namespace, _body
    _namespace, _body = namespace, body


def body() -> CodeType:
    """Code of the program's body."""
    assert _body is not None, "after carry()"
    return _body


def is_carried(namespace: object) -> bool:
    """Whether ``namespace`` is that of the program."""
    return _namespace is not None and namespace is _namespace


def carries(module: str | None) -> bool:
    """Whether the module of this name is the program."""
    return module == "__main__" and is_carried(vars(sys.modules["__main__"]))


def namespace() -> dict[str, Any]:
    """The globals that captured ones come back in.

    Raises:
        ResumeError: this process runs no such program.
    """
    if _namespace is None:
        raise ResumeError(
            "it is of an unmodified program: restart it by the same `sauerkraut run` command"
        )
    return _namespace
