"""Bring the ranks to a point at which every handle has one name and no message is in flight."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from mpi4py import MPI

from sauerkraut.errors import RankError
from sauerkraut.mpi import reception, redelivery
from sauerkraut.mpi.drain import drain
from sauerkraut.mpi.handles import files, identity, requests
from sauerkraut.mpi.handles.communicators import Description
from sauerkraut.mpi.handles.files import State as FileState
from sauerkraut.mpi.handles.numbered import Numbered
from sauerkraut.mpi.markers import Channel, Found, exchange
from sauerkraut.mpi.persistent import Call
from sauerkraut.mpi.redelivery import Message

if TYPE_CHECKING:
    from sauerkraut.mpi.handles.table import Table

GIVEN, WORLD, SELF = -1, -2, -3  # channels of communicators that need no name
_TWINS: dict[type, str] = {
    MPI.Win: "another window of the same members has the same name: give them names (Set_name)",
    MPI.File: "what an earlier run in this process left of it is open as well: close that",
}


@dataclass
class Settled:
    """What a rank stores beside its graph."""

    order: dict[int, int]
    """Number of a communicator on this rank -> its place in one order of all."""
    messages: list[Message] = field(default_factory=list)
    """What this rank had sent and nobody had received, by the numbers of this rank."""
    requests: bool = False
    """Whether any rank has requests that come back complete."""
    windows: dict[int, int] = field(default_factory=dict)
    """Number of a window on this rank -> its place in one order of all."""
    files: dict[int, FileState] = field(default_factory=dict)
    """Number of a file on this rank -> what all members share of it."""
    any_files: bool = False
    """Whether any rank has files."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what was stored; earlier releases stored less."""
        vars(self).update(vars(Settled({})) | state)


class Told(NamedTuple):
    """What the other ranks must know of the handles that one met."""

    signatures: list[identity.Signature]
    """Of its communicators, by number."""
    pending: bool
    """Whether there are requests that were not known to be complete when the capture began."""
    requests: bool
    """Whether there are requests that come back complete."""
    windows: list[identity.Signature]
    """Of its windows, by number."""
    files: list[identity.Signature]
    """Of its files, by number."""
    shared_positions: list[str]
    """Keys of files of which it has used the shared position."""
    received: bool
    """Whether there are persistent receives that are complete."""


def settle(table: Table, told: Sequence[Any]) -> Settled | None:
    """Agree on names and clear the channels; None: capture once more. Collective.

    Args:
        table: Of this rank.
        told: What each rank met: `Told`, or None where that is nothing.

    Raises:
        RankError: on every rank: markers did not come.
    """
    signatures = [[] if each is None else each.signatures for each in told]
    windows = [[] if each is None else each.windows for each in told]
    refused = _refuse_partly_held(table.comms, MPI.Comm, signatures, table)
    refused |= _refuse_partly_held(table.windows, MPI.Win, windows, table)
    opened = [[] if each is None else each.files for each in told]
    refused |= _refuse_partly_held(table.files, MPI.File, opened, table)
    refused |= _refuse_twins(table.windows, MPI.Win, windows, table)
    refused |= _refuse_twins(table.files, MPI.File, opened, table)
    if refused:
        return None
    channels = _channels(table)
    number = table.traffic.begin_exchange({each.number: each.comm for each in channels})
    if any(each is not None and each.pending for each in told):
        _drain(table, signatures, channels, number)
        table.traffic.end_exchange(number)
        return None
    found = exchange(channels, number, table.settings.patience)
    settled = _agree(table, signatures, channels, found)
    if settled is not None:
        table.traffic.end_exchange(number)
        settled.windows = identity.places_by_signature(windows)[table.group.rank]
        settled.requests = any(each is not None and each.requests for each in told)
        if any(opened):
            settled.any_files = True
            places = identity.places_by_signature(opened)[table.group.rank]
            shared = {key for each in told if each is not None for key in each.shared_positions}
            settled.files = files.settle(table, places, shared)
        if any(each is not None and each.received for each in told):
            own = table.comms
            comms = {n: (each, own.descriptions[n]) for n, each in enumerate(own.handles)}
            inactive = [each for each in table.received if not requests.is_active(each[0])]
            receive_again(table, settled.order, comms, inactive)
    return settled


