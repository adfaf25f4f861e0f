"""sauerkraut flow: status, run, reset."""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

import sauerkraut as skt
from sauerkraut.flow import CheckpointFlow
from tests.processes import run_python

PIPELINE = """
from sauerkraut.flow import CheckpointFlow

class Kept:
    pass

flow = CheckpointFlow("checkpoint.pkl")

@flow.add_step()
def first(state, data):
    state["kept"] = Kept()
    print("first", state.get("x"))

@flow.add_step()
def second(state, data):
    {second}

@flow.add_step()
def third(state, data):
    print("third", type(state["kept"]) is Kept)

if __name__ == "__main__":
    flow.run({{"x": 5}})
"""
POLLING = Path(__file__).parents[2] / "programs" / "pipeline_polling.py"
BROKEN = PIPELINE.format(second='raise ValueError("of no use")')
MENDED = PIPELINE.format(second='print("second")')


@pytest.fixture
def place(monkeypatch):
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="sauerkraut-flow-", dir=memory) as directory:
        monkeypatch.chdir(directory)
        yield Path(directory)


@pytest.fixture
def failed(place):
    """A pipeline that was started as a program, whose second step failed, and was mended since."""
    script = place / "pipeline.py"
    script.write_text(BROKEN)
    assert run_python(script, check=False).returncode == 1
    script.write_text(MENDED)
    return place / "checkpoint.pkl"


def flow(*words, **options):
    return run_python("-m", "sauerkraut", "flow", *words, **options)


class TestStatus:
    def test_of_a_run_that_failed(self, failed, sauerkraut):
        done = sauerkraut("flow", "status", failed)
        assert done.status == 0
        lines = done.out.splitlines()
        assert lines[0].endswith("run 1 stopped in step 1 'second': ValueError: of no use")
        assert [line.split()[1:3] for line in lines[2:5]] == [
            ["first", "done"],
            ["second", "failed"],
            ["third", "-"],
        ]
        assert lines[-1] == "ValueError: of no use"
        assert "pipeline.py" in done.out

    def test_for_machines(self, failed, sauerkraut):
        found = sauerkraut("flow", "status", failed, "--json").json["run"]
        assert found["index"] == 1
        assert found["failure"]["error"] == "ValueError: of no use"
        assert found["steps"][0]["peak_bytes"] > 0

    def test_of_one_that_finished(self, failed, sauerkraut):
        flow("run", "pipeline:flow")
        assert "run 1 has finished" in sauerkraut("flow", "status", failed).out

    def test_of_nothing(self, place, sauerkraut):
        done = sauerkraut("flow", "status", place / "absent")
        assert (done.status, done.err.count("\n")) == (1, 1)
        assert "nothing is stored there" in done.err

    def test_of_another_kind_of_file(self, place, sauerkraut):
        (place / "notes").write_text("some text")
        done = sauerkraut("flow", "status", place / "notes")
        assert done.status == 1
        assert "neither a checkpoint of a flow nor" in done.err

    def test_nothing_stored_runs(self, failed, sauerkraut):
        (failed.parent / "pipeline.py").unlink()
        assert sauerkraut("flow", "status", failed).status == 0


class TestEpochs:
    """A pipeline of handler "hdf5", seen by the verbs of checkpoint directories."""

    @pytest.fixture
    def stored(self, place):
        flow = CheckpointFlow("ckpt", handler="hdf5", quiet=True)

        @flow.add_step()
        def fill(state, data):
            state["field"] = np.ones((100, 200))

        @flow.add_step()
        def breaks(state, data):
            if state["broken"]:
                raise ValueError("of no use")

        with pytest.raises(ValueError, match="of no use"):
            flow.run({"broken": True})
        return place / "ckpt", flow

    def test_inspect_shows_steps_states_and_errors(self, stored, sauerkraut):
        done = sauerkraut("inspect", stored[0])
        assert "epoch 2, step 1 of 2, committed" in done.out
        assert "stopped in step 1 'breaks': ValueError: of no use" in done.out
        assert re.search(
            r"\n +0  fill +done +20\d\d-.* \d\d:\d\d:\d\d +\d+\.\d\d  \d.* MiB +1\n", done.out
        )
        assert "state['broken']  True" in done.out
        assert "state['field']  <f8 (100, 200)  156.2 KiB" in done.out
        found = sauerkraut("inspect", stored[0], "--json", "--epoch", 1).json
        assert found["flow"]["index"] == 0
        assert found["ranks"][0]["state"][0]["key"] == "state['broken']"

    def test_ls_and_status_say_that_it_has_finished(self, stored, sauerkraut):
        path, flow = stored
        assert "flow-finished" not in sauerkraut("ls", path).out
        assert "run 1 stopped in step 1 'breaks'" in sauerkraut("flow", "status", path).out
        flow.run({"broken": False}, checkpoint=1)
        assert sauerkraut("ls", path).out.splitlines()[1].split()[1] == "flow-finished"
        assert "run 1 has finished" in sauerkraut("flow", "status", path).out
        assert sauerkraut("verify", path).status == 0

    def test_reset(self, stored, sauerkraut):
        assert sauerkraut("flow", "reset", stored[0]).status == 0
        assert "no epochs" in sauerkraut("ls", stored[0]).out
        assert stored[1].newest() is None

    def test_reset_where_every_epoch_is_damaged(self, stored, sauerkraut):
        path, flow = stored
        for manifest in path.glob("epoch-*/manifest.h5"):
            manifest.write_bytes(b"nothing")
        with pytest.raises(OSError, match="no epoch can be read"):
            flow.run({"broken": False})
        assert sauerkraut("flow", "reset", path).status == 0
        assert flow.run({"broken": False})["checkpoint_index"] == 0

    def test_reset_is_not_for_checkpoints_of_another_program(self, place, sauerkraut):
        ckpt = skt.Checkpointer("other", interval=None, quiet=True)
        ckpt.run(lambda: ckpt.checkpoint() and None)
        done = sauerkraut("flow", "reset", "other")
        assert done.status == 1
        assert "checkpoints of another program" in done.err
        assert list(Path("other").glob("epoch-*"))
        Path("empty").mkdir()
        assert sauerkraut("flow", "reset", "empty").status == 1
        assert not list(Path("empty").iterdir())


