"""What a person sees when a captured function is not the one found here."""

from __future__ import annotations

import inspect
from types import CodeType

from sauerkraut.code import reference
from sauerkraut.code.reference import CodeReference


def source_of(code: CodeType) -> str:
    """The source text of ``code`` as its file is now; empty when it cannot be read."""
    try:
        return inspect.getsource(code)
    except (OSError, TypeError, SyntaxError, IndexError):
        return ""


def describe(ref: CodeReference, recorded: str, *, lines: int = 40) -> str:
    """Tell how the function that ``ref`` names differs from the captured one.

    Args:
        ref: Reference recorded at capture.
        recorded: Source text recorded at capture (`source_of`); empty: not recorded.
        lines: Longest diff shown.

    Returns:
        One line, followed by a unified diff of the sources where both are known.
    """
    code = reference.nearest(ref)
    if code is None:
        return f"{ref} is no longer there"
    if reference.only_layout_changed(ref, code):
        head = f"{ref} has changed: only the layout changed, it does the same"
    else:
        head = f"{ref} has changed since the capture"
    import difflib

    diff = list(
        difflib.unified_diff(
            recorded.splitlines(),
            source_of(code).splitlines() if recorded else [],
            f"{ref} as captured",
            f"{code.co_filename}:{code.co_firstlineno}",
            lineterm="",
        )
    )
    if len(diff) > lines:
        diff[lines:] = [f"... {len(diff) - lines} more lines"]
    return "\n".join([head, *diff])
