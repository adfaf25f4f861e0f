"""A flow inside of Checkpointer.run: the epochs of that run are its commits."""

import gc
import operator
import os
import pickle

import pytest

import sauerkraut as skt
from sauerkraut.errors import FlowError, ResumeError
from sauerkraut.flow import CheckpointFlow, watchdog
from sauerkraut.storage import catalog
from tests.processes import run_python
from tests.unit.flow.pipelines import BrokenError, Pipeline


@pytest.fixture
def run(tmp_path):
    """Run a function, or go on in it, under a Checkpointer in ckpt."""

    def run(function, *args, path="ckpt", **options):
        with skt.Checkpointer(tmp_path / path, interval=None, quiet=True, **options) as ckpt:
            return ckpt.run(function, *args)

    return run


def breaks(run, function, *args, error=BrokenError):
    with pytest.raises(error):
        run(function, *args)


def test_it_goes_on_at_the_step_that_did_not_finish_once_that_is_mended(run, path):
    given = {"given": 1}
    first = Pipeline(path, "abc", broken="b")
    breaks(run, first.flow.run, given)
    assert first.ran == ["a", "b"]
    second, given = Pipeline(path, "abc"), {"given": 1}
    assert run(second.flow.run, given) is given
    assert second.ran == ["b", "c"]
    assert given == {"given": 1, "a": 1, "b": 3, "c": 4, "checkpoint_index": 0}
    assert not path.exists()


def test_data_comes_back_with_the_state_and_nothing_is_loaded_again(run, path):
    loaded = []

    def pipeline(broken):
        flow = CheckpointFlow(path, quiet=True)

        def load(state):
            loaded.append(dict(state))
            return {"table": [1, 2]}

        @flow.add_step(load=load)
        def first(state, data):
            state["same"] = data["table"]

        @flow.add_step(load=load)
        def second(state, data):
            if broken:
                raise BrokenError
            data["table"].append(3)
            assert state["same"] is data["table"]

        return flow.run

    breaks(run, pipeline(True))
    assert run(pipeline(False)) == {"same": [1, 2, 3], "checkpoint_index": 0}
    assert loaded == [{}]


@pytest.mark.parametrize("policy", ["always", [True, False, True]])
def test_the_load_policy_holds(run, path, policy):
    loaded = []

    def pipeline(broken):
        flow = CheckpointFlow(path, quiet=True)
        for name in "abc":

            def load(state, name=name):
                loaded.append(name)
                return {}

            def step(state, data, name=name):
                if broken and name == "c":
                    raise BrokenError

            flow.add_step(load=load, name=name)(step)
        return flow.run

    breaks(run, pipeline(True), {}, policy)
    run(pipeline(False), {}, policy)
    assert loaded == [*("ab" if policy == "always" else "a"), "c", "c"]


def test_a_step_that_polls_goes_on_inside(run, path, capsys):
    def pipeline(broken):
        flow = CheckpointFlow(path, quiet=True)

        @flow.add_step(interval="1h", timeout=600)
        def polls(state, data):
            for turn in range(4):
                print(turn)
                state["sum"] = state.get("sum", 0) + turn
                if isinstance(skt.current().checkpoint(), skt.Epoch) and turn == broken:
                    raise BrokenError

        return flow.run

    breaks(run, pipeline(1))
    assert capsys.readouterr().out.split() == ["0", "1"]
    assert run(pipeline(None)) == {"sum": 6, "checkpoint_index": 0}
    assert capsys.readouterr().out.split() == ["2", "3"]
    assert not path.exists()


@pytest.mark.parametrize(
    ("on_change", "said"),
    [("error", "step 0 'a' has changed since it finished"), ("keep", None)],
)
def test_a_finished_step_that_changed_is_told(run, path, on_change, said):
    def pipeline(changed, broken):
        flow = CheckpointFlow(path, quiet=True, on_change=on_change)
        ran = []
        if changed:
            flow.add_step(name="a")(lambda state, data: ran.append("changed"))
        else:
            flow.add_step(name="a")(lambda state, data: ran.append("a"))

        @flow.add_step()
        def b(state, data):
            ran.append("b")
            if broken:
                raise BrokenError

        return flow.run, ran

    function, _ = pipeline(False, True)
    breaks(run, function, {})
    function, ran = pipeline(True, False)
    if said:
        with pytest.raises(FlowError, match=said):
            run(function, {})
        assert not ran
    else:
        run(function, {})
        assert ran == ["b"]


def test_steps_are_known_by_their_names(run, path):
    """With "keep" the run goes on at the step that did not finish, wherever it is now."""
    breaks(run, Pipeline(path, "abc", broken="b", on_change="keep").flow.run, {})
    now = Pipeline(path, "xabc", on_change="keep")
    run(now.flow.run, {})
    assert now.ran == ["b", "c"]


