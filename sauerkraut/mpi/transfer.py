"""Snapshots from rank to rank: all but the arrays in one message, these from memory to memory.

A transfer, between the sender (S) and the receiver (R):

    S -> R  head     control state, objects, sizes of the blocks
    R -> S  ready    the memory is there (only where there are blocks)
    S -> R  blocks   each straight out of the array's memory, straight into the new one's
    R -> S  accepted or refused, with the reason

No block is sent before its memory is there, so a receiver that has none refuses, and nothing is
left on its way. The sender's own lives until the receiver has accepted: in between it is nowhere
else.
"""

from __future__ import annotations

import json
import struct
import time
from itertools import pairwise
from typing import Any, Self

from mpi4py import MPI

from sauerkraut import _native
from sauerkraut.errors import MigrationError, SauerkrautError
from sauerkraut.frames.snapshot import Snapshot, Thawed
from sauerkraut.mpi import wire
from sauerkraut.objects.graph import Block

TAGS = 1024
"""Tags that a caller has, from 0 on."""
PIECE = 1 << 30
"""Bytes of one message at most: not every MPI counts further than to 2 GiB."""
STREAM = 1 << 20
"""Bytes from which the objects are sent as a block of their own."""

_REPLY = TAGS
_BLOCKS = TAGS + 1
SPAN = _BLOCKS + TAGS
"""Tags that transfers use, from the first one on."""
_READY, _ACCEPTED, _REFUSED = range(3)
_HEAD = struct.Struct("<5q")
_ANSWER = struct.Struct("<qq")


class Channel:
    """Carries snapshots between the ranks of ``comm``, on a private duplicate of it.

    Collective. `close` frees the duplicate; a context manager does so.

    Args:
        comm: An intracommunicator.
    """

    def __init__(self, comm: MPI.Intracomm) -> None:
        duplicate = comm.Dup()
        duplicate.Set_errhandler(MPI.ERRORS_RETURN)
        self._use(duplicate, 0)

    def _use(self, comm: MPI.Intracomm, first_tag: int) -> None:
        self.comm = comm
        self.rank: int = comm.Get_rank()
        self._first = first_tag
        self._count = 0
        self._sending: dict[int, Sending] = {}
        self._answers: list[MPI.Request] = []

    def isend(self, snapshot: Snapshot, dest: int, tag: int = 0, note: bytes = b"") -> Sending:
        """Begin to send; the snapshot must live until the transfer is `Sending.done`.

        Args:
            snapshot: Borrowed arrays must not change until then.
            dest: Rank of the receiver.
            tag: From 0 to `TAGS` - 1.
            note: Goes along, see `Receiving.note`.

        Raises:
            MigrationError: there is no such rank or tag, or the snapshot was released.
        """
        if not 0 <= dest < self.comm.Get_size():
            raise MigrationError(f"dest={dest}: ranks are 0 to {self.comm.Get_size() - 1}")
        _check_tag(tag)
        try:
            parts = snapshot.control, snapshot.objects, snapshot.blocks
        except SauerkrautError as error:
            raise MigrationError(f"the snapshot cannot be sent: {error}") from error
        self._count += 1
        return Sending(self, self._count, *parts, dest, tag, note)

    def irecv(self, source: int = MPI.ANY_SOURCE, tag: int = 0, *, hold: bool = False) -> Receiving:
        """Begin to receive the next snapshot that ``source`` sends with ``tag``.

        Args:
            source: Rank of the sender, or ``MPI.ANY_SOURCE``.
            tag: That of the sender.
            hold: Leave it to the caller to `Receiving.accept` or to `Receiving.refuse`.
        """
        _check_tag(tag)
        return Receiving(self, source, tag, hold=hold)

    def send(self, snapshot: Snapshot, dest: int, tag: int = 0) -> None:
        """Send, and return when the receiver has accepted. See `isend`; raises MigrationError."""
        self.isend(snapshot, dest, tag).wait()

    def recv(self, source: int = MPI.ANY_SOURCE, tag: int = 0) -> Snapshot:
        """Receive a snapshot, which can be resumed once: its arrays are then those of the frames.

        Raises:
            MigrationError: it is damaged, or there is no memory for it; the sender is told.
        """
        return self.irecv(source, tag).wait()

    def close(self) -> None:
        """Free the duplicate; transfers must be done. Collective."""
        MPI.Request.Waitall(self._answers)
        if self._first == 0 and not MPI.Is_finalized():
            self.comm.Free()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def quiet(self) -> bool:
        """Whether nothing has come, for a transfer or for whoever else receives on `comm`."""
        return not self.comm.Iprobe(MPI.ANY_SOURCE, MPI.ANY_TAG)

    def progress(self) -> None:
        """Take in the answers to what was sent."""
        status = MPI.Status()
        while (
            found := self.comm.Improbe(MPI.ANY_SOURCE, self._first + _REPLY, status)
        ) is not None:
            answer = wire.receive(found, status)
            number, what = _ANSWER.unpack_from(answer)
            self._sending[number].answered(what, answer[_ANSWER.size :].decode())
        if self._answers:
            self._answers = [each for each in self._answers if not each.Test()]

    def answer(self, dest: int, number: int, what: int, text: str = "") -> None:
        """Tell rank ``dest`` about its transfer of this number."""
        data = _ANSWER.pack(number, what) + text.encode()
        self._answers.append(self.comm.Isend([data, MPI.BYTE], dest, self._first + _REPLY))


