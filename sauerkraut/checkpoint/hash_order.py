"""Whether a snapshot depends on the order in which this process hashes strings.

A set of strings is iterated in another order under another hash seed, so a restart of a process
with random hashing may go on differently. `PYTHONHASHSEED` in the environment makes it the same.
"""

from __future__ import annotations

import os
import pickletools
import sys
from typing import Any

LONGEST = 1 << 18  # bytes of a stream that are looked at: a set further behind goes unnoticed
_STRINGS = frozenset(("BINUNICODE", "BINUNICODE8", "SHORT_BINUNICODE"))
_GETS = frozenset(("BINGET", "LONG_BINGET"))
_CLOSING = frozenset(("ADDITEMS", "APPENDS", "FROZENSET", "SETITEMS", "TUPLE"))


def is_random() -> bool:
    """Whether strings hash differently in the next process."""
    return bool(sys.flags.hash_randomization) and not os.environ.get("PYTHONHASHSEED", "").isdigit()


def has_set_of_strings(stream: Any) -> bool:
    """Whether a pickle stream holds a set or frozenset with a string right in it; runs nothing."""
    marks: list[bool] = []  # one per open MARK: whether a string was put after it
    memo: list[bool] = []  # one per memoized object: whether it is a string
    is_string = False
    try:
        argument: Any
        for code, argument, _ in pickletools.genops(bytes(memoryview(stream)[:LONGEST])):
            if code.name == "MEMOIZE":
                memo.append(is_string)
            elif code.name == "MARK":
                marks.append(False)
            elif code.name in _CLOSING and marks:
                in_set = code.name in ("ADDITEMS", "FROZENSET")
                if marks.pop() and in_set:
                    return True
            is_string = code.name in _STRINGS or (code.name in _GETS and memo[argument])
            if is_string and marks:
                marks[-1] = True
    except (ValueError, IndexError):  # cut off in the middle, or the table behind the pickle
        return False
    return False