class TestResetOfFrames:
    """What a step that polls keeps beside the states is forgotten with them."""

    @pytest.fixture(params=["1", "hdf5"])
    def stored(self, place, request):
        run_python(POLLING, "checkpoints", request.param, "leave", "1")
        assert list((place / "checkpoints.frames").iterdir())
        return request.param

    def test_with_the_states(self, stored, place, sauerkraut):
        assert sauerkraut("flow", "reset", "checkpoints").status == 0
        assert not (place / "checkpoints.frames").exists()
        assert run_python(POLLING, "checkpoints", stored).stdout.startswith("first\nturn 0\n")

    def test_without_them(self, stored, place, sauerkraut):
        states = place / "checkpoints"
        states.unlink() if states.is_file() else shutil.rmtree(states)
        assert sauerkraut("flow", "reset", "checkpoints").status == 0
        assert not (place / "checkpoints.frames").exists()
        assert sauerkraut("flow", "reset", "checkpoints").status == 1


class TestRun:
    @pytest.mark.parametrize("target", ["pipeline:flow", "pipeline.py:flow"])
    def test_it_goes_on(self, failed, target):
        done = flow("run", target, "--why")
        assert done.stdout == "second\nthird True\n"
        assert "step 0 'first': passed over: it finished" in done.stderr

    @pytest.mark.parametrize("step", ["first", "0"])
    def test_from_a_step(self, failed, step):
        assert (
            flow("run", "pipeline:flow", "--from", step).stdout == "first 5\nsecond\nthird True\n"
        )

    def test_over_again_when_it_has_finished(self, failed):
        flow("run", "pipeline:flow")
        assert flow("run", "pipeline:flow").stdout == "first 5\nsecond\nthird True\n"

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (["pipeline:flow", "--from", "fourth"], "the steps are 0 first, 1 second, 2 third"),
            (["pipeline:flow", "--from", "9"], "--from 9: the steps are 0 first"),
            (["pipeline:Kept"], "is no CheckpointFlow"),
            (["pipeline"], "a module and a flow in it"),
            (["absent:flow"], "absent: no such module"),
            (["absent.py:flow"], "absent.py: no such file"),
        ],
    )
    def test_what_cannot_be(self, failed, words, told):
        done = flow("run", *words, check=False)
        assert done.returncode == 1
        assert told in done.stderr
        assert done.stderr.count("\n") == 1

    def test_an_error_of_a_step_is_shown_as_one(self, place):
        (place / "pipeline.py").write_text(BROKEN)
        done = flow("run", "pipeline:flow", check=False)
        assert done.returncode == 1
        assert "ValueError: of no use" in done.stderr
        assert f"{sys.executable} -m sauerkraut flow run pipeline:flow" in done.stderr

    def test_from_the_first_step_where_nothing_is_stored(self, place):
        (place / "pipeline.py").write_text(MENDED)
        assert flow("run", "pipeline:flow", "--from", "0").stdout.startswith("first None\n")

    def test_a_load_policy_that_there_is_not(self, failed):
        done = flow("run", "pipeline:flow", "--load-policy=zz", check=False)
        assert done.returncode == 2
        assert "invalid choice: 'zz'" in done.stderr

    def test_the_command_that_goes_on_names_no_step(self, failed):
        (failed.parent / "pipeline.py").write_text(BROKEN)
        for words in (["--from", "first"], ["--from=first"]):
            done = flow("run", "pipeline:flow", *words, check=False)
            assert "sauerkraut flow run pipeline:flow\n" in done.stderr


class TestReset:
    def test_the_next_run_starts_over(self, failed, sauerkraut):
        assert sauerkraut("flow", "reset", failed).status == 0
        assert run_python("pipeline.py").stdout == "first 5\nsecond\nthird True\n"

    def test_also_where_all_is_damaged(self, failed, sauerkraut):
        content = failed.read_bytes()
        failed.write_bytes(content[:8] + bytes(len(content) - 8))
        assert f"{failed} is damaged" in sauerkraut("flow", "status", failed).err
        assert sauerkraut("flow", "reset", failed).status == 0
        assert run_python("pipeline.py").stdout.startswith("first 5\n")

    def test_no_other_file_is_removed(self, place, sauerkraut):
        (place / "notes").write_text("some text")
        assert sauerkraut("flow", "reset", place / "notes").status == 1
        assert (place / "notes").read_text() == "some text"

    def test_of_nothing(self, place, sauerkraut):
        assert sauerkraut("flow", "reset", place / "absent").status == 1
        assert list(place.iterdir()) == []
        (place / "results").mkdir()
        done = sauerkraut("flow", "reset", place / "results")
        assert (done.status, done.err.count("\n")) == (1, 1)
        assert "nothing is stored there" in done.err
        assert list((place / "results").iterdir()) == []
