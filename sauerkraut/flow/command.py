"""What a person types to start a program again."""

from __future__ import annotations

import shlex
import sys


def again() -> str:
    """The command of this program, or what to call where there is none: in a notebook."""
    words = sys.orig_argv
    if hasattr(sys, "ps1") or not words or "ipykernel" in " ".join(words):
        return "call run() once more"
    return shlex.join(words)
