"""`sauerkraut inspect` shows the tasks of an epoch, and runs nothing of them."""

import json

import numpy as np
import pytest

from sauerkraut import mpi
from sauerkraut.cli import main
from tests.programs import exchanging
from tests.traps import Trap

pytestmark = pytest.mark.mpi(ranks=(1, 2, 4))


def fails():
    raise ValueError("of its own", 3)


def listens(limit, trap):
    field = np.zeros((100, 100))
    heard = {"limit": limit}
    heard["last"] = mpi.recv(tag=2)
    return field.sum(), heard, trap is None


def asks(directory, listener, failing):
    mpi.send("one", listener, tag=1)
    mpi.send("two", listener, tag=1)
    try:
        failing.result()
    except ValueError:
        exchanging.wait_for_epoch(directory)
    mpi.send("go on", listener, tag=2)
    return 42


@pytest.fixture
def shown(comm, shared_dir, capsys):
    """What is said of epochs 1 (no task has begun), 2 and 3 (all have ended)."""
    path = shared_dir / "ckpt"
    with mpi.TaskPool(comm, path, keep=3) as pool:
        if pool.rank == 0:
            listener = pool.spawn(listens, 3, Trap(shared_dir / "sprung"), name="listens")
            pool.spawn(asks, path, listener, pool.spawn(fails, name="fails"), name="asks")
        pool.checkpoint()
        pool.run()

    def shown(epoch, *words):
        """What rank 0 says."""
        status = main(["inspect", str(path), "--epoch", str(epoch), *words])
        status, out = comm.bcast((status, capsys.readouterr().out))
        return status, json.loads(out) if "--json" in words else out

    comm.barrier()
    return shown


def by_name(document):
    return {each["name"]: each for rank in document["ranks"] for each in rank["tasks"]}


def test_a_task_that_waits(shown):
    status, document = shown(2, "--json")
    assert status == 0
    listens = by_name(document)["listens"]
    assert (listens["id"], listens["home"], listens["moves"]) == (0, 0, 0)
    assert listens["state"] == "waits for a message of any task with tag 2"
    assert listens["letters"] == 2
    assert listens["letter_bytes"] > 6
    (frame,) = listens["frames"]
    assert frame["function"] == "listens"
    assert frame["source"] == 'heard["last"] = mpi.recv(tag=2)'
    rows = {local["name"]: local for local in frame["locals"]}
    assert rows["field"]["shape"] == "(100, 100)"
    assert rows["field"]["bytes"] == 80_000
    assert rows["heard"]["value"] == "{'limit': 3}"
    assert "value" not in rows["trap"]


def test_tasks_that_can_run_have_ended_or_have_not_begun(comm, shown):
    _, first = shown(1, "--json")
    _, second = shown(2, "--json")
    _, last = shown(3, "--json")
    fresh = by_name(first)["asks"]
    assert (fresh["state"], fresh["frames"]) == ("not begun", [])
    assert fresh["call"].startswith(f"{__name__}.asks(")
    running = by_name(second)["asks"]
    assert running["state"] == "can run"
    assert [frame["function"] for frame in running["frames"]] == ["asks", "wait_for_epoch"]
    assert [each for rank in second["ranks"] for each in rank["ended"]] == [
        {"id": comm.size, "name": "fails", "value": None, "error": "ValueError('of its own', 3)"}
    ]
    ended = {each["name"]: each["value"] for rank in last["ranks"] for each in rank["ended"]}
    assert ended["asks"] == "42"
    assert by_name(last) == {}


def test_for_people(comm, shown, shared_dir):
    status, said = shown(2)
    assert status == 0
    assert "1 of 3 tasks ended" in said
    assert (", 1 rank\n" in said) == (comm.size == 1)
    assert "rank 0: 2 tasks, 1 outcome\n" in said
    assert "task 0 'listens': waits for a message of any task with tag 2, home: rank 0" in said
    assert ", 2 messages of " in said
    assert ", in listens\n" in said
    assert "numpy.ndarray float64 (100, 100)" in said
    assert "'fails' raised ValueError('of its own', 3)" in said
    if comm.size > 1:
        assert "\nrank 1: 0 tasks\n" in said
        assert "rank 1" not in shown(2, "--rank", "0")[1]
    assert not (shared_dir / "sprung").exists()
