"""Tasks that are stored as epochs, and go on from there on any number of ranks."""

import logging
import os
import signal
import socket
import time

import numpy as np
import pytest
from mpi4py import MPI

import sauerkraut as skt
from sauerkraut import mpi
from sauerkraut.checkpoint import requests
from sauerkraut.errors import CaptureError, CorruptCheckpoint, MigrationError, ResumeError
from sauerkraut.launch.progress import newest_epoch
from sauerkraut.mpi.tasks import cut
from sauerkraut.mpi.tasks.placing import place
from sauerkraut.storage import Shard, catalog
from tests.nonsense import changes, reseal
from tests.programs import exchanging

pytestmark = pytest.mark.mpi(ranks=(1, 2, 4))
SIZE = MPI.COMM_WORLD.size
TURNS = 12
ALL = list(range(exchanging.TASKS))


def run(pool):
    return pool.run()


def start(directory):
    def start(pool):
        exchanging.spawn(pool, TURNS, ask=directory)
        pool.checkpoint()
        return pool.run()

    return start


def again(pool):
    """Go on, but first store what has come, and has not run."""
    assert pool.restarted
    pool.checkpoint()
    return pool.run()


def united(results):
    return {name: result for each in results for name, result in each.items()}


def epochs(path):
    return [entry.path for entry in reversed(catalog.committed(path))]


@pytest.mark.parametrize(("then", "now"), [(1, 1), (1, 2), (2, 1), (2, 2), (3, 4), (4, 3)])
def test_tasks_go_on_on_another_number_of_ranks(on, shared_dir, alone, then, now):
    if max(then, now) != SIZE:
        return
    undisturbed = united(on(then, None, lambda pool: exchanging.spawn(pool, TURNS) or pool.run()))
    assert len(undisturbed) == exchanging.TASKS + 1
    path = shared_dir / "ckpt"
    assert united(on(then, path, start(path))) == undisturbed
    begun, middle, final = epochs(path)
    for epoch in begun, middle, final:
        *found, gathers = exchanging.tasks_in(epoch)
        assert (found, gathers % then) == (ALL, 0)
    for epoch in begun, middle:
        went_on = alone(epoch, f"from-{epoch.name}")
        assert united(on(now, went_on, again)) == undisturbed
        assert all(exchanging.tasks_in(each)[:-1] == ALL for each in epochs(went_on))


def test_a_run_that_has_finished_returns_what_its_tasks_did(on, shared_dir):
    path = shared_dir / "ckpt"
    first = on(SIZE, path, lambda pool: exchanging.spawn(pool, TURNS) or pool.run())
    assert catalog.completion(path)
    second = on(SIZE, path, run)
    assert united(second) == united(first)

    def spawn(pool):
        with pytest.raises(MigrationError, match="has finished"):
            pool.spawn(run)

    on(1, path, spawn)


def test_new_tasks_have_new_ids(on, shared_dir):
    path = shared_dir / "ckpt"

    def store(pool):
        old = [pool.spawn(exchanging.hear, {}) for _ in range(3)]
        pool.checkpoint()
        return [each.id for each in old]

    old = on(SIZE, path, store)
    new = on(1, path, lambda pool: pool.spawn(run).id)
    assert new[0] > max(max(each) for each in old)


def rounds_of_a_ring(comm, ask=None):
    """Messages in both directions, receives posted before, a communicator in the communicator."""
    left, right = (comm.rank - 1) % comm.size, (comm.rank + 1) % comm.size
    half, seen = comm.Split(comm.rank % 2), []
    field, got, total = np.arange(100.0) + comm.rank, np.empty(100), np.empty(100)
    for turn in range(TURNS):
        receiving, told = comm.Irecv(got, left, turn % 2), comm.irecv(source=right, tag=7)
        comm.isend((comm.rank, turn), left, tag=7)
        if ask is not None and comm.rank == 0 and turn == TURNS // 2:
            exchanging.wait_for_epoch(ask)
        comm.Send(field, right, turn % 2)  # more than a mailbox
        receiving.Wait()
        half.Allreduce(got, total)
        field[1:] += np.sqrt(total[:-1])
        seen.append(told.wait())
        if turn % 5 == 4:
            half = comm.Dup().Split(comm.rank % 2)
    return field.tobytes(), seen, comm.gather(half.rank)


