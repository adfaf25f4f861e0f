"""A step that polls: a restart goes into its frames."""

import os
import shutil
from pathlib import Path

import pytest

import sauerkraut as skt
from sauerkraut.flow import CheckpointFlow, watchdog
from tests.processes import run_python
from tests.unit.flow.pipelines import BrokenError

PROGRAM = Path(__file__).parents[2] / "programs" / "pipeline_polling.py"
END = "third 6 [0, 1, 2, 3]"


def run(path, *words, **environment):
    done = run_python(PROGRAM, path, 1, *words, env={**os.environ, **environment})
    return done.stdout.splitlines(), done.stderr


def test_a_restart_goes_into_the_step(path):
    assert run(path)[0] == ["first", "turn 0", "turn 1", "turn 2", "turn 3", END]
    path.unlink()
    assert run(path, "leave", 1)[0] == ["first", "turn 0"]
    assert run(path, "leave", 2)[0] == ["turn 1"]
    assert run(path)[0] == ["turn 2", "turn 3", END]
    assert not Path(f"{path}.frames").exists()
    assert run(path)[0][0] == "first"


def test_also_where_states_and_frames_were_copied_to(path, tmp_path):
    run(path, "leave", 1)
    copy = tmp_path / "elsewhere" / "copy.pkl"
    copy.parent.mkdir()
    shutil.copy(path, copy)
    shutil.copytree(f"{path}.frames", f"{copy}.frames")
    assert run(copy)[0] == ["turn 1", "turn 2", "turn 3", END]
    assert run(path)[0] == ["turn 1", "turn 2", "turn 3", END]


def test_to_its_start_when_its_code_changed_and_says_so(path):
    run(path, "leave", 1)
    said, told = run(path, MENDED="1")
    assert said == ["mended", "third -1 []"]
    assert "step 1 'second' begins at its start: " in told
    assert "has changed" in told


@pytest.mark.parametrize("given", [{}, {"state": {"sum": 10}}])
def test_as_asked_it_begins_at_its_start(path, given):
    """run(checkpoint=...) means the start of the step, whatever frames there are."""
    ran = []

    def pipeline(leave):
        flow = CheckpointFlow(path, quiet=True)
        flow.add_step()(nothing)

        @flow.add_step(interval="1h")
        def polls(state, data):
            ran.append("begins")
            skt.current().checkpoint()
            if leave:
                raise BrokenError

        return flow

    with pytest.raises(BrokenError):
        pipeline(True).run({"sum": 1})
    pipeline(False).run(checkpoint=1, **given)
    assert ran == ["begins", "begins"]


def nothing(state, data):
    pass


def test_a_retry_begins_at_its_start(path):
    flow, tries = CheckpointFlow(path, quiet=True), []

    @flow.add_step(interval="1h", retries=1)
    def polls(state, data):
        tries.append(dict(state))
        state["x"] = 1
        skt.current().checkpoint()
        if len(tries) == 1:
            raise BrokenError

    assert flow.run({}) == {"x": 1, "checkpoint_index": 0}
    assert tries == [{}, {}]


class TestTimeout:
    @pytest.fixture
    def clock(self, monkeypatch):
        time = [0.0]
        monkeypatch.setattr(watchdog, "monotonic", lambda: time[0])
        return time

    def pipeline(self, path, clock, late, turns, **options):
        flow = CheckpointFlow(path, quiet=True)

        @flow.add_step(interval="1h", timeout=100, **options)
        def polls(state, data):
            for turn in range(1000):
                turns.append(turn)
                state["turn"] = turn
                if turn == 3 and late:
                    clock[0] += 101.5
                    late.pop()
                skt.current().poll()

        return flow

    def test_a_poll_ends_a_step_that_takes_longer(self, path, clock):
        turns = []
        flow = self.pipeline(path, clock, [True], turns)
        with pytest.raises(TimeoutError, match=r"'polls' took 101\.5 s, its timeout is 100 s"):
            flow.run({"x": 1})
        assert turns[-1] < 20
        assert flow.check_point() == {"x": 1}
        assert flow.run()["turn"] == 999

    def test_each_try_has_all_of_the_time(self, path, clock):
        turns = []
        flow = self.pipeline(path, clock, [True, True], turns, retries=2)
        assert flow.run({})["turn"] == 999
        assert turns.count(0) == 3


def test_an_interval_is_one(path):
    with pytest.raises(ValueError, match="interval='soon'"):
        CheckpointFlow(path).add_step(interval="soon")


class TestAnotherStep:
    """Frames that a restart finds are of the step as it was when it was interrupted."""

    def pipeline(self, path, steps):
        flow = CheckpointFlow(path, quiet=True)
        for name, by in steps:

            def step(state, data, by, name=name):
                for turn in range(3):
                    print(name, turn)
                    state[name] = state.get(name, 0) + by
                    skt.current().checkpoint()
                    if "BROKEN" in os.environ and turn == 1:
                        raise BrokenError

            flow.add_step(name=name, params={"by": by}, interval="1h")(step)
        return flow

    @pytest.fixture
    def broken(self, path, monkeypatch, capsys):
        monkeypatch.setenv("BROKEN", "1")
        with pytest.raises(BrokenError):
            self.pipeline(path, [("b", 1)]).run({})
        assert capsys.readouterr().out.splitlines() == ["b 0", "b 1"]
        monkeypatch.delenv("BROKEN")

    def test_the_same(self, broken, path):
        assert self.pipeline(path, [("b", 1)]).run({})["b"] == 3

    @pytest.mark.parametrize(
        ("name", "by", "said"),
        [
            ("b", 5, "step 0 'b' begins at its start: step 0 'b' had other parameters when it was"),
            ("c", 1, "step 0 'c' begins at its start: step 0 was 'b' when it was interrupted"),
        ],
    )
    def test_another(self, broken, path, name, by, said, caplog, capsys):
        assert self.pipeline(path, [(name, by)]).run() == {name: 3 * by, "checkpoint_index": 0}
        assert said in caplog.text
        assert capsys.readouterr().out.splitlines() == [f"{name} {turn}" for turn in range(3)]

    def test_whose_program_changes_the_directory(self, path, monkeypatch, tmp_path):
        monkeypatch.chdir(path.parent)
        monkeypatch.setenv("BROKEN", "1")
        flow = self.pipeline(path.name, [("b", 1)])
        monkeypatch.chdir(tmp_path)
        with pytest.raises(BrokenError):
            flow.run({})
        assert not any(tmp_path.iterdir())
