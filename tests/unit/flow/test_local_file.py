"""The file of handler "local": what it stands, and what it refuses."""

import contextlib
import dataclasses
import errno
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sauerkraut.errors import (
    CorruptCheckpoint,
    DirectoryOwned,
    ResumeError,
    StorageError,
    UntrustedCheckpoint,
)
from sauerkraut.flow import CheckpointFlow, LocalStateHandler
from sauerkraut.testing import faults, powercut
from tests.processes import run_python
from tests.unit.flow.journals import damage, frames
from tests.unit.flow.pipelines import BrokenError, Pipeline

GUMLY = Path(__file__).parents[2] / "data" / "gumly" / "checkpoint.pkl"


class TestHandler:
    def test_what_was_written_is_read(self, path):
        assert LocalStateHandler(path).read() == {}
        LocalStateHandler(str(path)).write({"a": 1, "b": [2]})
        assert LocalStateHandler(path).read() == {"a": 1, "b": [2]}
        LocalStateHandler(path).write({"c": 3})
        assert LocalStateHandler(path).read() == {"c": 3}

    def test_no_dict(self, path):
        with pytest.raises(TypeError, match="a state is a dict, not a list"):
            LocalStateHandler(path).write([])
        with pytest.raises(ValueError, match="checkpoint_index is -1, no index"):
            LocalStateHandler(path).write({"checkpoint_index": -1})

    def test_a_state_written_by_hand_is_where_a_flow_starts(self, path):
        LocalStateHandler(path).write({"x": 1})
        assert Pipeline(path, "a").run()["x"] == 1
        LocalStateHandler(path).write({"x": 2, "checkpoint_index": 1})
        flow = Pipeline(path, "ab")
        assert flow.run({"x": 3})["x"] == 2
        assert flow.ran == ["b"]

    def test_large_arrays_come_back_as_they_were_and_can_be_written(self, path):
        field = np.arange(300_000.0).reshape(300, -1)
        LocalStateHandler(path).write({"field": field, "view": field[1], "empty": np.zeros(0)})
        state = LocalStateHandler(path).read()
        assert (state["field"] == field).all()
        state["field"][1, 2] = -1
        assert state["view"][2] == -1


class TestLargeStates:
    """Their parts are written before what makes them a frame."""

    def pipeline(self, path):
        flow = CheckpointFlow(path, quiet=True)

        @flow.add_step()
        def fill(state, data):
            state["field"] = np.arange(2_500_001.0)
            state["mask"] = np.arange(100_003, dtype=np.uint8)

        @flow.add_step()
        def add(state, data):
            state["field"] += 1

        return flow

    def test_they_come_back_as_they_were(self, path):
        self.pipeline(path).run({"x": 1})
        state = self.pipeline(path).run(checkpoint=1)
        assert (state["field"] == np.arange(1, 2_500_002)).all()
        assert (state["mask"] == np.arange(100_003, dtype=np.uint8)).all()
        assert state["field"].nbytes > 16 << 20
        assert len(frames(path)) == 5

    @pytest.mark.parametrize("short", [False, True])
    def test_each_write_that_fails_leaves_what_was_stored(self, path, short):
        ordinal, written = 0, []
        while len(written) < 4:
            path.unlink(missing_ok=True)
            ordinal += 1
            failing = faults.Failing(ordinal, errno.ENOSPC, short=short)
            with faults.injected(failing), contextlib.suppress(StorageError):
                self.pipeline(path).run({"x": 1})
            if failing.call.data is None or not path.exists():
                continue
            written.append(failing.call.offset)
            assert self.pipeline(path).run()["field"][-1] == 2_500_001
        assert max(written) - min(written) > 16 << 20