def test_a_run_may_hold_several(run, path):
    flow = Pipeline(path, "ab")

    def program():
        return [flow.flow.run({"turn": turn})["turn"] for turn in range(3)]

    assert run(program) == [0, 1, 2]
    assert flow.ran == ["a", "b"] * 3


def test_one_that_is_made_inside_comes_back_as_it_was(run, path, monkeypatch):
    def program():
        flow = CheckpointFlow(path, quiet=True)
        flow.add_step(name="a")(count)

        @flow.add_step()
        def b(state, data):
            state["steps"] = flow.steps
            if "BROKEN" in os.environ:
                raise BrokenError

        return flow.run({"count": 0})

    monkeypatch.setenv("BROKEN", "1")
    breaks(run, program)
    monkeypatch.delenv("BROKEN")
    assert run(program) == {"count": 1, "steps": ("a", "b"), "checkpoint_index": 0}


def count(state, data):
    state["count"] += 1


def test_a_process_that_a_step_forks_stores_nothing(tmp_path):
    program = """
import os, sys
import sauerkraut as skt
from sauerkraut.flow import CheckpointFlow

flow = CheckpointFlow("nowhere")

@flow.add_step()
def forks(state, data):
    if os.fork() == 0:
        return
    assert os.wait()[1] >> 8 == 1
    state["y"] = 2

print(skt.Checkpointer("ckpt", interval=None).run(flow.run, {}))
"""
    done = run_python("-c", program, cwd=tmp_path)
    assert done.stdout == "{'y': 2, 'checkpoint_index': 0}\n"
    assert "this process was forked inside of run, and its parent has the run" in done.stderr
    newest = next(iter(catalog.committed(tmp_path / "ckpt")))
    assert catalog.read_manifest(newest.path).epoch.number == 3


def test_in_frames_a_flow_is_that_of_this_start(path):
    then = [CheckpointFlow(path), CheckpointFlow(path)]
    written = [pickle.dumps(each) for each in then]
    assert [pickle.loads(each) for each in written] == then
    then.clear()
    gc.collect()
    with pytest.raises(ResumeError, match=r"holds? the flow of .*, which this start has not made"):
        pickle.loads(written[1])
    now = CheckpointFlow(path)
    assert [pickle.loads(each) for each in written] == [now, now]


class TestOptions:
    def test_a_step_is_tried_again_with_what_it_saw(self, run, path):
        flow, saw = CheckpointFlow(path, quiet=True), []

        @flow.add_step(retries=2)
        def polls(state, data):
            saw.append((dict(state), dict(data)))
            state["x"] = data["x"] = len(saw)
            skt.current().checkpoint()
            if len(saw) < 3:
                raise BrokenError

        assert run(flow.run, {})["x"] == 3
        assert saw == [({}, {})] * 3

    def test_a_poll_ends_a_step_that_takes_longer(self, run, path, monkeypatch):
        time = [0.0]
        monkeypatch.setattr(watchdog, "monotonic", lambda: time[0])
        flow = CheckpointFlow(path, quiet=True)

        @flow.add_step(timeout=100)
        def polls(state, data):
            for _ in range(1000):
                time[0] += 1
                skt.current().poll()

        breaks(run, flow.run, {}, error=TimeoutError)
        assert time[0] < 200

    def test_a_step_may_be_passed_over(self, run, path):
        flow = Pipeline(path, "a")
        flow.flow.add_step(name="b", skip_if=operator.itemgetter("a"))(count)
        flow.add("c")
        assert run(flow.run, {"a": 1})["checkpoint_index"] == 0
        assert flow.ran == ["a", "c"]

    def test_what_a_step_depends_on_is_there(self, run, path):
        flow = CheckpointFlow(path, quiet=True)
        flow.add_step(name="a", depends=["count"])(count)
        assert run(flow.run, {"count": 1})["count"] == 2
        with pytest.raises(FlowError, match=r"step 0 'a' depends on 'count', which is neither"):
            run(flow.run, {}, path="other")

    def test_what_was_not_kept_is_refused(self, run, path):
        for on_change, said in [
            ("keep", "what step 1 saw is not kept"),
            ("rerun", "never reached"),
        ]:
            flow = Pipeline(path, "ab", on_change=on_change).flow
            with pytest.raises(FlowError, match=said):
                run(lambda: flow.run(checkpoint=1), path=on_change)  # noqa: B023 - called here

    def test_it_may_start_at_a_step_with_a_given_state(self, run, path):
        flow = Pipeline(path, "abc")
        assert run(flow.flow.run, {"x": 1}, "always", 2) == {"x": 1, "c": 1, "checkpoint_index": 0}
        assert flow.ran == ["c"]

    def test_it_says_what_will_run(self, run, path, capsys):
        run(lambda: Pipeline(path, "ab").flow.run(why=True))
        said = capsys.readouterr().err
        assert "inside of Checkpointer.run: starts at step 0 'a'" in said
        assert "step 1 'b': runs" in said
