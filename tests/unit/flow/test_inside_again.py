"""A flow inside of Checkpointer.run: what steps saw and left, to run them again or not."""

import os

import numpy as np
import pytest

import sauerkraut as skt
from sauerkraut.errors import FlowError
from sauerkraut.flow import CheckpointFlow
from sauerkraut.storage import catalog
from tests.unit.flow.pipelines import BrokenError


@pytest.fixture
def run(tmp_path):
    """Run a function, or go on in it, under a Checkpointer."""

    def run(function, *args):
        with skt.Checkpointer(tmp_path / "ckpt", interval=None, quiet=True) as ckpt:
            return ckpt.run(function, *args)

    return run


class Program:
    """A flow of a, b and c, each of which multiplies and adds; b may be another, c may break."""

    def __init__(self, path, *, by=10, broken=None, on_change="rerun", load=None):
        self.flow = CheckpointFlow(path, quiet=True, on_change=on_change)
        self.ran = []

        @self.flow.add_step(load=load)
        def a(state, data):
            self.ran.append("a")
            state["x"] = state["x"] * 10 + 1
            state["rows"].append("a")
            data["of a"] = 1

        def b(state, data, by):
            self.ran.append("b")
            state["x"] = state["x"] * by + 2
            state["rows"].append(f"b{by}")

        self.flow.add_step(load=load, params={"by": by})(b)

        @self.flow.add_step(load=load)
        def c(state, data):
            self.ran.append("c")
            state["x"] = state["x"] * 10 + 3
            if broken is not None:
                raise broken

    def __call__(self, *args, **options):
        return self.flow.run(*args, **options)


def given():
    return {"x": 1, "rows": ["given"]}


def test_what_changed_runs_again_with_what_it_saw(run, path):
    first = Program(path, broken=BrokenError())
    with pytest.raises(BrokenError):
        run(first.flow.run, given())
    state = given()
    now = Program(path, by=100)
    assert run(now.flow.run, state) is state
    assert now.ran == ["b", "c"]
    rows = ["given", "a", "b100"]
    assert state == {"x": 11 * 1000 + 23, "rows": rows, "checkpoint_index": 0}


def test_data_is_loaded_again_then_as_for_any_restart(run, path, caplog):
    loaded = []

    def load(state):
        loaded.append(state["x"])
        return {"loaded": True}

    with pytest.raises(BrokenError):
        run(Program(path, broken=BrokenError(), load=load).flow.run, given())
    assert loaded == [1]
    run(Program(path, by=100, load=load).flow.run, given())
    assert loaded == [1, 11]
    assert "data had 'of a' when this step began, and has not now" in caplog.text


class TestPolling:
    """The frames of a step that polls come back: what it does is told by what it prints."""

    def pipeline(self, path, by, on_change="rerun"):
        flow = CheckpointFlow(path, quiet=True, on_change=on_change)

        def a(state, data, by):
            print("a")
            state["x"] = by * state["x"]

        flow.add_step(params={"by": by})(a)

        @flow.add_step()
        def b(state, data):
            print("b")
            state["x"] += 1
            skt.current().checkpoint()
            for _ in range(10):
                print("turn")
                if "BROKEN" in os.environ:
                    raise BrokenError
                skt.current().poll()

        return flow.run

    @pytest.fixture
    def broken(self, run, path, monkeypatch, capsys):
        monkeypatch.setenv("BROKEN", "1")
        with pytest.raises(BrokenError):
            run(self.pipeline(path, 2), {"x": 5})
        assert capsys.readouterr().out.split() == ["a", "b", "turn"]
        monkeypatch.delenv("BROKEN")

    def test_it_ends_at_a_poll_once_a_step_before_it_has_changed(self, broken, run, path, capsys):
        with pytest.raises(
            FlowError, match="step 0 'a' has changed since it finished: put it back"
        ):
            run(self.pipeline(path, 3, "error"), {"x": 5})
        assert len(capsys.readouterr().out.split()) < 5
        assert run(self.pipeline(path, 3), {"x": 5})["x"] == 16
        said = capsys.readouterr().out.split()
        assert said[said.index("a") :] == ["a", "b", *["turn"] * 10]
        assert said.index("a") < 5

    def test_it_may_fail_in_vain(self, broken, run, path, capsys, monkeypatch, caplog):
        monkeypatch.setenv("BROKEN", "1")
        with pytest.raises(BrokenError):  # in that which sees what has become right
            run(self.pipeline(path, 3), {"x": 5})
        assert "step 1 'b' failed (BrokenError), but one before it runs again" in caplog.text
        assert capsys.readouterr().out.split() == ["turn", "a", "b", "turn"]
        monkeypatch.delenv("BROKEN")
        assert run(self.pipeline(path, 3), {"x": 5})["x"] == 16

    def test_the_step_itself_has_other_parameters(self, run, path, capsys, monkeypatch):
        def pipeline(by, name="b", on_change="error"):
            flow = CheckpointFlow(path, quiet=True, on_change=on_change)

            def step(state, data, by):
                for turn in range(3):
                    print(name, turn)
                    state["x"] += by
                    if isinstance(skt.current().checkpoint(), skt.Epoch) and "BROKEN" in os.environ:
                        raise BrokenError
                    for _ in range(4):
                        skt.current().poll()

            flow.add_step(name=name, params={"by": by})(step)
            return flow.run

        monkeypatch.setenv("BROKEN", "1")
        with pytest.raises(BrokenError):
            run(pipeline(1, on_change="rerun"), {"x": 0})
        monkeypatch.delenv("BROKEN")
        with pytest.raises(FlowError, match="step 0 'b' had other parameters when it was interr"):
            run(pipeline(5), {"x": 0})
        with pytest.raises(FlowError, match="step 0 was 'b' when it was interrupted"):
            run(pipeline(1, "c", "keep"), {"x": 0})
        capsys.readouterr()
        assert run(pipeline(5, on_change="rerun"), {"x": 0})["x"] == 15
        assert capsys.readouterr().out.splitlines() == ["b 0", "b 1", "b 2"]

    def test_nothing_changed(self, broken, run, path, capsys):
        assert run(self.pipeline(path, 2), {"x": 5})["x"] == 11
        assert capsys.readouterr().out.split() == ["turn"] * 10


