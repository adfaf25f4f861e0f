"""What CheckpointFlow does by the seed's names, and each fault of the seed that is gone."""

import contextlib
import socket

import numpy as np
import pytest

from sauerkraut.errors import CaptureError, FlowError
from sauerkraut.flow import CheckpointFlow, LocalStateHandler
from tests.processes import run_python
from tests.unit.flow.pipelines import BrokenError, Pipeline


def test_nothing_heavy_is_imported_before_it_is_needed():
    heavy = ("dill", "h5py", "numpy", "pandas", "rich", "mpi4py")
    text = f"import sys, sauerkraut.flow; print([m for m in {heavy} if m in sys.modules])"
    assert run_python("-c", text).stdout == "[]\n"


def test_a_run_starts_where_the_one_before_failed_and_the_next_one_starts_over(path):
    Pipeline(path, "abc", broken="c").breaks({"x": 1})

    again = Pipeline(path, "abc")
    assert again.run() == {"x": 1, "a": 1, "b": 3, "c": 4, "checkpoint_index": 0}
    assert again.ran == ["c"]
    again.run({"x": 2})
    assert again.ran == ["a", "b", "c"]


def test_run_returns_the_given_state_itself_changed_in_place(path):
    state = {}
    assert Pipeline(path, "a").run(state) is state
    assert state["checkpoint_index"] == 0


def test_what_the_index_says_while_a_step_runs(path):
    flow, seen = CheckpointFlow(path, quiet=True), []

    @flow.add_step()
    def one(state, data):
        seen.append(state.get("checkpoint_index"))

    @flow.add_step()
    def two(state, data):
        seen.append(state.get("checkpoint_index"))

    flow.run({})
    assert seen == [None, 1]


@pytest.mark.parametrize("handler", ["local", "hdf5"])
@pytest.mark.parametrize("change", [dict.clear, lambda state: state.update(checkpoint_index=7)])
def test_what_a_step_does_to_the_index_does_not_count(path, change, handler):
    for broken in (True, False):
        flow, ran = CheckpointFlow(path, handler=handler, quiet=True), []
        flow.add_step(name="a")(lambda state, data: change(state))

        @flow.add_step()
        def b(state, data, broken=broken, ran=ran):
            ran.append(state["checkpoint_index"])
            change(state)
            if broken:
                raise BrokenError

        with pytest.raises(BrokenError) if broken else contextlib.nullcontext():
            assert flow.run({"x": 1}) == {"checkpoint_index": 0} | flow.check_point()
        assert ran == [1]


def test_a_failure_in_the_first_step_leaves_what_it_saw(path):
    Pipeline(path, "ab", broken="a").breaks({"x": 1})
    flow = Pipeline(path, "ab").flow
    assert flow.check_point() == {"x": 1}
    assert flow.newest().failure.error.endswith("BrokenError: a")
    assert Pipeline(path, "ab").run()["x"] == 1
    assert flow.newest().failure is None


def test_a_step_cannot_change_what_is_stored_of_it_by_failing(path):
    flow = CheckpointFlow(path, quiet=True)

    @flow.add_step()
    def halfway(state, data):
        state["list"].append(1)
        if len(state["list"]) == 1:
            raise BrokenError

    with pytest.raises(BrokenError):
        flow.run({"list": []})
    with pytest.raises(BrokenError):
        flow.run()


def test_a_step_may_look_at_what_is_stored(path):
    for _ in range(2):
        flow = CheckpointFlow(path, quiet=True)

        @flow.add_step()
        def looks(state, data, flow=flow):
            state["seen"] = flow.check_point()

        assert flow.run({"x": 1})["seen"] == {"x": 1}


def test_steps_without_any_are_refused(path):
    with pytest.raises(FlowError, match="there are no steps: add_step"):
        CheckpointFlow(path).run({})
    assert not path.exists()


def test_a_run_without_a_state_after_one_that_finished_does_not_inherit_its_end(path):
    flow = Pipeline(path, "ab")
    flow.run({"x": 1})
    assert flow.run() == {"a": 0, "b": 2, "checkpoint_index": 0}


def test_a_given_state_that_is_ignored_is_named(path, caplog):
    Pipeline(path, "ab", broken="b").breaks({"x": 1})
    Pipeline(path, "ab", broken="b").breaks({"x": 1})
    assert "the given state" not in caplog.text
    assert Pipeline(path, "ab").run({"x": 2})["x"] == 1
    assert "the given state is not the one that run 1 began with, and is ignored" in caplog.text


def test_a_given_state_counts_when_no_step_has_finished(path):
    Pipeline(path, "ab", broken="a").breaks({"x": 1})
    assert Pipeline(path, "ab").run({"x": 2})["x"] == 2


