"""Handler "hdf5": each commit is an epoch of a checkpoint directory."""

import shutil
import time

import h5py
import numpy as np
import pytest

from sauerkraut.errors import (
    CaptureError,
    CorruptCheckpoint,
    DirectoryOwned,
    FlowError,
    RankError,
    ResumeError,
)
from sauerkraut.flow import CheckpointFlow
from sauerkraut.storage import catalog, events
from tests.unit.flow.pipelines import BrokenError, Pipeline


@pytest.fixture
def path(path):
    return path.with_name("ckpt")


@pytest.fixture
def make(path, monkeypatch):
    monkeypatch.setenv("SAUERKRAUT_OWNER_WAIT", "0")

    def make(names, **options):
        return Pipeline(path, names, handler="hdf5", **options)

    return make


def epochs(path):
    return [entry.path for entry in catalog.committed(path)]


def records(path):
    manifests = [catalog.read_manifest(each) for each in reversed(epochs(path))]
    return [(m.about.more["flow"]["run"], m.about.step, m.about.of) for m in manifests]


def test_a_run_starts_where_the_one_before_failed_and_the_next_one_starts_over(make):
    make("abc", broken="c").breaks({"x": 1})
    again = make("abc")
    assert again.run() == {"x": 1, "a": 1, "b": 3, "c": 4, "checkpoint_index": 0}
    assert again.ran == ["c"]
    again.run({"x": 2})
    assert again.ran == ["a", "b", "c"]


def test_the_error_of_a_step_is_the_very_one(make):
    flow = make("a", broken="a")
    with pytest.raises(BrokenError) as raised:
        flow.run({})
    assert type(raised.value) is BrokenError


def test_what_each_step_saw_is_there(make):
    make("abc").run({"x": 1})
    flow = make("abc")
    assert list(flow.run(checkpoint=1)) == ["x", "a", "checkpoint_index", "b", "c"]
    assert flow.ran == ["b", "c"]
    assert flow.run(checkpoint=0)["x"] == 1


def test_arrays_are_typed_datasets(make, path):
    field = np.arange(20_000.0).reshape(100, -1)
    flow = make("ab", broken="b")
    flow.breaks({"field": field, "view": field[3], "name": "x"})
    shard = next(epochs(path)[0].glob("shard-*.h5"))
    with h5py.File(shard) as file:
        array = file["ranks/00000/flow/arrays/0"]
        assert (array.dtype, array.shape) == (np.float64, (100, 200))
        assert (array[:] == field).all()
    state = make("ab").run()
    state["field"][3, 0] = -1
    assert state["view"][0] == -1


def test_a_generator_in_the_state(make):
    make("ab", broken="b").breaks({"squares": (i * i for i in range(4))})
    assert list(make("ab").run()["squares"]) == [0, 1, 4, 9]


def test_epochs_of_the_run_at_work_and_of_the_last_one_that_finished(make, path):
    flow = make("ab")
    for x in range(3):
        flow.run({"x": x})
    assert records(path) == [(2, 0, 2), (2, 1, 2), (2, 2, 2), (3, 0, 2), (3, 1, 2), (3, 2, 2)]
    assert not (path / "COMPLETE").exists()


def test_a_step_that_is_started_again_and_again_takes_no_more_room(make, path):
    flow = make("abc", broken="c")
    flow.breaks({"x": 0})
    for x in range(1, 4):
        flow.breaks({"x": x}, checkpoint=1)
    assert records(path) == [(1, 0, 3), (1, 1, 3), (1, 2, 3)]
    again = make("abc")
    assert again.run()["x"] == 3
    assert again.ran == ["c"]


def test_how_a_step_failed_is_told(make, path):
    make("ab", broken="b").breaks({})
    assert events.read(path)[-1]["failure"]["name"] == "b"
    newest = make("ab").flow.newest()
    assert (newest.index, newest.failure.name) == (1, "b")
    assert "in step" in newest.failure.traceback
    assert "it failed there: " in "".join(self_told(make))
    assert make("ab").flow.newest().failure is None


def self_told(make):
    flow = make("ab", quiet=False).flow
    told = []
    flow._alone.reports.tell = lambda text, **_: told.append(text)
    flow.run({})
    return told


