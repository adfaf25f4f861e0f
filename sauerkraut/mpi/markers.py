"""Markers: an empty message to each peer, behind which nothing of the program can be in flight.

Messages from one rank to another on one communicator do not overtake each other. So what arrives
before the marker was in flight when the checkpoint began, and after it nothing is.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from mpi4py import MPI

from sauerkraut.mpi import wire


@dataclass(frozen=True)
class Found:
    """A message that was sent and not received when the checkpoint began."""

    channel: int
    """Number of the channel it came by."""
    source: int
    """Rank of the sender there."""
    tag: int
    data: bytes
    there: tuple[int, int] = (0, 0)
    """The exchange whose marker came behind it, and what its sender calls the channel in that."""


@dataclass
class Channel:
    """A communicator as this rank sees it, and the ranks there that exchange markers with it."""

    number: int
    comm: MPI.Comm
    peers: Sequence[int]
    links: dict[int, int] = field(default_factory=dict)
    """Peer -> its number of this channel."""
    before: dict[int, list[Found]] = field(default_factory=dict)
    """Peer -> what was taken in before its next marker."""

    def __post_init__(self) -> None:
        self.tag = wire.largest_tag()

    def send(self, sequence: int) -> list[MPI.Request]:
        """Send the markers of exchange ``sequence``."""
        marker = [array("q", [sequence, self.number]), MPI.INT64_T]
        return [self.comm.Isend(marker, peer, self.tag) for peer in self.peers]

    def take(self, sequence: int, found: list[Found]) -> bool:
        """Take in what has come; whether all markers have."""
        for peer in self.peers:
            # First the marker, by its tag: nothing is taken from a peer that does not answer.
            while peer not in self.links and self.comm.Iprobe(peer, self.tag):
                self._take_from(peer, sequence, found)
        return len(self.links) == len(self.peers)

    def take_any(self) -> Iterator[Found]:
        """Take in what can be probed; not to be used while markers are under way."""
        for peer in self.peers:
            yield from self._probed(peer)

    def _take_from(self, peer: int, sequence: int, found: list[Found]) -> None:
        before = self.before.setdefault(peer, [])
        for each in self._probed(peer):
            if each.tag != self.tag:
                before.append(each)
                continue
            exchange, number = array("q", each.data)
            found += [replace(message, there=(exchange, number)) for message in before]
            before.clear()
            if exchange == sequence:  # else one of an exchange that was given up
                self.links[peer] = number
            return

    def _probed(self, peer: int) -> Iterator[Found]:
        status = MPI.Status()
        while (message := self.comm.Improbe(peer, MPI.ANY_TAG, status)) is not None:
            tag = status.Get_tag()
            yield Found(self.number, peer, tag, wire.receive(message, status))


def exchange(channels: Sequence[Channel], sequence: int, patience: float) -> list[Found]:
    """Exchange markers on all channels at once; what was in flight, in the order it was sent.

    Args:
        channels: The same on all ranks that share them.
        sequence: Number of this exchange, the same on all ranks.
        patience: Seconds until markers that do not come are given up; `Channel.links` tells.
    """
    found: list[Found] = []
    sent = [request for channel in channels for request in channel.send(sequence)]
    waiting = list(channels)
    began = time.monotonic()
    while waiting or sent:
        waiting = [channel for channel in waiting if not channel.take(sequence, found)]
        sent = [request for request in sent if not request.Test()]
        waited = time.monotonic() - began
        if waited > patience:
            break
        if waiting or sent:
            wire.pause(waited)
    return found
