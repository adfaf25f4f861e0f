"""Context variables of tasks: each has its own, and they go where it goes."""

import decimal
from contextvars import ContextVar

import numpy as np
import pytest
from mpi4py import MPI

from sauerkraut import mpi
from sauerkraut.storage import catalog
from tests.programs import exchanging

pytestmark = pytest.mark.mpi(ranks=(1, 2, 4))
SIZE = MPI.COMM_WORLD.size
UNIT = ContextVar("UNIT", default="m")


@pytest.fixture
def program():
    """What the program has set before its tasks."""
    with decimal.localcontext() as digits, np.errstate(divide="ignore"):
        digits.prec = 9
        unit = UNIT.set("km")
        yield digits
        UNIT.reset(unit)


def third():
    return str(decimal.Decimal(1) / 3)


def all_of_them():
    options = np.geterr()["divide"], np.get_printoptions()["precision"]
    return third(), UNIT.get(), *options


OF_PROGRAM = ("0.333333333", "km", "ignore", 8)
OF_TASK = ("0.33333", "mm", "raise", 3)


def by_blocks(stops):
    """Sets all of them for a while."""
    seen = [all_of_them()]
    unit = UNIT.set("mm")
    with (
        decimal.localcontext() as digits,
        np.errstate(divide="raise"),
        np.printoptions(precision=3),
    ):
        digits.prec = 5
        for stop in stops:
            stop()
            seen.append(all_of_them())
    UNIT.reset(unit)
    return [*seen, all_of_them()]


def for_good(stops):
    """Sets all of them, and keeps nothing that would undo it."""
    seen = [all_of_them()]
    UNIT.set("mm")
    decimal.getcontext().prec = 5
    np.seterr(divide="raise")
    np.set_printoptions(precision=3)
    for stop in stops:
        stop()
        seen.append(all_of_them())
    np.set_printoptions(precision=8)
    UNIT.set("km")
    decimal.getcontext().prec = 9
    np.seterr(divide="ignore")
    return [*seen, all_of_them()]


class To:
    """A stop: go on at the rank that is so many on."""

    def __init__(self, by):
        self.by = by

    def __call__(self):
        mpi.migrate((MPI.COMM_WORLD.rank + self.by) % SIZE)


STOPS = [mpi.yield_, To(1), To(1), mpi.yield_, To(0), To(SIZE - 1)]


@pytest.mark.parametrize("body", [by_blocks, for_good])
def test_they_go_where_a_task_goes(pool, program, body):
    bodies = [body, looks, body]
    tasks = [pool.spawn(each, STOPS) for each in bodies]
    pool.run()
    for each, task in zip(bodies, tasks, strict=True):
        inside = OF_PROGRAM if each is looks else OF_TASK
        assert task.result() == [OF_PROGRAM, *[inside] * len(STOPS), OF_PROGRAM]
    assert all_of_them() == OF_PROGRAM
    assert decimal.getcontext() is program


def looks(stops):
    seen = [all_of_them()]
    for stop in stops:
        stop()
        seen.append(all_of_them())
    return [*seen, all_of_them()]


def waits(body):
    return body([To(1), mpi.recv, mpi.yield_])


def answers(tasks, directory):
    """Let the others wait until an epoch is there."""
    exchanging.wait_for_epoch(directory)
    for each in tasks:
        mpi.send("go on", each)


@pytest.mark.parametrize("body", [by_blocks, for_good])
def test_they_come_back_from_an_epoch(on, alone, shared_dir, program, body):
    path = shared_dir / "ckpt"

    def begin(pool):
        if pool.rank == 0:
            tasks = [pool.spawn(waits, body, name=f"waits {number}") for number in range(3)]
            pool.spawn(answers, tasks, path)
        pool.checkpoint()
        return pool.run()

    undisturbed = on(SIZE, path, begin)
    assert undisturbed[0]["waits 0"] == [OF_PROGRAM, OF_TASK, OF_TASK, OF_TASK, OF_PROGRAM]
    for entry in catalog.committed(path)[:2]:
        went_on = alone(entry.path, f"from-{entry.path.name}")
        for _ in range(2):  # the second one finds that it is finished
            assert on(SIZE, went_on, lambda pool: pool.run()) == undisturbed
        assert all_of_them() == OF_PROGRAM