class TestGumly:
    @pytest.fixture(autouse=True)
    def golden(self, path):
        shutil.copy(GUMLY, path)

    def test_its_state_is_read(self, path):
        assert LocalStateHandler(path).read() == {
            "a": "value of A",
            "d": "D",
            "checkpoint_index": 1,
        }

    def test_a_flow_goes_on_from_it_and_makes_it_its_own(self, path):
        flow = Pipeline(path, "abc", broken="c")
        flow.breaks({"a": "ignored"})
        assert flow.ran == ["b", "c"]
        assert len(frames(path)) > 1
        flow = Pipeline(path, "abc")
        assert flow.run()["d"] == "D"
        assert flow.ran == ["c"]

    def test_one_killed_between_its_last_two_writes_has_finished(self, path):
        flow = Pipeline(path, "a")
        flow.run({})
        assert flow.ran == ["a"]

    def test_one_of_more_steps_is_no_success(self, path):
        import dill

        path.write_bytes(dill.dumps({"checkpoint_index": 5}))
        with pytest.raises(RuntimeError, match="its checkpoint_index is 5, there are 2 steps"):
            Pipeline(path, "ab").run()

    @pytest.mark.parametrize("content", [b"\x80\x04garbage", b"\x80\x04]\x94."])
    def test_what_is_no_state_is_refused_and_left(self, path, content):
        path.write_bytes(content)
        with pytest.raises(CorruptCheckpoint, match=str(path)):
            Pipeline(path, "ab").run({})
        assert path.read_bytes() == content

    def test_a_missing_class_is_no_reason_to_start_over(self, path):
        content = b"\x80\x04\x8c\x0bno_such_mod\x94\x8c\x05Class\x94\x93."
        path.write_bytes(content)
        with pytest.raises(ResumeError, match=f"{path}: what Gumly stored needs .*no_such_mod"):
            Pipeline(path, "ab").run({})
        assert path.read_bytes() == content


class TestDamage:
    @pytest.fixture
    def stored(self, path):
        """Three commits: before a, after a, after b; and that c failed."""
        Pipeline(path, "abc", broken="c").breaks({"x": 1})
        return path

    def test_a_damaged_state_falls_back_to_the_one_before_and_says_so(self, stored, caplog):
        last = [each for each in frames(stored) if each.parts][-1]
        damage(stored, last.parts[1].offset + 5)
        flow = Pipeline(stored, "abc")
        assert flow.run()["x"] == 1
        assert flow.ran == ["b", "c"]
        assert f"{stored}: part 1 of the frame at byte {last.start} is damaged" in caplog.text
        assert "falling back" in caplog.text

    def test_without_any_whole_one_it_is_refused(self, stored):
        for each in frames(stored):
            if each.parts:
                damage(stored, each.parts[1].offset + 5)
        content = stored.read_bytes()
        with pytest.raises(CorruptCheckpoint, match=f"{stored}: no state of this run is whole"):
            Pipeline(stored, "abc").run()
        assert stored.read_bytes() == content
        assert Pipeline(stored, "abc").run({"x": 2}, checkpoint=0)["x"] == 2

    def test_a_damaged_head_hides_its_own_frame_only(self, stored, caplog):
        middle = frames(stored)[1]
        damage(stored, middle.start + 9)
        flow = Pipeline(stored, "abc")
        flow.run()
        assert flow.ran == ["c"]
        assert f"{middle.nbytes} bytes are no whole record" in caplog.text

    @pytest.mark.parametrize("cut", [1, 40, 100, 400])
    def test_a_frame_that_was_cut_off_is_passed_over(self, stored, cut):
        last = frames(stored)[-1]
        os.truncate(stored, last.start + min(cut, last.nbytes - 1))
        flow = Pipeline(stored, "abc", broken="c")
        flow.breaks()
        assert flow.ran == ["c"]
        assert Pipeline(stored, "abc").run()["x"] == 1

    @pytest.mark.parametrize("content", [b"some other file\n", bytes(5000)])
    def test_another_kind_of_file_is_not_replaced(self, path, content):
        path.write_bytes(content)
        with pytest.raises(CorruptCheckpoint, match="neither a checkpoint of a flow nor"):
            Pipeline(path, "a").run({})
        assert path.read_bytes() == content

    def test_a_module_that_is_missing_is_named(self, path, program):
        text = "class Kept:\n    pass\n"
        LocalStateHandler(path).write({"checkpoint_index": 1, "kept": program(text).Kept()})
        program("")
        with pytest.raises(ResumeError, match=f"{path}: the state before step 1 'b' cannot be rea"):
            Pipeline(path, "ab").run()


