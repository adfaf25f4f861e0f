"""Tasks that move between ranks."""

import re
import time

import numpy as np
import pytest
from mpi4py import MPI

from sauerkraut import mpi
from sauerkraut.errors import Deadlock, MigrationError, RankError
from sauerkraut.mpi.transfer import Channel

pytestmark = pytest.mark.mpi(ranks=(1, 2, 4))
RANK, SIZE = MPI.COMM_WORLD.rank, MPI.COMM_WORLD.size


def around(turns, size):
    whole = np.arange(float(size))
    half = whole[: size // 2]
    random = np.random.default_rng(7)
    numbers = (n for n in range(10_000))
    seen, drawn = [], []
    for turn in range(turns):
        try:
            mpi.migrate((rank_now() + 1) % SIZE)
        finally:
            seen.append(rank_now())
        whole += 1
        drawn.append((turn, next(numbers), random.random()))
    assert np.shares_memory(half, whole)
    return seen, half.sum(), drawn


def rank_now():
    return MPI.COMM_WORLD.rank


def undisturbed(turns, size):
    random = np.random.default_rng(7)
    half = np.arange(float(size))[: size // 2] + turns
    return half.sum(), [(turn, turn, random.random()) for turn in range(turns)]


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_task_goes_around_all_ranks(pool, size):
    pool.spawn(around, 3 * SIZE + 1, size, name=f"from {RANK}")
    (name, (seen, total, drawn)) = next(iter(pool.run().items()))
    assert name == f"from {RANK}"
    assert seen == [(RANK + 1 + turn) % SIZE for turn in range(3 * SIZE + 1)]
    assert (total, drawn) == undisturbed(3 * SIZE + 1, size)


def waits_for(others):
    mpi.migrate(SIZE - 1)
    return sum(each.result() for each in others)


def gives(number):
    mpi.yield_()
    mpi.migrate(number % SIZE)
    return number


def test_results_reach_whoever_waits(pool):
    first = [pool.spawn(gives, number) for number in range(5)]
    total = pool.spawn(waits_for, first)
    pool.run()
    assert total.result() == 10
    assert [each.result() for each in first] == [0, 1, 2, 3, 4]


def raises(dest):
    mpi.migrate(dest)
    raise KeyError("lost")


def catches(other):
    try:
        other.result()
    except KeyError as error:
        return str(error), error.__notes__[0].startswith(f"in '{other.name}'")


def test_exceptions_reach_whoever_waits(pool):
    catching = pool.spawn(catches, pool.spawn(raises, SIZE - 1))
    pool.run()
    assert catching.result() == ("'lost'", True)


def test_an_exception_nobody_waits_for(pool):
    if RANK == 0:
        pool.spawn(raises, SIZE - 1)
    with pytest.raises((RankError, KeyError), match="lost"):
        pool.run()


def ping(other, turns):
    got = []
    for turn in range(turns):
        mpi.send((turn, "x" * turn), other)
        got.append(mpi.recv(other))
        if turn % 3 == 0:
            mpi.migrate((rank_now() + turn) % SIZE)
    return got


def test_messages_find_tasks_that_move(pool):
    if RANK == 0:
        answering = pool.spawn(answers, 40, name="answers")
        pool.spawn(ping, answering, 40, name="asks")
    results = pool.run()
    if RANK == 0:
        assert results["asks"] == [(turn, turn) for turn in range(40)]


def answers(turns):
    for turn in range(turns):
        number, text = mpi.recv()
        mpi.send((number, len(text)), 1 * SIZE)  # the second task of rank 0
        if turn % 2:
            mpi.migrate((rank_now() + 1) % SIZE)


def test_what_cannot_be_captured_stays(pool):
    def holds():
        import socket

        with socket.socket() as held:
            try:
                mpi.migrate(SIZE - 1)
            except MigrationError as error:
                assert held.fileno() > 0
                return str(error)

    task = pool.spawn(holds, name="holds")
    pool.run()
    if RANK != SIZE - 1:
        assert "'holds' stays at rank" in task.result()
        assert "local 'held'" in task.result()


def test_a_deadlock_names_what_is_waited_for(pool):
    if RANK == 0:
        pool.spawn(mpi.recv, name="first")
        pool.spawn(mpi.recv, 0, 5, name="second")
    with pytest.raises(Deadlock, match=r"'first' .*any task.*'second' .* of task 0 with tag 5"):
        pool.run()


def test_a_deadlock_of_many_names_some(pool):
    for number in range(12):
        pool.spawn(mpi.recv, name=f"waiting {number}")
    with pytest.raises(Deadlock) as met:
        pool.run()
    assert str(met.value).count(" waits for a message of any task") == 8
    assert str(met.value).endswith(f"; and {12 * SIZE - 8} more wait")


def test_only_tasks_move(pool):
    with pytest.raises(MigrationError, match=r"migrate\(\) is for tasks"):
        mpi.migrate(0)


class Unreadable:
    def __reduce__(self):
        return int, ("no number",)


def sends_what_cannot_be_read(dest):
    mpi.send(Unreadable(), dest)
    return "sent"


def tries_to_read():
    try:
        mpi.recv()
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("where", ["first", "last"])
def test_what_cannot_be_read_is_the_readers_error(pool, where):
    where = SIZE - 1 if where == "last" else 0
    if where == RANK:
        pool.spawn(tries_to_read, name="reads")
    MPI.COMM_WORLD.Barrier()
    if RANK == 0:
        pool.spawn(sends_what_cannot_be_read, where, name="sends")
    results = pool.run()
    if where == RANK:
        assert "no number" in results["reads"]


def gives_what_cannot_be_rebuilt():
    return Unreadable()


def catches_that(other):
    mpi.migrate(SIZE - 1)
    try:
        other.result()
    except Exception as error:
        return str(error)


def test_a_result_that_cannot_be_rebuilt_is_the_askers_error(pool):
    asking = pool.spawn(catches_that, pool.spawn(gives_what_cannot_be_rebuilt))
    pool.run()
    assert "no number" in asking.result()


def fails():
    raise KeyError("early")


class UnsayableError(Exception):
    def __str__(self):
        raise RuntimeError("no text")


def fails_without_text():
    error = UnsayableError()
    error.held = re.finditer("a", "a")
    raise error


def test_an_error_that_can_neither_be_sent_nor_told(pool):
    if RANK == 0:
        pool.spawn(fails_without_text, name="fails")
    with pytest.raises((RankError, MigrationError), match="'fails' raised UnsayableError"):
        pool.run()


def asks_late(other):
    for _ in range(50):
        mpi.yield_()
    return catches(other)


def test_an_error_that_was_asked_for_late_is_not_raised_again(pool):
    failed = pool.spawn(fails)
    asking = pool.spawn(asks_late, failed)
    pool.run()
    assert asking.result()[0] == "'early'"


def spawns_later(dest):
    mpi.send("first", dest)
    mpi.send("second", dest)
    mpi.yield_()


def reads_two():
    return mpi.recv(), mpi.recv()


def spawns(pool):
    for _ in range(20):
        mpi.yield_()
    return pool.spawn(reads_two).result()


def test_messages_wait_for_a_task_that_is_spawned_later(pool):
    if RANK == 0:
        pool.spawn(spawns_later, 2 * SIZE)
        pool.spawn(spawns, pool, name="spawns")
    results = pool.run()
    if RANK == 0:
        assert results["spawns"] == ("first", "second")


def sends_with_a_wrong_tag(dest):
    with pytest.raises(TypeError, match="integer"):
        mpi.send("lost", dest, tag="name")
    mpi.send("found", dest)


def test_a_message_that_was_not_sent_leaves_no_gap(pool):
    reading = pool.spawn(mpi.recv, name="reads")
    pool.spawn(sends_with_a_wrong_tag, (reading.id + 1) % SIZE)
    assert pool.run()["reads"] == "found"


def ends_itself():
    from greenlet import GreenletExit

    raise GreenletExit


def waits_in_a_greenlet_of_its_own():
    from greenlet import greenlet

    with pytest.raises(MigrationError, match="a greenlet of a task's own cannot wait"):
        greenlet(lambda: mpi.yield_()).switch()
    return "refused"


def test_greenlets_of_a_task(pool):
    pool.spawn(waits_in_a_greenlet_of_its_own, name="refused")
    assert pool.run() == {"refused": "refused"}
    pool.spawn(ends_itself)
    with pytest.raises((RankError, MigrationError), match="was ended from within"):
        pool.run()


def changes(shared):
    for _ in range(300):
        shared += 1
        mpi.yield_()


def moves_with(shared):
    for _ in range(3):
        mpi.migrate((rank_now() + 1) % SIZE)
    return float(shared.min()), float(shared.max())


def test_arrays_that_others_change_are_those_of_one_moment(pool):
    shared = np.zeros(400_000)
    pool.spawn(changes, shared)
    moved = pool.spawn(moves_with, shared)
    pool.run()
    low, high = moved.result()
    assert low == high


class Late(Channel):
    """Tells one rank a little later that a task was accepted, as a network may do."""

    held = ()

    @property
    def quiet(self):
        return super().quiet and not self.held

    def answer(self, dest, *told):
        if dest == 0 and self.rank == 1:
            self.held = (*self.held, (time.monotonic() + 0.2, dest, told))
        else:
            super().answer(dest, *told)

    def progress(self):
        for due, dest, told in self.held:
            if time.monotonic() >= due:
                self.held = tuple(each for each in self.held if each[0] != due)
                super().answer(dest, *told)
        super().progress()


def bounces(letters):
    for dest in (1, SIZE - 1, 0, 1, 0):
        mpi.migrate(dest)
    return [mpi.recv() for _ in range(letters)]


def test_a_task_that_is_back_before_it_is_known_to_have_arrived(comm, monkeypatch):
    if SIZE < 3:
        return
    monkeypatch.setattr("sauerkraut.mpi.tasks.pool.Channel", Late)
    with mpi.TaskPool(comm) as pool:
        if RANK == 0:
            pool.spawn(bounces, 20, name="bounces")
            pool.spawn(sends_all, 0, 20)
        results = pool.run()
    if RANK == 0:
        assert results["bounces"] == list(range(20))


def sends_all(dest, count):
    for number in range(count):
        mpi.send(number, dest)
        mpi.yield_()