def send_snapshot(
    snapshot: Snapshot, dest: int, tag: int = 0, *, comm: Channel | MPI.Intracomm | None = None
) -> None:
    """Send a snapshot to another rank; returns when that has accepted it.

    Args:
        snapshot: Its arrays go straight out of their memory.
        dest: Rank of the receiver.
        tag: From 0 to 1023.
        comm: A `Channel`, or a communicator, by default ``COMM_WORLD``: there the highest tags are
            used, so it must not be one on which the program receives with ``MPI.ANY_TAG``.

    Raises:
        MigrationError: there is no such rank or tag, or the receiver refused it, and why.
    """
    _channel(comm).send(snapshot, dest, tag)


def recv_snapshot(
    source: int = MPI.ANY_SOURCE, tag: int = 0, *, comm: Channel | MPI.Intracomm | None = None
) -> Snapshot:
    """Receive a snapshot: its arrays go straight into memory that is allocated once.

    It can be resumed once, since that memory then belongs to the frames.

    Args:
        source: Rank of the sender, or ``MPI.ANY_SOURCE``.
        tag: That of the sender.
        comm: That of the sender, see `send_snapshot`.

    Raises:
        MigrationError: it is damaged, or there is no memory for it; the sender is told.
    """
    return _channel(comm).recv(source, tag)


def isend_snapshot(
    snapshot: Snapshot, dest: int, tag: int = 0, *, comm: Channel | MPI.Intracomm | None = None
) -> Sending:
    """Begin what `send_snapshot` does; ``test()`` or ``wait()`` go on with it."""
    return _channel(comm).isend(snapshot, dest, tag)


def irecv_snapshot(
    source: int = MPI.ANY_SOURCE, tag: int = 0, *, comm: Channel | MPI.Intracomm | None = None
) -> Receiving:
    """Begin what `recv_snapshot` does; ``test()`` or ``wait()`` go on with it."""
    return _channel(comm).irecv(source, tag)


class Sending:
    """A snapshot under way to another rank; made by `Channel.isend`."""

    def __init__(
        self,
        channel: Channel,
        number: int,
        control: bytes,
        objects: bytes,
        blocks: tuple[Block, ...],
        dest: int,
        tag: int,
        note: bytes,
    ) -> None:
        self.done = False
        """Whether the receiver has accepted or refused it."""
        self.nbytes = len(control) + len(objects) + sum(each.memory.nbytes for each in blocks)
        self._channel = channel
        self._number = number
        self._dest = dest
        self._refusal: str | None = None
        self._parts: list[Any] = [each.memory for each in blocks]
        table: list[Any] = [[b.memory.nbytes, b.dtype, b.shape, b.path] for b in blocks]
        if len(objects) >= STREAM:
            self._parts.insert(0, objects)
            table.insert(0, len(objects))
            objects = b""
        described = json.dumps(table).encode() if table else b""
        sizes = [number, len(note), len(control), len(objects), len(described)]
        head = b"".join((_HEAD.pack(*sizes), note, control, objects, described))
        channel._sending[number] = self
        first = channel._first
        self._requests = [channel.comm.Isend([head, MPI.BYTE], dest, first + tag)]

    def test(self) -> bool:
        """Go on with it; whether it is done. Raises MigrationError when it was refused."""
        self._channel.progress()
        return self.look()

    def look(self) -> bool:
        """What `test` does, after `Channel.progress`."""
        if self.done and self._requests:
            MPI.Request.Waitall(self._requests)
            self._requests = []
        if self._refusal is not None:
            raise MigrationError(f"rank {self._dest} refused the snapshot: {self._refusal}")
        return self.done

    @property
    def refused(self) -> bool:
        """Whether the receiver has refused it."""
        return self._refusal is not None

    @property
    def flowing(self) -> bool:
        """Whether its blocks are on their way: they go on while MPI is called."""
        return len(self._requests) > 1

    def push(self) -> None:
        """Let MPI carry its blocks for a short while, see `wire.push`."""
        wire.push(self._requests)

    @property
    def exposed(self) -> bool:
        """Whether memory of the program is still to be read."""
        return bool(self._parts) and not self.done

    def wait(self) -> None:
        """Return when it is done. Raises MigrationError when it was refused."""
        _finish(self)

    def answered(self, what: int, text: str) -> None:
        """Do what the receiver's answer allows."""
        if what == _READY:
            tag = self._channel._first + _BLOCKS + self._number % TAGS
            send = self._channel.comm.Isend
            self._requests += [
                send([piece, MPI.BYTE], self._dest, tag)
                for part in self._parts
                for piece in _pieces(part)
            ]
            return
        self.done = True
        self._parts = []
        self._refusal = text if what == _REFUSED else None
        del self._channel._sending[self._number]