class TestPermissions:
    def test_a_file_that_others_may_write_is_not_unpickled(self, path):
        Pipeline(path, "ab", broken="b").breaks({})
        assert path.stat().st_mode & 0o777 == 0o600
        path.chmod(0o666)
        with pytest.raises(UntrustedCheckpoint, match=f"chmod go-w {path}"):
            Pipeline(path, "ab").run()

    def test_a_key_is_needed_to_write_one(self, path, tmp_path, monkeypatch):
        key = tmp_path / "key"
        key.write_bytes(b"secret")
        key.chmod(0o600)
        monkeypatch.setenv("SAUERKRAUT_KEY_FILE", str(key))
        Pipeline(path, "ab", broken="b").breaks({"x": 1})
        assert Pipeline(path, "ab", broken="b").flow.check_point()["x"] == 1
        monkeypatch.delenv("SAUERKRAUT_KEY_FILE")
        with pytest.raises(UntrustedCheckpoint, match="SAUERKRAUT_KEY_FILE"):
            Pipeline(path, "ab").run()

    def test_eacces_is_an_error_that_names_the_file(self, path):
        Pipeline(path, "ab", broken="b").breaks({})
        with (
            faults.injected(faults.Failing(1, errno.EACCES)),
            pytest.raises(StorageError, match=str(path)) as raised,
        ):
            Pipeline(path, "ab").run()
        assert raised.value.errno == errno.EACCES

    def test_a_directory_that_is_not_there(self, path):
        with pytest.raises(StorageError, match="No such file or directory"):
            Pipeline(path / "below" / "x.pkl", "a").run({})


class TestTwoRuns:
    def test_the_second_is_refused_and_told_of_the_first(self, path):
        flow = CheckpointFlow(path, quiet=True)

        @flow.add_step()
        def outer(state, data):
            with pytest.raises(DirectoryOwned, match=f"being used by another run .*{os.getpid()}"):
                Pipeline(path, "a").run({})
            with pytest.raises(DirectoryOwned):
                LocalStateHandler(path).write({})
            state["refused"] = LocalStateHandler(path).read()

        assert flow.run({"x": 1})["refused"] == {"x": 1}
        Pipeline(path, "a").run({})

    def test_so_is_that_of_another_process(self, path):
        text = (
            "import sys\n"
            "from sauerkraut.flow import CheckpointFlow\n"
            "flow = CheckpointFlow(sys.argv[1], quiet=True)\n"
            "@flow.add_step()\n"
            "def waits(state, data):\n"
            "    print('begun', flush=True)\n"
            "    state['said'] = sys.stdin.readline()\n"
            "print(flow.run({'x': 1}))\n"
        )
        words = [sys.executable, "-c", text, path]
        pipe = subprocess.PIPE
        with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as first:
            assert first.stdout.readline() == "begun\n"
            second = Pipeline(path, "a")
            with pytest.raises(DirectoryOwned, match=f"{os.uname().nodename}, pid {first.pid}"):
                second.run({})
            assert second.ran == []
            said, _ = first.communicate("so\n", timeout=60)
        assert said == "{'x': 1, 'said': 'so\\n', 'checkpoint_index': 0}\n"
        assert second.run({"x": 2}) == {"x": 2, "a": 1, "checkpoint_index": 0}

    def test_the_lock_is_gone_with_the_process(self, path):
        text = (
            "import os, sys\n"
            "from sauerkraut.flow import CheckpointFlow\n"
            "flow = CheckpointFlow(sys.argv[1])\n"
            "flow.add_step()(lambda state, data: os._exit(9))\n"
            "flow.run({'x': 1})\n"
        )
        assert run_python("-c", text, path, check=False).returncode == 9
        flow = Pipeline(path, ["<lambda>"])
        assert flow.run()["x"] == 1


class TestKept:
    def test_states_of_the_run_at_work_and_of_the_last_one_that_finished(self, path):
        flow = Pipeline(path, "ab")
        for x in range(4):
            flow.run({"x": x})
        records = [(each.record["run"], each.record["index"]) for each in frames(path)]
        assert records == [(3, 0), (3, 1), (3, 0), (4, 0), (4, 1), (4, 0)]

    def test_keep_counts_runs(self, path):
        flow = Pipeline(path, "a", keep=3)
        for x in range(5):
            flow.run({"x": x})
        assert {each.record["run"] for each in frames(path)} == {2, 3, 4, 5}
        with pytest.raises(ValueError, match="keep=0: at least 1 run is kept"):
            Pipeline(path, "a", keep=0)

    def test_a_link_stays_a_link(self, path):
        link = path.with_name("link.pkl")
        link.symlink_to(path)
        Pipeline(link, "a").run({})
        assert link.is_symlink()
        assert frames(path)