def test_virtual_ranks_go_on_on_another_number_of_ranks(on, shared_dir, alone):
    def with_ranks(size, *args):
        return lambda pool: pool.spawn_ranks(rounds_of_a_ring, size, *args) and pool.run()

    def start(pool):
        pool.spawn_ranks(rounds_of_a_ring, 5, path)
        pool.checkpoint()
        return pool.run()

    def with_others(pool):
        pool.spawn_ranks(rounds_of_a_ring, 3, name="other")
        return again(pool)

    def refuse(pool):
        with pytest.raises(MigrationError, match="has finished"):
            pool.spawn_ranks(rounds_of_a_ring, 2)

    undisturbed = united(on(SIZE, None, with_ranks(5)))
    others = united(on(SIZE, None, with_ranks(3)))
    expected = undisturbed | {f"other {rank}": others[f"rank {rank}"] for rank in range(3)}
    path = shared_dir / "ckpt"
    assert united(on(SIZE, path, start, mailbox=500)) == undisturbed
    for epoch in epochs(path)[:2]:
        for now in {1, max(1, SIZE - 1), SIZE}:
            went_on = alone(epoch, f"{epoch.name}-on-{now}")
            assert united(on(now, went_on, with_others, mailbox=500)) == expected
            on(1, went_on, refuse)


def test_loads_are_balanced_between_checkpoints(on, shared_dir, alone, monkeypatch):
    monkeypatch.setattr("sauerkraut.mpi.tasks.census.BUSY_GAP", 0.0)
    often = {"interval": 0.03, "balance": "rotate", "every": 0.001}

    def body(pool):
        if not pool.restarted:
            exchanging.spawn(pool, TURNS, exchanging.LONG)
        return pool.run(), sum(each.moves for each in pool.rounds)

    undisturbed = united(on(SIZE, None, lambda pool: exchanging.spawn(pool, TURNS) or pool.run()))
    path = shared_dir / "ckpt"
    found = on(SIZE, path, body, **often)
    assert united(each for each, _ in found) == undisturbed
    assert SIZE == 1 or found[0][1] > 0
    stored = epochs(path)
    assert len(stored) > 1
    assert all(exchanging.tasks_in(epoch)[:-1] == ALL for epoch in stored)
    for epoch in dict.fromkeys([stored[0], stored[-2]]):
        for now in {max(1, SIZE - 1), SIZE}:
            went_on = alone(epoch, f"{epoch.name}-on-{now}")
            assert united(each for each, _ in on(now, went_on, body, **often)) == undisturbed


def holds(path):
    with socket.socket() as held:
        while not path.exists():
            mpi.yield_()
        return held.fileno() > 0


def holds_and_asks(path, directory):
    os.kill(os.getpid(), signal.SIGUSR2)
    held = holds(path)
    while not newest_epoch(directory):
        mpi.yield_()
    return held


@pytest.fixture
def told(shared_dir):
    """What is warned of; then the tasks find "go on"."""

    class Told(logging.Handler):
        def emit(self, record):
            told.append(record.getMessage())
            (shared_dir / "go on").touch()

    told = []
    handler = Told(logging.WARNING)
    logging.getLogger("sauerkraut").addHandler(handler)
    yield told
    logging.getLogger("sauerkraut").removeHandler(handler)


def test_what_cannot_be_stored_is_named_and_the_run_goes_on(on, shared_dir, told):
    def body(pool):
        if pool.rank == 0:
            pool.spawn(holds, shared_dir / "go on", name="holds")
        return pool.run()

    found = on(SIZE, shared_dir / "ckpt", body, interval=0.001)
    assert united(found) == {"holds": True}
    if MPI.COMM_WORLD.rank == 0:
        assert "'holds' cannot be stored: " in told[0]
        assert "local 'held'" in told[0]