def test_a_run_may_start_at_a_step_with_what_it_saw_last(run, path):
    flow = Program(path, broken=BrokenError())
    ran = []

    def program():
        with pytest.raises(BrokenError):
            flow(given())
        ran.append(flow.ran[:])
        state = None
        with pytest.raises(BrokenError):
            state = flow(checkpoint=1)
        ran.append(flow.ran[3:])
        return state

    run(program)
    assert ran == [["a", "b", "c"], ["b", "c"]]


def test_it_may_start_there_after_a_restart_as_well(run, path):
    def program(flow):
        flow.run(given())
        if isinstance(skt.current().checkpoint(), skt.Epoch):
            raise BrokenError
        return flow.run(checkpoint=2)

    with pytest.raises(BrokenError):
        run(program, Program(path).flow)
    now = Program(path)
    state = run(program, now.flow)
    assert now.ran == ["c"]
    assert state["x"] == 1123


def test_also_at_the_first_one_when_the_run_has_finished(run, path):
    flow = Program(path)

    def program():
        flow(given())
        return flow(checkpoint=0)

    assert run(program)["x"] == 1123
    assert flow.ran == ["a", "b", "c"] * 2


def test_a_step_changed_when_all_had_finished(run, path, monkeypatch):
    """A restart comes back where the last epoch of the steps was taken."""

    def program(flow):
        state = flow.run(given())
        if "BROKEN" in os.environ:
            raise BrokenError
        return state

    monkeypatch.setenv("BROKEN", "1")
    with pytest.raises(BrokenError):
        run(program, Program(path).flow)
    monkeypatch.delenv("BROKEN")
    now = Program(path, by=100)
    assert run(program, now.flow)["x"] == 11 * 1000 + 23
    assert now.ran == ["b", "c"]


def test_copies_of_arrays_that_did_not_change_are_one(run, path, tmp_path):
    def flow(on_change):
        made = CheckpointFlow(path, quiet=True, on_change=on_change)
        for index in range(5):
            made.add_step(name=f"step {index}")(lambda state, data: None)
        return made

    def program():
        for each in flows:
            each.run({"field": np.zeros(1 << 17)})

    flows = [flow("error"), flow("rerun")]
    run(program)
    sizes = [
        catalog.read_manifest(each.path).epoch.bytes
        for each in catalog.committed(tmp_path / "ckpt")
    ]
    assert max(sizes) < 3 * (1 << 20)


class TestDepends:
    def pipeline(self, path, ran, *, broken=False):
        flow = CheckpointFlow(path, quiet=True)

        @flow.add_step(depends=["size"])
        def mesh(state, data):
            ran.append("mesh")
            state["mesh"] = list(range(state["size"]))

        @flow.add_step(depends=["mesh"])
        def solve(state, data):
            ran.append("solve")
            state["field"] = np.full(20_000, sum(state["mesh"]))

        @flow.add_step()
        def report(state, data):
            ran.append("report")
            if broken and len(ran) > 3:
                raise BrokenError
            state["report"] = int(state["field"][0])
            state["field"][:] = -1

        return flow

    def test_steps_whose_inputs_did_not_change_are_passed_over(self, run, path):
        ran = []
        flow = self.pipeline(path, ran)

        def program():
            return [flow.run({"size": size})["report"] for size in (4, 4, 5, 5, 4)]

        assert run(program) == [6, 6, 10, 10, 6]
        whole = ["mesh", "solve", "report"]
        assert ran == [*whole, "report", *whole, "report", *whole]

    def test_also_after_a_restart(self, run, path):
        def program(flow):
            return [flow.run({"size": 4})["report"] for _ in range(3)]

        with pytest.raises(BrokenError):
            run(program, self.pipeline(path, [], broken=True))
        ran = []
        assert run(program, self.pipeline(path, ran)) == [6, 6, 6]
        assert ran == ["report", "report"]

    def test_another_run_of_the_checkpointer_starts_anew(self, path, tmp_path):
        ran = []
        flow = self.pipeline(path, ran)
        for turn in range(2):
            with skt.Checkpointer(tmp_path / f"ckpt{turn}", interval=None, quiet=True) as ckpt:
                ckpt.run(flow.run, {"size": 4})
        assert ran == ["mesh", "solve", "report"] * 2