def test_a_damaged_epoch_falls_back_to_the_one_before_and_says_so(make, path, caplog):
    make("abc", broken="c").breaks({"x": 1})
    shard = next(epochs(path)[0].glob("shard-*.h5"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    shard.write_bytes(content)
    flow = make("abc")
    assert flow.run()["x"] == 1
    assert flow.ran == ["b", "c"]
    assert "falling back" in caplog.text


def test_without_any_whole_one_it_is_refused(make, path):
    make("ab", broken="b").breaks({"x": 1})
    for epoch in epochs(path):
        next(epoch.glob("shard-*.h5")).write_bytes(b"nothing")
    with pytest.raises(CorruptCheckpoint, match="no state of this run is whole"):
        make("ab").run()


def test_what_cannot_be_stored_is_named(make, path):
    flow = CheckpointFlow(path, handler="hdf5", quiet=True)

    @flow.add_step()
    def unfit(state, data):
        state["memory"] = memoryview(b"").__iter__()

    with pytest.raises(CaptureError, match=r"after step 0 'unfit' cannot be stored: .*memory"):
        flow.run({"x": 1})
    assert flow.check_point() == {"x": 1}


def test_while_a_step_runs_for_long_the_directory_is_seen_to_be_owned(make, path, monkeypatch):
    monkeypatch.setenv("SAUERKRAUT_OWNER_TOUCH", "0.05")
    flow = CheckpointFlow(path, handler="hdf5", quiet=True)

    @flow.add_step()
    def long(state, data):
        seen, deadline = set(), time.monotonic() + 60
        while len(seen) < 3 and time.monotonic() < deadline:
            seen.add((path / "OWNER").stat().st_mtime_ns)
            time.sleep(0.01)
        state["touched"] = len(seen) - 1

    assert flow.run({})["touched"] == 2


def test_two_runs_at_once(make, path):
    flow = CheckpointFlow(path, handler="hdf5", quiet=True)

    @flow.add_step()
    def outer(state, data):
        with pytest.raises(DirectoryOwned):
            make("a").run({})

    flow.run({})
    make("a").run({})


def test_a_directory_of_another_program_is_refused(make, path):
    import sauerkraut as skt

    ckpt = skt.Checkpointer(path, interval=None, quiet=True)
    ckpt.run(lambda: ckpt.checkpoint() and None)
    with pytest.raises(FlowError, match="holds checkpoints of another program"):
        make("a").run({})
    shutil.rmtree(path)


def test_a_checkpointer_refuses_the_directory_of_a_flow(make, path):
    import sauerkraut as skt

    make("a").run({})
    with pytest.raises(ResumeError, match="as that of a pipeline does not: give run a directory"):
        skt.Checkpointer(path, interval=None, quiet=True).run(lambda: None)


def test_steps_that_depend_on_nothing_new_are_passed_over(make, path):
    ran = []

    def pipeline():
        flow = CheckpointFlow(path, handler="hdf5", quiet=True)

        @flow.add_step(depends=["size"])
        def mesh(state, data):
            ran.append("mesh")
            state["mesh"] = np.arange(state["size"])

        return flow

    for size in (20_000, 20_000, 5):
        assert pipeline().run({"size": size})["mesh"].size == size
    assert ran == ["mesh", "mesh"]


def test_also_when_the_run_that_ran_them_did_not_finish_and_is_given_up(path):
    ran = []

    def pipeline(broken):
        flow = CheckpointFlow(path, handler="hdf5", quiet=True)

        @flow.add_step(depends=["size"])
        def mesh(state, data):
            ran.append("mesh")
            state["mesh"] = state["size"]

        @flow.add_step()
        def solve(state, data):
            if broken:
                raise BrokenError

        return flow

    with pytest.raises(BrokenError):
        pipeline(True).run({"size": 4})
    assert pipeline(False).run({"size": 4}, checkpoint=0)["mesh"] == 4
    assert ran == ["mesh"]
    pipeline(False).run({"size": 4})
    assert {run for run, _, _ in records(path)} == {2, 3}


def test_errors_of_the_store_are_not_of_ranks_alone(make, path):
    path.write_text("a file")
    with pytest.raises(OSError, match="ckpt") as raised:
        make("a").run({})
    assert isinstance(raised.value, RankError)