def test_a_checkpoint_that_failed_is_tried_again(on, shared_dir, told, monkeypatch):
    monkeypatch.setattr("sauerkraut.checkpoint.interval.FIRST_BACK_OFF", 0.01)
    path = shared_dir / "ckpt"

    def body(pool):
        if pool.rank == pool.size - 1:
            pool.spawn(holds_and_asks, shared_dir / "go on", path, name="asks")
        return pool.run()

    assert united(on(SIZE, path, body)) == {"asks": True}
    if MPI.COMM_WORLD.rank == 0:
        assert "'asks' cannot be stored: " in told[0]


def asks_once(directory):
    asked = requests.write(directory, requests.Request("once", stop=False))
    while asked.exists():
        mpi.yield_()
    for _ in range(100):  # long enough for many looks at the directory
        time.sleep(0.001)
        mpi.yield_()


def test_a_request_is_answered_once(on, shared_dir, monkeypatch):
    monkeypatch.setattr("sauerkraut.mpi.tasks.checkpoints.LOOK", 0.05)
    monkeypatch.setattr("sauerkraut.mpi.tasks.census.BUSY_GAP", 0.0)
    path = shared_dir / "ckpt"

    def body(pool):
        if pool.rank == pool.size - 1:
            pool.spawn(asks_once, path)
        pool.run()

    on(SIZE, path, body)
    answered = [catalog.read_manifest(epoch).about.requests for epoch in epochs(path)]
    assert answered == [("once",), ()]


def test_a_pool_left_with_an_error_of_all_ranks_frees_its_directory(comm, shared_dir, monkeypatch):
    monkeypatch.setenv("SAUERKRAUT_OWNER_WAIT", "0")
    path = shared_dir / "ckpt"

    def store_socket():
        with socket.socket() as held, mpi.TaskPool(comm, path) as pool:
            pool.spawn(len, held, name="holds")
            pool.checkpoint()

    def spawn_none():
        with mpi.TaskPool(comm, path) as pool:
            pool.spawn_ranks(holds, 0)

    with pytest.raises(CaptureError, match="'holds' cannot be stored"):
        store_socket()
    with pytest.raises(MigrationError, match="0 tasks on rank 0"):
        spawn_none()
    with mpi.TaskPool(comm, path) as pool:
        assert pool.run() == {}