def _drain(
    table: Table, signatures: Sequence[Any], channels: Sequence[Channel], exchange: int
) -> None:
    """Wait for incomplete requests; what stays so is refused by the next capture.

    Messages are taken in only where their communicator has a name without markers, which a receive
    that is posted might take.
    """
    places = identity.places_by_signature(signatures)
    own = places[table.group.rank]
    named = [each for each in channels if each.number < 0 or each.number in own]
    left, found = drain(
        table.members.comm,
        table.pending,
        lambda each: requests.look(each, table) is not None,
        named,
        table.settings.drain,
    )
    table.complete |= {each.handle for each in table.pending} - {each.handle for each in left}
    for request in left:
        table.refused[MPI.Request, request.handle] = (
            f"it is not complete after {table.settings.drain:g} s (SAUERKRAUT_DRAIN), and MPI does "
            "not tell from whom it waits, so a restart could not post it again: post it after the "
            "checkpoint, or complete it before (Wait; Cancel, where nothing will come)"
        )
    mail = Mail(table, named, found)
    numbers = [{place: number for number, place in each.items()} for each in places]
    mail.address(
        lambda rank, number: (exchange, number if number < 0 else numbers[rank][own[number]])
    )
    mail.deliver(table.group.allgather(mail.senders))


def _refuse_partly_held(
    numbered: Numbered, family: type, signatures: Sequence[Any], table: Table
) -> bool:
    """Whether some members of a handle do not hold it; notes why for those that do."""
    missing = identity.missing_holders(signatures)
    for number, handle in enumerate(numbered.handles):
        ranks = missing.get(numbered.descriptions[number].signature, [])
        if ranks and table.group.rank not in ranks:
            some = ", ".join(map(str, ranks))
            table.refused[family, handle.handle] = (
                f"of its members, rank {some} does not hold it, or not as many of the same: keep "
                "it in a variable on all of them, or free it"
            )
    return bool(missing)


def _refuse_twins(
    numbered: Numbered, family: type, signatures: Sequence[Any], table: Table
) -> bool:
    """Whether there are handles that cannot be told apart; notes why for them."""
    places = identity.places_by_signature(signatures)
    for number, handle in enumerate(numbered.handles):
        if number not in places[table.group.rank]:
            table.refused[family, handle.handle] = _TWINS[family]
    return any(len(own) < len(each) for own, each in zip(places, signatures, strict=True))


def _channels(table: Table) -> list[Channel]:
    """The communicators to exchange markers on: those met, the one given, and the world."""
    found = [
        Channel(number, comm, _peers(comm, table))
        for number, comm in enumerate(table.comms.handles)
    ]
    if isinstance(table.given, MPI.Intracomm):
        found.append(Channel(GIVEN, table.given, _peers(table.given, table)))
    if table.given != MPI.COMM_WORLD and (peers := list(table.members.world)):
        if _is_large(len(peers), table) and (rank := table.group.rank) != 0:
            peers = [peers[0], peers[rank]]
        found.append(Channel(WORLD, MPI.COMM_WORLD, peers))
    if table.given != MPI.COMM_SELF:
        found.append(Channel(SELF, MPI.COMM_SELF, range(1)))
    return found


def _is_large(size: int, table: Table) -> bool:
    """Whether only some pairs of a communicator exchange markers, since the user says so."""
    limit = table.settings.marker_ranks
    if limit is None or size <= limit:
        return False
    table.partly_seen = max(table.partly_seen, size)
    return True


def _peers(comm: MPI.Comm, table: Table) -> Sequence[int]:
    """Ranks that exchange markers with this one: all, or what keeps large ones linked."""
    if comm.Is_inter():
        return range(MPI.Intercomm(comm).Get_remote_size())
    if not _is_large(comm.Get_size(), table) or comm.Get_rank() == 0:
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
    # With the lowest peer all are linked; what all of P say of all would be P^2.
    links = {
        each.number: (_rank_of(table, each, each.peers[0]), each.links[each.peers[0]])
        for each in channels
        if each.number >= 0 and each.peers[0] in each.links
    }
    silent = [
        _rank_of(table, each, peer)
        for each in channels
        for peer in each.peers
        if peer not in each.links
    ]
    mail = Mail(table, channels, found)
    nbytes = mail.nbytes + sum(len(each.data) for _, each in table.held)
    gathered = group.allgather((links, mail.senders, silent, nbytes, table.partly_seen))
    table.nbytes = sum(each for *_, each, _ in gathered)
    table.partly_seen = max(each for *_, each in gathered)
    order = identity.order_of([each for each, *_ in gathered], signatures)
    mine = order[group.rank]
    mail.deliver([senders for _, senders, *_ in gathered])
    if any(len(places) < len(own) for places, own in zip(order, signatures, strict=True)):
        for number, comm in enumerate(table.comms.handles):
            if number not in mine:
                table.refused[MPI.Comm, comm.handle] = (
                    "another of its members holds another communicator of the same members, and "
                    "not this one: keep the same ones in variables on all of them"
                )
        return None
    for rank, (_, _, there, *_) in enumerate(gathered):
        if there:
            raise RankError(
                f"capture: rank {there[0]} sent no marker to rank {rank} in "
                f"{table.settings.patience:g} s (SAUERKRAUT_PATIENCE)"
            )
    return Settled(mine, [_numbered(table, comm, each) for comm, each in table.held])