class Receiving:
    """A snapshot that is awaited from another rank; made by `Channel.irecv`."""

    def __init__(self, channel: Channel, source: int, tag: int, *, hold: bool) -> None:
        self.snapshot: Snapshot | None = None
        """All of it, once it is here."""
        self.note = b""
        """What the sender sent along."""
        self.source = source
        """Rank of the sender, once it is known."""
        self._channel = channel
        self._tag = tag
        self._hold = hold
        self._number = 0
        self._control: bytes | None = None
        self._objects: Any = b""
        self._blocks: list[Block] = []
        self._requests: list[MPI.Request] = []

    def test(self) -> bool:
        """Go on with it; whether it is here. Raises MigrationError, see `Channel.recv`."""
        self._channel.progress()  # the sender may wait for us in turn
        return self.look()

    def look(self) -> bool:
        """What `test` does, after `Channel.progress`."""
        if self.snapshot is not None:
            return True
        if self._control is None:
            status = MPI.Status()
            tag = self._channel._first + self._tag
            found = self._channel.comm.Improbe(self.source, tag, status)
            if found is None:
                return False
            self.source = status.Get_source()
            self._begin(wire.receive(found, status))
        if not MPI.Request.Testall(self._requests):
            return False
        self._requests = []
        self.snapshot = _Arrived.of_parts(self._control or b"", bytes(self._objects), self._blocks)
        if not self._hold:
            self.accept()
        return True

    @property
    def flowing(self) -> bool:
        """Whether its blocks are on their way: they go on while MPI is called."""
        return bool(self._requests)

    def push(self) -> None:
        """Let MPI carry its blocks for a short while, see `wire.push`."""
        wire.push(self._requests)

    def wait(self) -> Snapshot:
        """Return it when it is here. Raises MigrationError, see `Channel.recv`."""
        _finish(self)
        assert self.snapshot is not None, "it is here"
        return self.snapshot

    @property
    def begun(self) -> bool:
        """Whether a snapshot has begun to come."""
        return self._control is not None

    def accept(self) -> None:
        """Tell the sender that it is here, and lives on here."""
        self._channel.answer(self.source, self._number, _ACCEPTED)

    def refuse(self, why: str) -> None:
        """Tell the sender that it cannot live here: it goes on there."""
        self.snapshot = None
        self._channel.answer(self.source, self._number, _REFUSED, why)

    def _begin(self, head: bytes) -> None:
        try:
            sizes = _HEAD.unpack_from(head)
            self._number = sizes[0]
            starts = [_HEAD.size]
            for size in sizes[1:]:
                starts.append(starts[-1] + size)
            self.note, self._control, self._objects, described = (
                head[begin:end] for begin, end in pairwise(starts)
            )
            table = json.loads(described) if described else []
            parts = [_native.Memory(each if isinstance(each, int) else each[0]) for each in table]
        except (struct.error, ValueError, MemoryError) as error:
            why = f"{type(error).__name__}: {error}".rstrip(": ")
            self.refuse(why)
            raise MigrationError(
                f"a snapshot of rank {self.source} cannot be received: {why}"
            ) from error
        for told, memory in zip(table, parts, strict=True):
            if isinstance(told, int):
                self._objects = memory
            else:
                _, dtype, shape, path = told
                self._blocks.append(Block(memoryview(memory), dtype, tuple(shape), path))
        if parts:
            tag = self._channel._first + _BLOCKS + self._number % TAGS
            receive = self._channel.comm.Irecv
            self._requests = [
                receive([piece, MPI.BYTE], self.source, tag)
                for memory in parts
                for piece in _pieces(memory)
            ]
            self._channel.answer(self.source, self._number, _READY)


class _Arrived(Snapshot):
    """A snapshot whose memory becomes that of the arrays, so it is resumed once."""

    def thaw(self, *args: Any, **options: Any) -> Thawed:
        """See `Snapshot.thaw`; the snapshot is released."""
        thawed = super().thaw(*args, **options)
        self.release()
        return thawed


_of_communicators: dict[int, Channel] = {}


def _channel(comm: Channel | MPI.Intracomm | None) -> Channel:
    """The channel of a communicator of the program's, which is not duplicated."""
    if isinstance(comm, Channel):
        return comm
    given = MPI.COMM_WORLD if comm is None else comm
    found = _of_communicators.get(given.handle)
    if found is None or found.comm is not given:
        found = _of_communicators[given.handle] = Channel.__new__(Channel)
        found._use(given, wire.largest_tag() - 1 - SPAN)
    return found


def _check_tag(tag: int) -> None:
    if not 0 <= tag < TAGS:
        raise MigrationError(f"tag={tag}: tags of snapshots are 0 to {TAGS - 1}")


def _pieces(part: Any) -> list[memoryview]:
    view = memoryview(part).cast("B")
    return [view[start : start + PIECE] for start in range(0, view.nbytes, PIECE)]


def _finish(transfer: Sending | Receiving) -> None:
    began = time.monotonic()
    while not transfer.test():
        if transfer.flowing:
            transfer.push()
            began = time.monotonic()
        wire.rest(time.monotonic() - began)