class TestFaults:
    """A call on the disk fails, or the power is cut: what was committed stays."""

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
    @pytest.mark.parametrize("short", [False, True])
    def test_each_call(self, path, number, short):
        for ordinal in range(1, 100):
            for each in path.parent.glob("checkpoint*"):
                each.unlink()
            flow, failing = Pipeline(path, "abc"), faults.Failing(ordinal, number, short=short)
            if not self.fails(flow, failing, number):
                break
            last = flow.ran[-1:]  # it ran, and that it did was not stored, or not seen to be
            again = Pipeline(path, "abc")
            again.run({"x": 1})
            if flow.ran == list("abc") and again.ran == list("abc"):
                continue  # the last commit was there: a new run
            assert [*flow.ran, *again.ran] in (list("abc"), sorted([*"abc", *last]))
        assert ordinal > 10

    def fails(self, flow, failing, number):
        with faults.injected(failing):
            try:
                flow.run({"x": 1})
            except StorageError as error:
                return error.errno == number
        return failing.call is not None

    @pytest.mark.parametrize("given", [{"y": 1}, {"large": np.ones(10**6)}])
    def test_what_did_not_fit_gives_its_room_back(self, path, given):
        """Not even how it failed could be stored on a disk that it has filled."""
        Pipeline(path, "a").run({"y": 1})
        flow, left = CheckpointFlow(path, quiet=True), []

        @flow.add_step()
        def large(state, data):
            state["large"] = np.ones(10**6)

        store = flow._alone.store
        commit = store.commit

        def noting(state, record):
            try:
                commit(state, record)
            except StorageError:
                left.append(sum(each.stat().st_size for each in path.parent.glob("checkpoint*")))
                raise

        store.commit = noting
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
        try:
            with pytest.raises(StorageError, match="File too large"):
                flow.run(given)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert left[0] < 1 << 14
        assert flow.check_point()["y"] == 1
        assert flow.run()["large"].size == 10**6

    def test_power_cuts(self, path):
        calls, done = self.recorded(path.parent / "root")
        assert self.wrong(path, calls, done) is None

    def test_each_fsync_is_needed(self, path):
        calls, done = self.recorded(path.parent / "root")
        needed = [
            number
            for number, call in enumerate(calls)
            if call.operation == "fsync" and number < done[-1][1]
        ]
        assert len(needed) >= 5
        for number in needed:
            without = [*calls]
            without[number] = dataclasses.replace(calls[number], operation="stat")
            if without[number - 1].data is None or b"traceback" not in without[number - 1].data:
                assert self.wrong(path, without, done) is not None, calls[number]

    def recorded(self, root):
        """The calls of a run that failed and of the one after it; what they had committed when."""
        root.mkdir()
        done, recording = [], faults.Recording()
        with faults.injected(recording):
            for broken in ("b", ""):
                flow = Pipeline(root / "checkpoint.pkl", "ab", broken=broken)
                self.note(flow, done, recording)
                with contextlib.suppress(BrokenError):
                    flow.run({"x": 1})
        return recording.calls, done

    def wrong(self, path, calls, done):
        """After how many calls a power cut left less than was committed; None: never."""
        target = path.parent / "image"
        for count, image in powercut.images(calls, path.parent / "root"):
            # the last one that had returned, and those begun since, of which nobody was told
            last = max((number for number, each in enumerate(done) if each[1] <= count), default=-1)
            may = [index for begun, _, index in done[max(last, 0) :] if begun < count]
            shutil.rmtree(target, ignore_errors=True)
            powercut.build(image, target)
            flow = Pipeline(target / path.name, "ab")
            try:
                flow.run({"x": 1})
            except StorageError:
                return count
            if flow.ran not in [["a", "b"][index:] for index in may or [0]]:
                return count
        return None

    def note(self, flow, done, recording):
        """Note of each commit: calls before it, calls when it had returned, its index."""
        commit = flow.flow._alone.store.commit

        def noted(state, record):
            begun = len(recording.calls)
            commit(state, record)
            done.append((begun, len(recording.calls), record.index))

        flow.flow._alone.store.commit = noted
