"""What a run finds at its path: nothing of it is lost, run or taken for something else."""

import os
import shutil
from pathlib import Path

import dill
import numpy as np
import pytest

from sauerkraut.errors import CorruptCheckpoint, DirectoryOwned
from sauerkraut.flow import CheckpointFlow, LocalStateHandler, handlers, journal
from sauerkraut.settings import Settings
from sauerkraut.storage import Trust
from tests.unit.flow.pipelines import BrokenError, Pipeline

GUMLY = Path(__file__).parents[2] / "data" / "gumly" / "checkpoint.pkl"
GOLDEN = Path(__file__).parents[2] / "data" / "flow-1" / "checkpoint.pkl"


class TestOtherFiles:
    def test_an_empty_file_is_what_damage_leaves(self, path):
        path.touch()
        for use in (LocalStateHandler(path).read, Pipeline(path, "a").run):
            with pytest.raises(CorruptCheckpoint, match=f"{path} is empty.*: remove it to start"):
                use()
        LocalStateHandler(path).write({"x": 1})
        assert Pipeline(path, "a").run()["x"] == 1

    def test_a_pipe_stays_one(self, path):
        os.mkfifo(path)
        handler = LocalStateHandler(path)
        for use in (handler.read, Pipeline(path, "a").run, lambda: handler.write({})):
            with pytest.raises(CorruptCheckpoint, match=f"{path} is no file"):
                use()
        assert path.is_fifo()


class TestAuthentication:
    @pytest.fixture(params=[True, False])
    def stored(self, request, path, tmp_path, monkeypatch):
        if request.param:
            key = tmp_path / "key"
            key.write_bytes(b"secret")
            key.chmod(0o600)
            monkeypatch.setenv("SAUERKRAUT_KEY_FILE", str(key))
        Pipeline(path, "ab", broken="b").breaks({"x": 1})
        return path, Trust.of(Settings.from_environment())

    @pytest.mark.parametrize("flip", [1, 2, 0x80])
    def test_damage_to_the_byte_that_says_so_is_damage(self, stored, flip, caplog):
        path, trust = stored
        frames = journal.read(path, trust).frames
        content = bytearray(path.read_bytes())
        for each in frames[1:]:
            content[each.start + 8] ^= flip
        path.write_bytes(content)
        flow = Pipeline(path, "ab")
        assert flow.run()["x"] == 1
        assert flow.ran == ["a", "b"]
        assert "bytes are no whole record" in caplog.text


class TestGumly:
    class Kept:
        made = 0

        def __init__(self):
            type(self).made += 1

        def __reduce__(self):
            return type(self), ()

    def test_only_looking_runs_nothing_of_it(self, path):
        path.write_bytes(
            dill.dumps({"kept": {self.Kept(): [self.Kept()]}, "f": len, "checkpoint_index": 3})
        )
        before = self.Kept.made
        assert handlers.stored_at(path).read().newest.index == 3
        assert self.Kept.made == before
        shutil.copy(GUMLY, path)
        assert handlers.stored_at(path).read().newest.index == 1

    def test_one_that_needs_what_is_not_here_can_be_forgotten(self, path):
        path.write_bytes(b"\x80\x04\x8c\x0bno_such_mod\x94\x8c\x05Class\x94\x93.")
        handlers.stored_at(path).reset()
        assert not path.exists()


@pytest.mark.parametrize("handler", ["local", "hdf5"])
class TestSize:
    def size(self, path):
        files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
        return sum(each.stat().st_size for each in files)

    def test_mending_the_first_step_again_and_again(self, path, handler):
        state = {"field": np.ones(100_000)}
        for _ in range(6):
            Pipeline(path, "ab", broken="a", handler=handler).breaks({**state})
        assert self.size(path) < 3 * state["field"].nbytes
        assert Pipeline(path, "ab", handler=handler).run()["field"][-1] == 1


def test_the_file_does_not_grow_with_a_step_that_is_mended_again_and_again(path):
    state = {"field": np.ones(100_000)}
    for _ in range(6):
        Pipeline(path, "abc", broken="b").breaks({**state}, checkpoint=1)
    assert path.stat().st_size < 3 * state["field"].nbytes


def test_a_run_that_is_refused_inside_of_another_leaves_it_its_directory(path, monkeypatch):
    monkeypatch.setenv("SAUERKRAUT_OWNER_WAIT", "0")
    flow = CheckpointFlow(path, handler="hdf5", quiet=True)

    @flow.add_step()
    def outer(state, data):
        with pytest.raises(DirectoryOwned):
            flow.run({})

    @flow.add_step()
    def after(state, data):
        state["y"] = 2

    assert flow.run({"x": 1})["y"] == 2
    assert flow.check_point()["y"] == 2


def test_a_handler_that_cannot_write_does_not_hide_the_error_of_the_step(path, caplog):
    class Kept:
        def __init__(self):
            self.state, self.full = {}, False

        def write(self, state):
            if self.full:
                raise RuntimeError("full")
            self.state = state

        def read(self):
            return self.state

    kept = Kept()
    flow = Pipeline(path, "", handler=kept)

    @flow.flow.add_step()
    def step(state, data):
        kept.full = True
        raise BrokenError

    flow.breaks({})
    assert "RuntimeError: full" in caplog.text


def test_a_file_of_the_first_release_is_read(path):
    shutil.copy(GOLDEN, path)
    path.chmod(0o600)
    flow = Pipeline(path, "abc", on_change="keep")
    assert [each.seconds > 0 for each in flow.flow.newest().steps] == [True, True, False]
    state = {"x": 1, "names": ["mesh", "field"], "rates": (0.5, None), "a": 3, "b": 5}
    assert flow.flow.check_point() == {**state, "checkpoint_index": 2}
    assert flow.run()["names"] == ["mesh", "field"]
    assert flow.ran == ["c"]
