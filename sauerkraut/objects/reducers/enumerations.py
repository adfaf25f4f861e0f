"""Members of an enumeration, made again without its own ``__new__`` and ``__init__``.

Those take what stands in the body of the class, which nobody keeps; what they made of it is kept.
"""

from __future__ import annotations

import copyreg
from typing import Any

from sauerkraut.errors import CaptureError
from sauerkraut.objects.freezing import describe
from sauerkraut.objects.reducers.containers import is_made_in_c, value_of

Made = tuple[type, tuple[Any, ...]]
"""A base class written in C, and what its ``__new__`` makes the member of."""


def made_of(member: Any) -> Made:
    """What a member is made of, but for its value and attributes.

    Raises:
        CaptureError: its base class does not tell.
    """
    cls = type(member)
    base = next(each for each in cls.__mro__ if is_made_in_c(each))
    if base is object:
        return (object, ())
    if (contents := value_of(member, base)) is not None:
        return (base, contents)
    value = member._value_
    if type(value) is base:
        reduced: Any = value.__reduce_ex__(5)
        make, arguments, *state = reduced
        if make is vars(copyreg)["__newobj__"]:
            make, *arguments = arguments
        if make is base and not any(state):
            return (base, tuple(arguments))
    raise CaptureError(
        f"{describe(cls)}, an enumeration of {describe(base)}, cannot be captured: "
        "define it in a module"
    )


class Member:
    """What stands for a member in the body of its class."""

    __slots__ = ("made", "value")

    def __init__(self, value: Any, made: Made) -> None:
        self.value = value
        self.made = made


def body(members: dict[str, Any], made: dict[str, Made]) -> dict[str, Any]:
    """What the body of a class that has these members defines."""
    standing: dict[str, Any] = {name: Member(value, made[name]) for name, value in members.items()}
    return {"__new__": _new, "__init__": _init, **standing}


def _new(cls: Any, given: Any) -> Any:
    member: Member = given[0] if type(given) is tuple else given  # where members are tuples
    base, arguments = member.made
    found: Any = base.__new__(cls, *arguments)
    found._value_ = member.value
    return found


def _init(*_: Any) -> None:
    pass


def forget(cls: type) -> None:
    """Take out of a class what only its making needed."""
    for name in ("__init__", "__new_member__"):
        delattr(cls, name)
