"""Messages to tasks that there are not, and tags that there cannot be."""

import logging

import pytest
from mpi4py import MPI

from sauerkraut import mpi
from sauerkraut.errors import Deadlock, MigrationError

pytestmark = pytest.mark.mpi(ranks=(1, 2, 4))
RANK, SIZE = MPI.COMM_WORLD.rank, MPI.COMM_WORLD.size
NOBODY = 1001
LARGEST = 2**63 - 1
ASTRAY = f"messages for tasks that were never spawned: task 0 sent 2 messages to task {NOBODY}"


@pytest.fixture
def told():
    """What a person is told on this rank."""

    class Told(logging.Handler):
        def emit(self, record):
            told.append(record.getMessage())

    told = []
    handler = Told(logging.WARNING)
    logging.getLogger("sauerkraut").addHandler(handler)
    yield told
    logging.getLogger("sauerkraut").removeHandler(handler)


def sends(dest, count):
    for number in range(count):
        mpi.migrate((RANK + number) % SIZE)
        mpi.send(number, dest)
    return count


@pytest.mark.parametrize("path", [None, "ckpt"])
def test_a_run_tells_of_messages_to_a_task_that_never_was(comm, shared_dir, told, path):
    with mpi.TaskPool(comm, path and shared_dir / path) as pool:
        if RANK == 0:
            pool.spawn(sends, NOBODY, 2, name="sends")
        results = pool.run()
    assert RANK > 0 or results == {"sends": 2}
    assert told == ([f"run() ends with {ASTRAY}"] if RANK == 0 else [])


def test_a_deadlock_tells_of_them(pool, told):
    if RANK == 0:
        pool.spawn(sends, NOBODY, 2, name="sends")
        pool.spawn(mpi.recv, 0, name="waits")
    with pytest.raises(Deadlock, match=f"'waits' .*waits for a message of task 0 .*; {ASTRAY}$"):
        pool.run()
    assert told == []


def test_a_task_of_the_next_run_may_be_meant(pool, told):
    if RANK == 0:
        pool.spawn(sends, SIZE, 2)
    pool.run()
    if RANK == 0:
        assert len(told) == 1
        pool.spawn(lambda: [mpi.recv(), mpi.recv()], name="reads")
    results = pool.run()
    assert RANK > 0 or results["reads"] == [0, 1]
    assert len(told) == (RANK == 0)


def test_messages_to_those_that_have_ended_are_no_error(pool, told):
    ended = pool.spawn(sends, 0, 0)
    pool.run()
    pool.spawn(sends, (ended.id + 1) % SIZE, 3)
    pool.run()
    assert told == []


def goes_too_far():
    raised = []
    for call in (
        lambda: mpi.send(1, 0, LARGEST + 1),
        lambda: mpi.send(1, SIZE - 1, -LARGEST - 1),
        lambda: mpi.recv(tag=2**70),
        lambda: mpi.send(1, LARGEST + 1),
        lambda: mpi.send(1, -1),
        lambda: mpi.recv(MPI.ANY_SOURCE),
    ):
        with pytest.raises(MigrationError) as found:
            call()
        raised.append(str(found.value))
    with pytest.raises(TypeError, match="integer"):
        mpi.recv(tag="name")
    return raised


def test_ids_and_tags_that_cannot_be(pool):
    task = pool.spawn(goes_too_far)
    pool.run()
    assert task.result() == [
        *(
            f"tag={tag}: tags are -2**63 + 1 to 2**63 - 1"
            for tag in (LARGEST + 1, -LARGEST - 1, 2**70)
        ),
        f"dest={LARGEST + 1}: ids of tasks are 0 to 2**63 - 1",
        "dest=-1: ids of tasks are 0 to 2**63 - 1",
        f"source={MPI.ANY_SOURCE}: ids of tasks are 0 to 2**63 - 1",
    ]


def passes_on(tag):
    me = mpi.current().id
    mpi.send("there", (me + 1) % SIZE, tag)
    return mpi.recv((me - 1) % SIZE, tag)


@pytest.mark.parametrize("tag", [LARGEST, -LARGEST])
def test_the_largest_tags_go_to_any_rank(pool, tag):
    task = pool.spawn(passes_on, tag)
    pool.run()
    assert task.result() == "there"
