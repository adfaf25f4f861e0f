"""A task as a program knows it, and what of it its rank keeps."""

from __future__ import annotations

import pickle
import sys
from collections import deque
from contextvars import Context
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from sauerkraut.frames.original import Original
from sauerkraut.frames.snapshot import Thawed
from sauerkraut.mpi.tasks import running

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sauerkraut.mpi.tasks.member import Member


class Task:
    """A task, wherever it is: made by `TaskPool.spawn`; travels with whatever holds it.

    Attributes:
        id: A number that no other task of the pool has.
        name: For people.
    """

    __slots__ = ("id", "name")
    __module__ = "sauerkraut.mpi"  # by this name it is in checkpoints

    def __init__(self, id: int, name: str) -> None:  # noqa: A002 - what it is
        self.id = id
        self.name = name

    def result(self) -> Any:
        """Return what its function returns, or raise what it raises; inside of a task, wait for it.

        Outside, after `TaskPool.run`, only its home rank (`id` modulo the number of ranks) knows.

        Raises:
            MigrationError: this rank does not know, and is not in a task that could wait.
        """
        return running.pool().result_of(self, sys._getframe(1))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Task) and other.id == self.id

    def __hash__(self) -> int:
        return hash((Task, self.id))

    def __reduce__(self) -> tuple[type[Self], tuple[int, str]]:
        return type(self), (self.id, self.name)

    def __repr__(self) -> str:
        return f"<task {self.id} {self.name!r}>"


# Not frozen, as one of each is made for every message: it takes half the time.


@dataclass(slots=True)
class Letter:
    """A message from task to task."""

    source: int
    """Id of the task that sent it."""
    dest: int
    """Id of the task it is for."""
    number: int
    """Of those from this source to this task, from 0 on: they are taken in this order."""
    context: int
    """Of a `TaskComm`, whose messages are apart from all others; 0: none."""
    tag: int
    data: bytes

    def fields(self) -> tuple[int, int, int, int, int, bytes]:
        """All of them, in order, as checkpoints have them."""
        return self.source, self.dest, self.number, self.context, self.tag, self.data


def measured(letters: Sequence[Letter]) -> tuple[int, int]:
    """How many they are, and their bytes."""
    return len(letters), sum(len(each.data) for each in letters)


@dataclass(frozen=True, slots=True)
class Read:
    """What a task is told of the messages it has sent: so many bytes were read."""

    dest: int
    """Id of the task that sent them."""
    by: int
    """Id of the task that read them."""
    nbytes: int


@dataclass(slots=True)
class Receive:
    """What a task waits for: a message."""

    source: int | None
    tag: int | None
    context: int = 0
    is_object: bool = True
    """Whether the call returns the object that was sent, or the `Letter`."""

    def fields(self) -> tuple[int | None, int | None, int, bool]:
        """All of them, in order, as checkpoints have them."""
        return self.source, self.tag, self.context, self.is_object

    def takes(self, letter: Letter) -> bool:
        """Whether it is that."""
        return (
            letter.context == self.context
            and self.source in (None, letter.source)
            and self.tag in (None, letter.tag)
        )

    def value_of(self, letter: Letter) -> tuple[Any]:
        """What the call returns for a message that it takes."""
        return (pickle.loads(letter.data) if self.is_object else letter,)

    def __str__(self) -> str:
        of = "any task" if self.source is None else f"task {self.source}"
        return f"a message of {of} with {'any tag' if self.tag is None else f'tag {self.tag}'}"


@dataclass(frozen=True, slots=True)
class AwaitOutcome:
    """What a task waits for: the end of another one."""

    task: int

    def __str__(self) -> str:
        return f"the result of task {self.task}"


@dataclass(frozen=True, slots=True)
class AwaitRoom:
    """What a task waits for: that another one takes messages out of its mailbox."""

    dest: int
    receiving: Receive | None = None
    """A message that it takes meanwhile; it goes on with each."""

    def __str__(self) -> str:
        return f"room in the mailbox of task {self.dest}"


Wait = Receive | AwaitOutcome | AwaitRoom


@dataclass(slots=True)
class Luggage:
    """What travels with the stack of a task."""

    id: int
    name: str
    moves: int = 0
    wait: Wait | None = None
    """What it waits for; None: it can run."""
    mailbox: deque[Letter] = field(default_factory=deque)
    """Messages that have come and were not taken."""
    early: dict[tuple[int, int], Letter] = field(default_factory=dict)
    """Those that overtook others, by source and number."""
    received: dict[int, int] = field(default_factory=dict)
    """Source -> number of the message that is next."""
    sent: dict[int, int] = field(default_factory=dict)
    """Task -> number of the next message to it."""
    unread: dict[int, int] = field(default_factory=dict)
    """Task -> bytes sent to it that it has not told to have read."""
    read: dict[int, int] = field(default_factory=dict)
    """Source -> bytes read of it since it was told."""
    seconds: float = 0.0
    """Of the processor, since it was spawned."""
    load: float = 0.0
    """Those since loads were balanced last."""
    traffic: dict[int, int] = field(default_factory=dict)
    """Task -> bytes sent to it since then."""
    nbytes: int = 0
    """Of its stack, when it came here or was looked at; 0: not known."""
    member: Member | None = None
    """What makes it a virtual rank."""

    def take_in(self, letter: Letter) -> None:
        """Put a message into the mailbox, in the order of its source."""
        expected = self.received.get(letter.source, 0)
        if letter.number != expected:
            self.early[letter.source, letter.number] = letter
            return
        following: Letter | None = letter
        while following is not None:
            self.mailbox.append(following)
            expected += 1
            following = self.early.pop((letter.source, expected), None)
        self.received[letter.source] = expected

    def pick(self, wanted: Receive) -> Letter | None:
        """Take the first message that is ``wanted`` out of the mailbox."""
        for place, letter in enumerate(self.mailbox):
            if wanted.takes(letter):
                del self.mailbox[place]
                return letter
        return None


@dataclass(slots=True, eq=False)
class Resident:
    """A task on the rank where it is."""

    luggage: Luggage
    begin: partial[Any] | None = None
    """Calls its function, the first argument; None once it has begun."""
    arrived: Thawed | None = None
    """Its stack as it came from another rank, which has not run here yet."""
    context: Context | None = None
    """What it runs in once it goes on here, see `contexts`; None: a new one."""
    greenlet: Any = None
    value: Any = None
    """What the call returns that it waits in."""
    error: BaseException | None = None
    """Raised there instead."""
    original: Original | None = None
    """Of the stack that is on its way to another rank."""
