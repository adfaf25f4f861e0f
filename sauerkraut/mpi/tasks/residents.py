"""The tasks of one rank: they run in turn, each until it waits, moves or ends."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from sauerkraut.errors import MigrationError
from sauerkraut.frames.capture import call
from sauerkraut.mpi.tasks import contexts, running
from sauerkraut.mpi.tasks.switching import CAPTURE, Captured, Ended, Request, captured_arrived
from sauerkraut.mpi.tasks.task import Resident


class Residents:
    """The tasks that are here.

    Raises:
        ImportError: greenlet is not installed.
    """

    def __init__(self) -> None:
        try:
            import greenlet
        except ImportError as error:
            raise ImportError("tasks need greenlet: pip install greenlet") from error
        self._greenlets = greenlet
        self._here: dict[int, Resident] = {}
        self._ready: OrderedDict[int, Resident] = OrderedDict()  # in the order of their turns
        self.steps = 0
        """How often a task ran."""

    def __len__(self) -> int:
        return len(self._here)

    def __iter__(self) -> Iterator[Resident]:
        return iter(list(self._here.values()))

    def get(self, task: int) -> Resident | None:
        """The task of this id, if it is here."""
        return self._here.get(task)

    def add(self, resident: Resident) -> None:
        """A task is here, and can run unless it waits."""
        task = resident.luggage.id
        self._here[task] = resident
        if resident.luggage.wait is None:
            self._ready[task] = resident

    def remove(self, resident: Resident) -> None:
        """It has ended, or is elsewhere."""
        task = resident.luggage.id
        del self._here[task]
        self._ready.pop(task, None)

    @property
    def runnable(self) -> int:
        """How many wait for nothing."""
        return len(self._ready)

    def wake(
        self, resident: Resident, value: object = None, error: BaseException | None = None
    ) -> None:
        """What it waited for is here: its call returns ``value``, or raises ``error``."""
        resident.value, resident.error = value, error
        resident.luggage.wait = None
        self._ready[resident.luggage.id] = resident

    def next(self) -> Resident | None:
        """The task whose turn it is."""
        return self._ready.popitem(last=False)[1] if self._ready else None

    def run(self, resident: Resident) -> Request:
        """Let a task run until it asks for something."""
        self.steps += 1
        value, resident.value = resident.value, None
        began = time.thread_time()
        request = self._switch(resident, value)
        took = time.thread_time() - began
        resident.luggage.seconds += took
        resident.luggage.load += took
        return request

    def capture(self, resident: Resident) -> Captured:
        """The stack of a task that has begun, and that does not run."""
        if resident.arrived is not None:
            return captured_arrived(resident, resident.arrived)
        captured = self._switch(resident, CAPTURE)
        assert isinstance(captured, Captured), "that is what was asked for"
        return captured

    def end(self, resident: Resident) -> None:
        """End a task that goes on elsewhere; none of its handlers runs."""
        if resident.original is not None and resident.greenlet is not None:
            resident.original.end(lambda: resident.greenlet.throw(self._greenlets.GreenletExit))
        resident.original = resident.greenlet = resident.arrived = None

    def _switch(self, resident: Resident, value: object) -> Request:
        if resident.greenlet is None:
            resident.greenlet = self._greenlets.greenlet(_body)
            resident.greenlet.gr_context = resident.context or contexts.of_program()
            resident.context = None
            value = _start(resident, value)
        running.begin(resident)
        try:
            request: Request = resident.greenlet.switch(value)
        finally:
            running.end()
        if resident.greenlet.dead and not isinstance(request, Ended):  # GreenletExit was raised
            return Ended(error=MigrationError(f"{resident.luggage.name!r} was ended from within"))
        return request


def _start(resident: Resident, value: object) -> Callable[[], Any]:
    """What the greenlet of a task runs first."""
    if resident.begin is not None:
        begin, resident.begin = resident.begin, None
        return begin
    thawed, resident.arrived = resident.arrived, None
    error, resident.error = resident.error, None
    assert thawed is not None, "a task that has not begun here has come from elsewhere"
    return lambda: thawed.run(value, error)


def _body(run: Callable[[], Any]) -> Ended:
    try:
        return Ended(run())
    except Exception as error:  # noqa: BLE001 - whoever waits for its result raises it
        return Ended(error=error)


def beginning(function: Callable[..., Any], args: tuple[Any, ...]) -> partial[Any]:
    """What starts a task; its function is the base of captures."""
    if not callable(function):
        raise MigrationError(f"spawn({function!r}): a task is a function and its arguments")
    return partial(call, function, *args)