@pytest.mark.parametrize("value", [lambda: None, (i for i in range(9)), np.arange(20_000.0)])
def test_state_holds_what_a_program_holds(path, value):
    pipeline = Pipeline(path, "ab", broken="b")
    pipeline.breaks({"value": value})
    held = Pipeline(path, "ab").run()["value"]
    assert type(held) is type(value)
    if isinstance(value, np.ndarray):
        assert (held == value).all()
    elif not callable(value):
        assert list(held) == list(value) == list(range(9))


def test_what_cannot_be_stored_is_named_and_the_checkpoint_before_stays(path):
    flow = CheckpointFlow(path, quiet=True)

    @flow.add_step()
    def fine(state, data):
        state["kept"] = 1

    @flow.add_step()
    def unfit(state, data):
        state["socket"] = socket.socket()
        opened.append(state["socket"])

    opened = []
    with pytest.raises(CaptureError, match=r"after step 1 'unfit' cannot be stored: .*socket"):
        flow.run({})
    opened[0].close()
    assert flow.check_point() == {"kept": 1, "checkpoint_index": 1}


class Unwilling:
    def __reduce__(self):
        raise ValueError("of no use\nin two lines")


@pytest.mark.parametrize("handler", ["local", "hdf5"])
def test_that_is_one_line_whatever_the_object_says(path, handler):
    flow = CheckpointFlow(path, handler=handler, quiet=True)
    flow.add_step(name="a")(lambda state, data: state.update(it=Unwilling()))
    with pytest.raises(CaptureError, match="of no use in two lines") as raised:
        flow.run({})
    assert "\n" not in str(raised.value)


def test_what_a_step_returns_does_not_count(path):
    flow = CheckpointFlow(path, quiet=True)
    flow.add_step()(returns_a_dict)
    assert flow.run({}) == {"checkpoint_index": 0}


def returns_a_dict(state, data):
    return {"state": 1}


def test_steps_called_directly_do_not_share_data(path):
    flow = CheckpointFlow(path)

    @flow.add_step(load=lambda state: {"loaded": 1}, save=lambda state, data: saved.append(data))
    def step(state, data):
        data.setdefault("seen", []).append(1)

    saved = []
    assert step({}) == {"seen": [1]}
    assert step({}) == {"seen": [1]}
    assert step({}, should_load=True) == {"loaded": 1, "seen": [1]}
    assert step({}, data={"mine": 1}) == {"mine": 1, "seen": [1]}
    assert len(saved) == 4
    with pytest.raises(TypeError, match="data must be a dict, even an empty one, not a list"):
        step({}, data=[])


def test_two_steps_of_one_name_are_refused(path):
    with pytest.raises(ValueError, match="there is a step 'a' already"):
        Pipeline(path, "aa")


@pytest.mark.parametrize("state", [[], "text", 1])
def test_a_state_that_is_no_dict_is_refused(path, state):
    with pytest.raises(TypeError, match="a state is a dict, not a "):
        Pipeline(path, "a").run(state)


def test_steps_and_functions_that_are_none_are_refused(path):
    flow = CheckpointFlow(path)
    with pytest.raises(TypeError, match="load=3 is not a function"):
        flow.add_step(load=3)
    with pytest.raises(TypeError, match=r"a step is a function f\(state, data\), not None"):
        flow.add_step()(None)


class TestCheckpoint:
    def test_a_given_state_wins(self, path):
        flow = Pipeline(path, "abc")
        flow.run({"x": 1})
        assert flow.run({"y": 1}, checkpoint=2) == {"y": 1, "c": 1, "checkpoint_index": 0}
        assert flow.ran == ["c"]

    def test_without_a_state_it_is_what_the_step_saw_last(self, path):
        flow = Pipeline(path, "abc")
        flow.run({"x": 1})
        assert list(flow.run(checkpoint=1)) == ["x", "a", "checkpoint_index", "b", "c"]
        assert flow.ran == ["b", "c"]
        assert "a" not in flow.flow.check_point() or flow.run(checkpoint=0)["x"] == 1
        assert flow.ran == ["a", "b", "c"]

    def test_also_of_the_first_step_when_it_failed(self, path):
        Pipeline(path, "ab", broken="a").breaks({"x": 1})
        assert Pipeline(path, "ab").run(checkpoint=0)["x"] == 1

    def test_the_next_run_goes_on_from_there(self, path):
        Pipeline(path, "abc").run({"x": 1})
        Pipeline(path, "abc", broken="c").breaks(checkpoint=1)
        flow = Pipeline(path, "abc")
        flow.run()
        assert flow.ran == ["c"]

    def test_zero_starts_over_in_the_middle_of_a_run(self, path):
        Pipeline(path, "abc", broken="b").breaks({"x": 1})
        flow = Pipeline(path, "abc")
        assert flow.run({"x": 5}, checkpoint=0)["x"] == 5
        assert flow.ran == ["a", "b", "c"]

    @pytest.mark.parametrize(
        ("given", "error", "told"),
        [
            (True, TypeError, "checkpoint=True: the index of a step, not a bool"),
            (1.0, TypeError, "not a float"),
            (99, IndexError, "checkpoint=99: there are 2 steps"),
            (-1, IndexError, "checkpoint=-1"),
        ],
    )
    def test_what_is_no_index_is_refused(self, path, given, error, told):
        with pytest.raises(error, match=told):
            Pipeline(path, "ab").run({}, checkpoint=given)
        assert not path.exists()

    def test_a_step_that_was_never_reached_needs_a_state(self, path):
        Pipeline(path, "abc", broken="a").breaks({})
        with pytest.raises(FlowError, match=r"step 2 'c' was never reached.*run\(state, checkp"):
            Pipeline(path, "abc").run(checkpoint=2)


