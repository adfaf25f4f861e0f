"""Context variables of tasks: each task has its own, and they go where it goes.

A task begins with those of the program on its rank, as tasks of asyncio do. What it sets, by
`decimal.localcontext` or ``numpy.errstate`` say, holds for it alone. Where it arrives, the program
has the others.
"""

from __future__ import annotations

import contextvars
import decimal
from collections.abc import Iterable, Mapping
from typing import Any

from sauerkraut.objects import process_state

Variable = contextvars.ContextVar[Any]

_DECIMAL = "decimal_context"
"""Name of a variable that no module shows; `decimal` sets and gets its value."""
_NOTHING = object()


def of_program() -> contextvars.Context:
    """The context in which a task is to run, while the program's is current."""
    context = contextvars.copy_context()
    for variable, value in context.items():
        if variable.name == _DECIMAL:  # it may be changed in place
            context.run(_set, None, value.copy())
            break
    return context


def changed(program: Mapping[Variable, Any] | None) -> list[tuple[Variable | None, Any]]:
    """What the task whose context is current has set, and the value; None stands for decimal's.

    Of variables that the modules of the project hold, and of NumPy's and decimal's: others are
    captured where frames lead to them.

    Args:
        program: The context of the program on this rank; None: nothing is set there.
    """
    there: Mapping[Variable, Any] = program or {}
    own = contextvars.copy_context()
    found = [each for each in own.items() if there.get(each[0], _NOTHING) is not each[1]]
    if not found:
        return []
    decimals = [(None, value) for variable, value in found if variable.name == _DECIMAL]
    if len(found) == len(decimals):
        return [*decimals]
    held = process_state.held_variables()
    return [*decimals, *(each for each in found if each[0] in held)]


def restore(context: contextvars.Context, values: Iterable[tuple[Variable | None, Any]]) -> None:
    """Set what `changed` found."""
    for variable, value in values:
        context.run(_set, variable, value)


def _set(variable: Variable | None, value: Any) -> None:
    if variable is None:
        decimal.setcontext(value)
    else:
        variable.set(value)
