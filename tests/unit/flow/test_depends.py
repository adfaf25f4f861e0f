"""Steps that say what they depend on: when they are passed over, and with which results."""

import pytest

from sauerkraut.errors import FlowError
from sauerkraut.flow import CheckpointFlow


def nothing(state, data):
    pass


def test_only_what_the_step_left_counts_as_its_result(path):
    def flow():
        made = CheckpointFlow(path, quiet=True)

        @made.add_step(depends=["x"])
        def a(state, data):
            state["out"] = 10 * state["x"]

        @made.add_step()
        def b(state, data):
            state["result"] = state["out"] + 1

        return made

    flow().run({"x": 1})
    flow().run({"x": 1, "out": -5}, checkpoint=1)
    assert flow().run({"x": 1})["result"] == 11


def test_what_an_earlier_step_left_counts(path):
    def total(rows):
        flow = CheckpointFlow(path, quiet=True)

        @flow.add_step()
        def read(state, data):
            state["rows"] = rows()

        @flow.add_step(depends=["read"])
        def total(state, data):
            ran.append(state["rows"])
            state["total"] = 2 * state["rows"]

        return flow.run({})["total"]

    ran = []
    rows = [3, 3, 100]
    assert [total(lambda: rows.pop(0)) for _ in range(3)] == [6, 6, 200]
    assert ran == [3, 100]


def test_a_name_that_means_nothing(path):
    flow = CheckpointFlow(path, quiet=True)
    flow.add_step(name="a")(nothing)
    flow.add_step(name="b", depends=["sz"])(nothing)
    said = r"step 1 'b' depends on 'sz', .* \('a'\) nor a key of the state \('size', "
    with pytest.raises(FlowError, match=said):
        flow.run({"size": 1})


def test_a_later_step(path):
    flow = CheckpointFlow(path, quiet=True)
    flow.add_step(name="a", depends=["b"])(nothing)
    flow.add_step(name="b")(nothing)
    with pytest.raises(ValueError, match="step 0 'a' depends on 'b', which is a later step"):
        flow.run({})


def test_a_step_with_keys_that_are_no_text_runs_each_time(path):
    def run():
        flow = CheckpointFlow(path, quiet=True)

        @flow.add_step(depends=[])
        def a(state, data):
            ran.append("a")
            state["o", 1] = 2

        return flow.run({})["o", 1]

    ran = []
    assert [run(), run()] == [2, 2]
    assert ran == ["a", "a"]


@pytest.mark.parametrize("how", ["=", "update", "helper", "save"])
def test_what_it_set_to_the_value_that_was_there_is_its_result_as_well(path, how):
    def run(state):
        flow = CheckpointFlow(path, quiet=True)

        def save(state, data):
            if how == "save":
                state["out"] = 10 * state["x"]

        @flow.add_step(save=save, depends=["x"])
        def a(state, data):
            ran.append(state["x"])
            if how == "=":
                state["out"] = 10 * state["x"]
            elif how == "update":
                state.update(out=10 * state["x"])
            elif how == "helper":
                tenfold(state)

        return flow.run(state)["out"]

    ran = []
    assert run({"x": 1, "out": 10, "other": 1}) == 10
    assert run({"x": 1, "out": 10, "other": 2}) == 10
    assert ran == [1]
    assert run({"x": 1, "out": -5}) == 10
    assert run({"x": 1}) == 10
    assert run({"x": 1}) == 10
    assert ran == [1, 1]


def tenfold(state):
    state["out"] = 10 * state["x"]


def test_a_result_that_is_damaged_is_made_again(path):
    def run():
        flow = CheckpointFlow(path, quiet=True)

        @flow.add_step(depends=["x"])
        def a(state, data):
            ran.append("a")
            state["out"] = f"result of {state['x']}"

        return flow.run({"x": 1})["out"]

    ran = []
    assert run() == "result of 1"
    stored = bytearray(path.read_bytes())
    stored[stored.rindex(b"result of 1")] ^= 1
    path.write_bytes(stored)
    assert [run(), run()] == ["result of 1"] * 2
    assert ran == ["a", "a"]
