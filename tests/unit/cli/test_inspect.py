"""`sauerkraut inspect` shows each rank's stack and locals, and runs nothing of them."""

import numpy as np
import pytest

import sauerkraut as skt
from sauerkraut import storage
from sauerkraut.flow import CheckpointFlow
from sauerkraut.storage import About, Array, Incarnation, Ownership, Piece, Stream, Trust
from tests.traps import Trap

RANKS = 2
HIDDEN = ("hidden",)


def batches(size, hidden):
    for first in range(0, 100, size):
        yield range(first, first + size)


def total(numbers):
    yield sum(numbers)


def simulate(rank, path):
    source = batches(10, "hidden")
    next(source)
    u = np.zeros((100, 100)) + rank
    heat = np.float64(0.5)
    trap = Trap(path)
    return relax(u, {"red": 1, "black": [2, 3]}, heat, trap, [source, total([rank])])


def relax(field, colors, heat, trap, held):
    snapshot = None
    for step in range(7, 9):
        if snapshot is None:
            snapshot = skt.capture(base=simulate, exclude=HIDDEN) if step else None
    return snapshot


@pytest.fixture
def stacks(tmp_path):
    """An epoch of two ranks, each captured in relax(), called by simulate()."""
    directory = tmp_path / "ckpt"
    ownership = Ownership.take(directory, Incarnation.of_this_job())
    about = About(step=7, of=9)
    attempt = storage.begin(ownership, world_size=RANKS, parent=None, about=about)
    seals = []
    for rank in range(RANKS):
        snapshot = simulate(rank, str(tmp_path / "sprung"))
        streams = Stream("control", snapshot.control), Stream("objects", snapshot.objects)
        arrays = [
            Array(f"arrays/{i}", block.memory, block.dtype, block.shape, block.path)
            for i, block in enumerate(snapshot.blocks)
        ]
        seals.append(storage.write(attempt, Piece(rank, streams, tuple(arrays)), Trust()))
    storage.publish(ownership, attempt, seals, seconds=0.1, trust=Trust())
    ownership.release()
    return directory


def test_frames_with_source_and_locals(sauerkraut, stacks):
    document = sauerkraut("inspect", "--json", stacks).json

    assert [each["rank"] for each in document["ranks"]] == [0, 1]
    outer, inner = document["ranks"][1]["frames"]
    assert outer["function"] == "simulate"
    assert outer["source"].startswith("return relax(u")
    assert (
        inner["source"] == "snapshot = skt.capture(base=simulate, exclude=HIDDEN) if step else None"
    )
    rows = {local["name"]: local for local in inner["locals"]}
    assert rows["field"]["dtype"] == "float64"
    assert rows["field"]["shape"] == "(100, 100)"
    assert rows["field"]["bytes"] == 80_000
    assert (rows["step"]["value"], rows["snapshot"]["value"]) == ("7", "None")
    assert rows["heat"]["value"] == "0.5"
    assert rows["colors"]["value"] == "{'black': [2, 3], 'red': 1}"
    assert "value" not in rows["trap"]
    assert rows["trap"]["type"].endswith("Trap")


def test_generators_that_wait(sauerkraut, stacks):
    source, fresh = sauerkraut("inspect", "--json", stacks).json["ranks"][1]["generators"]

    assert (source["state"], source["function"]) == ("suspended", "batches")
    assert source["source"] == "yield range(first, first + size)"
    rows = {local["name"]: local["value"] for local in source["locals"]}
    assert rows.pop("hidden").endswith("EXCLUDED")
    assert rows == {"size": "10", "first": "0"}
    assert source["excluded"] == ["hidden"]
    assert (fresh["state"], fresh["locals"][0]["value"]) == ("created", "[1]")
    shown = sauerkraut("inspect", stacks).out
    assert ", in batches (suspended)" in shown
    assert ", in total (not started)" in shown
    assert "excluded: hidden" in shown


