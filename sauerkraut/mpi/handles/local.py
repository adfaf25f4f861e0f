"""Handles that one rank makes by itself: groups, reductions, data types, hints."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mpi4py import MPI

from sauerkraut.mpi.handles import callbacks
from sauerkraut.mpi.handles.attributes import Keyval, attributes_by_keyval, set_attributes
from sauerkraut.mpi.handles.memory import another, attributes_of
from sauerkraut.mpi.handles.shells import current
from sauerkraut.objects.freezing import Reduced, refuse

if TYPE_CHECKING:
    from sauerkraut.mpi.handles.table import Table

# with this, mpi4py itself makes a data type that was pickled
_datatype_create: Callable[..., MPI.Datatype] = vars(MPI)["_datatype_create"]


def set_state(handle: Any, state: tuple[dict[str, Any] | None, str, list[Keyval]]) -> None:
    """Give a handle the attributes of its object, its name and the user's attributes."""
    attributes, name, by_keyval = state
    if attributes:
        handle.__dict__.update(attributes)
    if name:
        handle.Set_name(name)
    set_attributes("Datatype", handle, by_keyval)


def _reduced(handle: Any, make: Callable[..., Any], *arguments: Any) -> Reduced:
    attributes = attributes_of(handle)
    if attributes is None:
        return (make, (type(handle), *arguments))
    return (make, (type(handle), *arguments), (attributes, "", []), None, None, set_state)


def reduce_group(group: MPI.Group, table: Table) -> Reduced:
    """A group by the ranks of its members."""
    ranks = table.members.of(group)
    if ranks is None:
        raise refuse(group, "it has members outside of the communicator given to the Checkpointer")
    return _reduced(group, make_group, ranks)


def make_group(cls: Any, ranks: tuple[int, ...]) -> Any:
    """A group of these ranks of the Checkpointer's communicator."""
    return another(cls, current().members.group(ranks))


def reduce_op(op: MPI.Op, _: Table) -> Reduced:
    """A reduction by its function."""
    function = callbacks.function_of_op(op)
    if function is None:
        raise refuse(op, "this mpi4py does not show its function: make it again in on_restart")
    return _reduced(op, make_op, function, op.Is_commutative())


def make_op(cls: Any, function: Callable[..., Any], commutes: bool) -> Any:
    """A reduction with this function."""
    return another(cls, MPI.Op.Create(function, commutes))


def reduce_datatype(datatype: MPI.Datatype, _: Table) -> Any:
    """A data type by what it was made of, as mpi4py tells it."""
    reduced = datatype.__reduce__()
    if isinstance(reduced, str) or datatype.is_predefined:
        return reduced
    _, (base, combiner, parameters, _free) = reduced
    state = (
        attributes_of(datatype),
        datatype.Get_name(),
        attributes_by_keyval("Datatype", datatype),
    )
    arguments = (type(datatype), base, combiner, parameters)
    return (make_datatype, arguments, state, None, None, set_state)


def make_datatype(cls: Any, base: MPI.Datatype, combiner: str, parameters: Any) -> Any:
    """A data type, ready to be used."""
    # a data type that others were made of is free to go, as in the original
    made = _datatype_create(base, combiner, parameters, False)
    return another(cls, made.Commit())


def reduce_info(info: MPI.Info, _: Table) -> Reduced:
    """Hints by what they say."""
    return _reduced(info, make_info, dict(info.items()))


def make_info(cls: Any, hints: dict[str, str]) -> Any:
    """Hints."""
    return another(cls, MPI.Info.Create(hints))