def test_a_damaged_epoch_is_passed_over(on, comm, shared_dir):
    path = shared_dir / "ckpt"
    undisturbed = on(SIZE, path, start(path))
    if comm.rank == 0:
        final = epochs(path)[-1]
        shard = final / "shard-00000.h5"
        data = bytearray(shard.read_bytes())
        data[len(data) // 2] ^= 1
        shard.write_bytes(data)
    comm.barrier()
    assert united(on(1, path, run)) == united(undisturbed)


@pytest.mark.parametrize("text", [b"[]", b'{"tasks": [{"id": 0}]}', b"[" * 100_000, b"\xff"])
def test_an_epoch_whose_index_tells_of_no_tasks_is_passed_over(on, comm, shared_dir, text):
    path = shared_dir / "ckpt"
    undisturbed = on(SIZE, path, start(path))
    if comm.rank == 0:
        reseal(epochs(path)[-1], lambda name, data: text if name == cut.INDEX else data, [0])
    comm.barrier()
    assert united(on(1, path, run)) == united(undisturbed)


def test_indexes_that_cannot_be_are_damage(on, comm, shared_dir):
    path = shared_dir / "ckpt"
    on(SIZE, path, start(path))
    if comm.rank == 0:
        with Shard.open(epochs(path)[1] / "shard-00000.h5") as shard:
            index = bytes(shard.stream(cut.INDEX))
            refused = 0
            for text in changes(index, 300):
                try:
                    cut.parsed(text, shard.path)
                except CorruptCheckpoint:
                    refused += 1
        assert refused > 75
    comm.barrier()


def test_a_directory_of_something_else_is_refused(on, comm, shared_dir):
    path = shared_dir / "ckpt"
    skt.Checkpointer(path, comm, quiet=True).run(int)
    with pytest.raises(ResumeError, match="no checkpoint of a TaskPool"):
        mpi.TaskPool(comm, path)


@pytest.mark.parametrize("size", [1, 3, 7])
def test_no_rank_gets_much_more_than_another(size):
    loads = {task: float(task % 5 + 1) for task in range(40)}
    ranks = place(loads, size)
    assert ranks.keys() == loads.keys()
    sums = [sum(loads[task] for task in ranks if ranks[task] == rank) for rank in range(size)]
    assert max(sums) - min(sums) <= max(loads.values())
    assert place(dict(reversed(loads.items())), size) == ranks
    counts = [list(place(dict.fromkeys(range(40), 0.0), size).values()).count(r) for r in (0, 1)]
    assert size == 1 or max(counts) - min(counts) <= 1


def says(what):
    return what


def test_tasks_of_the_same_name_have_a_result_each(on, shared_dir):
    path = shared_dir / "ckpt"

    def store(pool):
        tasks = [pool.spawn(says, turn, name="says") for turn in range(2)]
        tasks.append(pool.spawn(says, 2, name=f"says (task {tasks[0].id})"))
        tasks.append(pool.spawn(says, 3, name="alone"))
        pool.checkpoint()
        return [each.id for each in tasks], pool.run()

    for ids, results in on(SIZE, path, store):
        first = f"says (task {ids[0]})"
        assert results == {
            f"{first} (task {ids[0]})": 0,
            f"says (task {ids[1]})": 1,
            f"{first} (task {ids[2]})": 2,
            "alone": 3,
        }
    (results,) = on(1, path, run)  # all tasks have the same home now
    assert sorted(results.values()) == sorted([*range(4)] * SIZE)


def says_before_the_other_reads(directory, other):
    for _ in range(3):
        mpi.send(bytes(300), other, tag=1)
    exchanging.wait_for_epoch(directory)
    mpi.send(bytes(300), other, tag=1)
    mpi.send("read first", other, tag=2)


def reads_last_first():
    last = mpi.recv(tag=2)
    return last, [len(mpi.recv(tag=1)) for _ in range(4)]


def test_a_smaller_mailbox_after_a_restart_stops_nobody(on, shared_dir, alone):
    path = shared_dir / "ckpt"

    def begin(pool):
        if pool.rank == 0:
            reader = pool.spawn(reads_last_first, name="reads")
            pool.spawn(says_before_the_other_reads, path, reader)
        pool.checkpoint()
        return pool.run()

    undisturbed = united(on(SIZE, path, begin, mailbox=100_000))
    assert undisturbed["reads"] == ("read first", [300] * 4)
    went_on = alone(epochs(path)[1], "went-on")
    for _ in range(2):  # the second one finds that it is finished
        assert united(on(SIZE, went_on, run, mailbox=100)) == undisturbed


def sends_to_nobody(directory, task, nbytes):
    mpi.send(bytes(nbytes), task)
    exchanging.wait_for_epoch(directory)


def test_a_restarted_pool_may_be_closed_at_once(on, shared_dir, alone):
    """While what was kept for a task that nobody knows goes to its home, another rank now."""
    path = shared_dir / "ckpt"

    def begin(pool):
        pool.spawn(sends_to_nobody, path, 1001, 10 << 20)
        pool.checkpoint()
        pool.run()

    on(1, path, begin)
    went_on = alone(epochs(path)[1], "went-on")
    assert all(on(SIZE, went_on, lambda pool: pool.restarted is not None))
    on(SIZE, went_on, run)