def test_for_people(sauerkraut, stacks):
    done = sauerkraut("inspect", "--rank", "0", stacks)

    assert done.status == 0
    assert "step 7 of 9" in done.out
    assert "rank 1" not in done.out
    assert "numpy.ndarray float64 (100, 100)" in done.out
    assert "78.1 KiB" in done.out


def test_nothing_of_the_checkpoint_runs(sauerkraut, stacks, tmp_path):
    sauerkraut("inspect", stacks)

    assert not (tmp_path / "sprung").exists()


def test_a_rank_that_is_not_there(sauerkraut, stacks):
    done = sauerkraut("inspect", "--rank", "2", stacks)

    assert done.status == 1
    assert "its ranks are 0 to 1" in done.err


def test_a_damaged_epoch_is_one_line(sauerkraut, stacks):
    shard = stacks / "epoch-00000001" / "shard-00000.h5"
    data = bytearray(shard.read_bytes())
    data[40] ^= 1
    shard.write_bytes(data)

    done = sauerkraut("inspect", stacks)

    assert done.status == 1
    assert done.err.count("\n") == 1


def test_arrays_of_all_ranks_together(sauerkraut, tmp_path):
    ckpt = skt.Checkpointer(tmp_path / "ckpt", interval=None, quiet=True)
    ckpt.provide("plate", lambda: {"u": np.ones((400, 3))}, layout=skt.Block(axis=0))
    ckpt.run(int, "3")
    shown = sauerkraut("inspect", tmp_path / "ckpt").out
    assert "\n\narrays of all ranks together\n  plate/u  <f8  (400, 3)  9.4 KiB" in shown
    assert sauerkraut("inspect", "--json", tmp_path / "ckpt").json["arrays"] == [
        {
            "name": "plate/u",
            "dtype": "<f8",
            "shape": [400, 3],
            "bytes": 9600,
            "blocks": [{"rank": 0, "start": [0, 0], "shape": [400, 3]}],
        }
    ]


def test_an_array_of_unknown_elements_is_shown(sauerkraut, tmp_path):
    """As a stranger may write it, or a later NumPy."""
    ownership = Ownership.take(tmp_path / "ckpt", Incarnation.of_this_job())
    attempt = storage.begin(ownership, world_size=1, parent=None, about=About())
    place = storage.Place("f/u", (0,), (3,))
    array = Array("providers/f/blocks/u", b"abc", "decimal", (3,), "f/u", place)
    seal = storage.write(attempt, Piece(0, (), (array,)), Trust())
    storage.publish(ownership, attempt, [seal], seconds=0.1, trust=Trust())
    ownership.release()
    shown = sauerkraut("inspect", tmp_path / "ckpt").out
    assert "  f/u  decimal  (3,)  of no known type  blocks of ranks: 1" in shown
    (row,) = sauerkraut("inspect", "--json", tmp_path / "ckpt").json["arrays"]
    assert row["bytes"] is None


def returned(steps):
    return {"steps": steps, "field": np.zeros(20_000)}


def test_a_run_that_has_returned_shows_its_value(sauerkraut, tmp_path):
    skt.Checkpointer(tmp_path / "ckpt", quiet=True).run(returned, 42)

    shown = sauerkraut("inspect", tmp_path / "ckpt").out
    (rank,) = sauerkraut("inspect", "--json", tmp_path / "ckpt").json["ranks"]

    assert "final: the run has returned\n\nrank 0\n  no frames: the run has returned {" in shown
    assert "'steps': 42" in rank["returned"]["value"]
    (row,) = rank["returned"]["arrays"]
    assert (row["value"], row["bytes"]) == ("<f8 (20000,)", 160_000)
    assert f"\n  {row['key']}  <f8 (20000,)  156.2 KiB\n" in shown


def test_a_rank_that_a_pipeline_does_not_have(sauerkraut, tmp_path):
    flow = CheckpointFlow(tmp_path / "ckpt", handler="hdf5", quiet=True)
    flow.add_step()(lambda state, data: state.update(x=1))
    flow.run({})

    done = sauerkraut("inspect", "--rank", "3", tmp_path / "ckpt")

    assert (done.status, "its ranks are 0 to 0" in done.err) == (1, True)
