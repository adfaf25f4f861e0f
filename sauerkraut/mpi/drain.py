"""Wait for incomplete requests, for a bounded time, taking in what keeps those to send waiting."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from mpi4py import MPI

from sauerkraut.mpi import wire
from sauerkraut.mpi.markers import Channel, Found


def drain(
    comm: MPI.Intracomm,
    pending: Sequence[MPI.Request],
    is_complete: Callable[[MPI.Request], bool],
    channels: Sequence[Channel],
    patience: float,
) -> tuple[list[MPI.Request], list[Found]]:
    """Wait until the requests of all ranks are complete, or ``patience`` seconds. Collective.

    A large message is sent only when somebody receives it. What can be probed is wanted by no
    receive that is posted, so it is taken in: that completes the request of its sender.

    Args:
        comm: The private duplicate.
        pending: Incomplete requests of this rank.
        is_complete: Looks at one of them.
        channels: Where messages are taken in.
        patience: Seconds.

    Returns:
        The requests that are still incomplete, and the messages that were taken in.
    """
    left, found = list(pending), list[Found]()
    began = time.monotonic()
    here: MPI.Request | None = None  # the barrier of those who wait for nothing more
    while here is None or not here.Test():
        taken = [message for channel in channels for message in channel.take_any()]
        found += taken
        left = [request for request in left if not is_complete(request)]
        waited = time.monotonic() - began
        if here is None and (not left or waited > patience):
            here = comm.Ibarrier()
        elif not taken:
            wire.pause(waited)
    return left, found
