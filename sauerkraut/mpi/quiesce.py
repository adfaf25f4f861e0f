"""Bring the ranks to a point at which every handle has one name and no message is in flight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mpi4py import MPI

from sauerkraut.errors import RankError
from sauerkraut.mpi import redelivery
from sauerkraut.mpi.handles import identity
from sauerkraut.mpi.markers import Channel, Found, exchange
from sauerkraut.mpi.redelivery import Message

if TYPE_CHECKING:
    from sauerkraut.mpi.handles.table import Table

GIVEN, WORLD = -1, -2  # channels of communicators that need no name


@dataclass
class Settled:
    """What a rank stores beside its graph."""

    order: dict[int, int]
    """Number of a communicator on this rank -> its place in one order of all."""
    messages: list[Message] = field(default_factory=list)
    """What this rank had sent and nobody had received."""


def settle(table: Table, told: Sequence[Any]) -> Settled | None:
    """Agree on names and clear the channels; None: capture once more. Collective.

    Raises:
        RankError: on every rank, by way of the next capture.
    """
    signatures = [each or [] for each in told]
    if _refuse_partly_held(table, signatures):
        return None
    channels = _channels(table)
    found = exchange(channels, table.traffic.next_exchange(), table.settings.drain)
    return _agree(table, signatures, channels, found)


def _refuse_partly_held(table: Table, signatures: Sequence[Any]) -> bool:
    """Whether some members of a communicator do not hold it; notes why for those that do."""
    missing = identity.missing_holders(signatures)
    for number, comm in enumerate(table.comms):
        ranks = missing.get(table.descriptions[number].signature, [])
        if ranks and table.group.rank not in ranks:
            some = ", ".join(map(str, ranks))
            table.refused[comm.handle] = (
                f"of its members, rank {some} does not hold it, or not as many of the same: keep "
                "it in a variable on all of them, or free it"
            )
    return bool(missing)


def _channels(table: Table) -> list[Channel]:
    """The communicators to exchange markers on: those met, the one given, and the world."""
    limit = table.settings.marker_ranks
    found = [Channel(number, comm, _peers(comm, limit)) for number, comm in enumerate(table.comms)]
    if isinstance(table.given, MPI.Intracomm):
        found.append(Channel(GIVEN, table.given, _peers(table.given, limit)))
    if table.given != MPI.COMM_WORLD:
        world = MPI.COMM_WORLD.Get_group()
        ranks = table.members.all.Translate_ranks(None, world)
        world.Free()
        if MPI.UNDEFINED not in ranks and len(ranks) <= limit:
            found.append(Channel(WORLD, MPI.COMM_WORLD, ranks))
    return found


def _peers(comm: MPI.Comm, limit: int) -> Sequence[int]:
    """Ranks that exchange markers with this one: all, or what keeps large ones linked."""
    if comm.Is_inter():
        return range(MPI.Intercomm(comm).Get_remote_size())
    if comm.Get_size() <= limit:
        return range(comm.Get_size())
    if comm.Get_rank() == 0:
        return range(comm.Get_size())
    peers = {0, comm.Get_rank()}
    if comm.Get_topology() == MPI.CART:
        cart = MPI.Cartcomm(comm)
        for dimension in range(cart.Get_dim()):
            peers |= {*cart.Shift(dimension, 1)} - {MPI.PROC_NULL}
    return sorted(peers)


def _agree(
    table: Table, signatures: Sequence[Any], channels: Sequence[Channel], found: Sequence[Found]
) -> Settled | None:
    """Give each communicator its place, and each message to its sender."""
    group = table.group
    sender_of = {(c.number, peer): _rank_of(table, c, peer) for c in channels for peer in c.peers}
    links = {
        c.number: {sender_of[c.number, peer]: there for peer, there in c.links.items()}
        for c in channels
    }
    silent = sorted({sender_of[c.number, p] for c in channels for p in c.peers if p not in c.links})
    senders = sorted({sender_of[each.channel, each.source] for each in found})
    gathered = group.allgather((links, senders, silent))
    order = identity.order_of([each for each, _, _ in gathered], signatures)
    mine = order[group.rank]
    messages: list[Message] = []
    if any(there for _, there, _ in gathered):
        by_sender: dict[int, list[Message]] = {rank: [] for rank in senders}
        for each in found:
            here = Message(
                mine[each.channel] if each.channel >= 0 else each.channel,
                _own_rank(table, each.channel),
                each.tag,
                each.data,
            )
            by_sender[sender_of[each.channel, each.source]].append(here)
        messages = redelivery.return_to_senders(
            table.members.comm, by_sender, [there for _, there, _ in gathered]
        )
        send_again(table, dict(enumerate(table.comms)), Settled(mine, messages))
    if any(len(places) < len(own) for places, own in zip(order, signatures, strict=True)):
        for number, comm in enumerate(table.comms):
            if number not in mine:
                table.refused[comm.handle] = (
                    f"rank {', '.join(map(str, silent))} does not hold it, but another of the same "
                    "members: keep the same ones in variables of all of them"
                )
        return None
    for rank, (_, _, there) in enumerate(gathered):
        if there:
            raise RankError(
                f"capture: rank {there[0]} sent no marker to rank {rank} in "
                f"{table.settings.drain:g} s (SAUERKRAUT_DRAIN)"
            )
    return Settled(mine, messages)


def send_again(table: Table, comms: Mapping[int, MPI.Comm], settled: Settled) -> None:
    """Send what was in flight, before the program can send anything else.

    Args:
        table: Of this checkpoint or restart.
        comms: By their number on this rank.
        settled: Places of the numbers, and the messages.
    """
    by_place = {place: comms[number] for number, place in settled.order.items()}
    table.traffic.send(
        settled.messages, lambda channel: _named(table, channel) or by_place[channel]
    )


def _named(table: Table, channel: int) -> MPI.Comm | None:
    return {GIVEN: table.given, WORLD: MPI.COMM_WORLD}.get(channel)


def _own_rank(table: Table, channel: int) -> int:
    comm = _named(table, channel) or table.comms[channel]
    rank: int = comm.Get_rank()
    return rank


def _rank_of(table: Table, channel: Channel, peer: int) -> int:
    """The rank, in the Checkpointer's communicator, of a peer on a channel."""
    if channel.number == GIVEN:
        return peer
    if channel.number == WORLD:
        return list(channel.peers).index(peer)
    description = table.descriptions[channel.number]
    return (description.remote or description.members)[peer]
