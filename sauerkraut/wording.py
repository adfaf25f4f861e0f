"""How things are put into words for people."""

from __future__ import annotations


def counted(number: int, what: str, many: str = "") -> str:
    """Say how many: ``1 rank``, ``4 ranks``.

    Args:
        number: Of the things.
        what: One of them.
        many: More of them; default: with an s.
    """
    return f"{number} {what if number == 1 else many or what + 's'}"


def printable(text: str) -> str:
    """Return ``text`` without what a terminal would obey: names in a checkpoint are anybody's."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