class Mail:
    """Messages that this rank has taken in before their time.

    Args:
        table: Of this rank.
        channels: What they came by.
        found: In the order they were sent.
    """

    def __init__(self, table: Table, channels: Sequence[Channel], found: Sequence[Found]) -> None:
        self._table = table
        by_number = {each.number: each for each in channels}
        self._found = [
            (_rank_of(table, by_number[each.channel], each.source), each) for each in found
        ]

    @property
    def senders(self) -> list[int]:
        """Who sent them."""
        return sorted({rank for rank, _ in self._found})

    @property
    def nbytes(self) -> int:
        """How long they are together."""
        return sum(len(each.data) for _, each in self._found)

    def address(self, there: Callable[[int, int], tuple[int, int]]) -> None:
        """Give those that no marker came behind the number that their sender knows.

        Args:
            there: Of the sender's rank and the number of the channel here, see `Found.there`.
        """
        self._found = [
            (rank, replace(each, there=there(rank, each.channel))) for rank, each in self._found
        ]

    def deliver(self, senders: Sequence[Sequence[int]]) -> None:
        """Give them back; what comes back to this rank it holds. Collective.

        Args:
            senders: `senders` of every rank.
        """
        table = self._table
        if not any(senders):
            return
        returned: dict[int, list[redelivery.Returned]] = {}
        for rank, each in self._found:
            exchange, number = each.there
            message = Message(number, _own_rank(table, each.channel), each.tag, each.data)
            returned.setdefault(rank, []).append((exchange, message))
        comm = table.members.comm
        for exchange, mine in redelivery.return_to_senders(comm, returned, senders):
            table.held.append((table.traffic.comm_of(exchange, mine.channel), mine))


def receive_again(
    table: Table,
    order: Mapping[int, int],
    comms: Mapping[int, tuple[MPI.Comm, Description]],
    received: Sequence[tuple[MPI.Prequest, Call, requests.Outcome]],
) -> None:
    """Let persistent receives be complete, as they were. Collective, while nothing is in flight.

    Args:
        table: Of this checkpoint or restart.
        order: Number of a communicator on this rank -> its place in one order of all.
        comms: By their number, with what they are.
        received: The receives of this rank that are not active.
    """
    by_place = {order[number]: comm for number, (comm, _) in comms.items()}
    named = {channel: _named(table, channel) for channel in (GIVEN, WORLD, SELF)}
    by_place |= {channel: comm for channel, comm in named.items() if comm is not None}
    members: dict[int, Any] = {
        order[number]: this.remote or this.members for number, (_, this) in comms.items()
    }
    members |= {GIVEN: range(table.group.size), WORLD: table.members.world}
    members[SELF] = [table.group.rank]
    asked = []
    for request, call, outcome in received:
        if outcome.source < 0 or outcome.cancelled:  # of nobody, or given up
            request.Start()
            if outcome.cancelled:
                request.Cancel()
            continue
        place = next(place for place, comm in by_place.items() if comm == call.comm)
        data = call.packed()[: outcome.nbytes]
        wish = reception.Wish(place, call.comm.Get_rank(), outcome.tag, data)
        asked.append((request, members[place][outcome.source], wish))
    reception.receive(table.members.comm, asked, by_place)


def send_again(table: Table, comms: Mapping[int, MPI.Comm], messages: Sequence[Message]) -> None:
    """Send what was in flight, before the program can send anything else.

    Args:
        table: Of this restart.
        comms: By their number on this rank.
        messages: By those numbers.
    """
    table.traffic.send(
        [(_named(table, each.channel) or comms[each.channel], each) for each in messages]
    )


def _numbered(table: Table, comm: MPI.Comm, message: Message) -> Message:
    """``message`` with the number that its communicator has now; it may have come long before."""
    if message.channel < 0:
        return message
    return replace(message, channel=table.comms.number_of(comm))


def _named(table: Table, channel: int) -> MPI.Comm | None:
    return {GIVEN: table.given, WORLD: MPI.COMM_WORLD, SELF: MPI.COMM_SELF}.get(channel)


def _own_rank(table: Table, channel: int) -> int:
    comm = _named(table, channel) or table.comms.handles[channel]
    rank: int = comm.Get_rank()
    return rank


def _rank_of(table: Table, channel: Channel, peer: int) -> int:
    """The rank, in the Checkpointer's communicator, of a peer on a channel."""
    if channel.number == GIVEN:
        return peer
    if channel.number == WORLD:
        return table.members.world[peer]
    if channel.number == SELF:
        return table.group.rank
    description: Description = table.comms.descriptions[channel.number]
    return (description.remote or description.members)[peer]