class TestLoading:
    def pipeline(self, path, broken=()):
        flow = Pipeline(path, ())
        for name in "abc":
            flow.add(name, fails=name in broken, load=self.loads(flow, name))
        return flow

    def loads(self, flow, name):
        def load(state):
            flow.ran.append(f"load {name}")
            return {name: 1}

        return load

    @pytest.mark.parametrize(
        ("load_policy", "ran"),
        [
            ("first only", ["load a", "a", "b", "c"]),
            ("always", ["load a", "a", "load b", "b", "load c", "c"]),
            ("needed", ["load a", "a", "load b", "b", "load c", "c"]),
            ([False, True, False], ["a", "load b", "b", "c"]),
        ],
    )
    def test_from_the_start(self, path, load_policy, ran):
        flow = self.pipeline(path)
        flow.run({}, load_policy)
        assert flow.ran == ran

    @pytest.mark.parametrize(
        ("load_policy", "ran"),
        [
            ("first only", ["load b", "b", "c"]),
            ("always", ["load b", "b", "load c", "c"]),
            ("needed", ["load a", "load b", "b", "load c", "c"]),
            ([True, False, True], ["b", "load c", "c"]),
        ],
    )
    def test_after_a_failure(self, path, load_policy, ran):
        self.pipeline(path, "b").breaks({})
        flow = self.pipeline(path)
        flow.run(load_policy=load_policy)
        assert flow.ran == ran

    def test_data_that_is_gone_after_a_restart_is_named(self, path, caplog):
        self.pipeline(path, "b").breaks({})
        self.pipeline(path, "c").breaks()
        assert "data had 'a' when this step began" in caplog.text
        assert 'load_policy="needed"' in caplog.text
        caplog.clear()
        self.pipeline(path).run(load_policy="needed")
        assert "data had" not in caplog.text

    @pytest.mark.parametrize(
        ("load_policy", "error", "told"),
        [
            ("allways", ValueError, "load_policy='allways': one of 'first only', 'always', 'need"),
            ([True], TypeError, "load_policy has 1 booleans, there are 3 steps"),
            ([1, 0, 1], TypeError, "neither a name nor a list of booleans"),
            (None, TypeError, "neither a name nor a list of booleans"),
        ],
    )
    def test_what_is_no_policy_is_refused(self, path, load_policy, error, told):
        with pytest.raises(error, match=told):
            self.pipeline(path).run({}, load_policy)
        assert not path.exists()

    def test_a_load_function_must_return_a_dict(self, path):
        flow = Pipeline(path, ())
        flow.add("a", load=lambda state: None)
        with pytest.raises(TypeError, match="load function of step 'a' must return a dict"):
            flow.run({})


class TestHandlers:
    def test_an_unknown_name(self, path):
        with pytest.raises(NotImplementedError, match="handler='ftp': one of 'local'"):
            CheckpointFlow(path, handler="ftp")

    def test_neither_a_name_nor_a_handler(self, path):
        with pytest.raises(TypeError, match="nor a class or an object with write"):
            CheckpointFlow(path, handler=3)

    @pytest.mark.parametrize("made", [True, False])
    def test_a_class_and_an_object_of_the_users_own(self, path, made):
        states = {}

        class Kept:
            def __init__(self, path):
                self.path = path

            def write(self, state):
                states[self.path] = dict(state)

            def read(self):
                return dict(states.get(self.path, {}))

        handler = Kept(path) if made else Kept
        Pipeline(path, "abc", broken="b", handler=handler).breaks({"x": 1})
        assert states[path]["checkpoint_index"] == 1
        flow = Pipeline(path, "abc", handler=handler)
        assert flow.run({"x": 2}) == {"x": 1, "a": 1, "b": 3, "c": 4, "checkpoint_index": 0}
        assert flow.ran == ["b", "c"]
        assert states[path]["checkpoint_index"] == 0
        flow.run({"x": 2})
        assert flow.ran == ["a", "b", "c"]
        assert not path.exists()

    @pytest.mark.parametrize("made", [True, False])
    def test_the_local_one_given_as_such_keeps_all_a_flow_needs(self, path, made):
        handler = LocalStateHandler(path) if made else LocalStateHandler
        Pipeline(path, "ab", handler=handler).run({"x": 1})
        flow = Pipeline(path, "ab")
        assert flow.run(checkpoint=1)["x"] == 1
        assert flow.ran == ["b"]
