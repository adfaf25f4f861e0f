"""Steps are known by their names and by what their code says."""

import pytest

from sauerkraut.errors import FlowError
from sauerkraut.flow import identity
from tests.unit.flow.pipelines import Pipeline

TEXT = '''
import numpy
OFFSET = 3

def helper(x):
    """Doubles."""
    return 2 * x

class Model:
    def predict(self, x):
        return helper(x)

def step(state, data):
    """What it does."""
    state["y"] = Model().predict(state["x"])  # doubled
'''


def of(module):
    return identity.of(module.step)


def edited(*changes):
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize(
    "change",
    [
        ("  # doubled", ""),
        ('    """What it does."""\n', ""),
        ("Doubles", "Returns twice as much"),
        ("helper(x):\n", "helper(x):\n    # a comment\n\n"),
        ('state["y"] = Model()', 'state["y"] = (\n        Model()\n    )'),
        ("OFFSET = 3", "OFFSET = 4"),
        ("import numpy\n", "import numpy\n\ndef unused():\n    pass\n"),
    ],
)
def test_what_does_not_count(program, change):
    assert of(program(TEXT)).is_like(of(program(edited(change))))


@pytest.mark.parametrize(
    "change",
    [
        ('state["y"]', 'state["z"]'),
        ("2 * x", "3 * x"),
        ("return helper(x)", "return helper(x) + 1"),
        ("def step(state, data):", "def step(state, data, more=1):"),
    ],
)
def test_what_counts(program, change):
    assert not of(program(TEXT)).is_like(of(program(edited(change))))


def test_functions_of_other_project_modules_count(program, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    text = "import physics_of_flow\ndef step(state, data):\n    physics_of_flow.move(state)\n"
    found = []
    for line in ("state['x'] = 1", "state['x'] = 2"):
        (tmp_path / "physics_of_flow.py").write_text(f"def move(state):\n    {line}\n")
        monkeypatch.delitem(__import__("sys").modules, "physics_of_flow", raising=False)
        __import__("importlib").invalidate_caches()
        __import__("shutil").rmtree(tmp_path / "__pycache__", ignore_errors=True)
        found.append(of(program(text)))
    assert not found[0].is_like(found[1])


def test_load_and_save_count(program):
    module = program(TEXT)
    assert not identity.of(module.step, module.helper).is_like(identity.of(module.step))


def test_without_source_the_bytecode_counts():
    def compiled(text):
        namespace = {"__name__": "__main__"}
        exec(text, namespace)
        return identity.of(namespace["step"])

    one = compiled("def step(state, data):\n    return 1\n")
    assert one.source == ""
    assert one.is_like(compiled("\n\ndef step(state, data):\n    return 1  # same\n"))
    assert not one.is_like(compiled("def step(state, data):\n    return 2\n"))


def test_the_options_of_add_step_are_not_what_a_step_computes(program):
    text = "class Flow:\n    def add_step(self, **_):\n        return lambda f: f\nflow = Flow()\n"
    text += "@flow.add_step({})\ndef step(state, data):\n    pass\n"
    assert of(program(text.format(""))).is_like(of(program(text.format("load=None"))))


PIPELINE = """
from sauerkraut.flow import CheckpointFlow

ran = []

def flow_at(path, **options):
    flow = CheckpointFlow(path, **options)

    @flow.add_step()
    def first(state, data):
        ran.append("first")
        state["first"] = 1

    @flow.add_step()
    def second(state, data):
        ran.append("second")
        state["second"] = state["first"] + 1

    @flow.add_step()
    def third(state, data):
        ran.append("third")
        1 / 0

    return flow
"""
MENDED = PIPELINE.replace("1 / 0", 'state["third"] = 3')


@pytest.fixture
def failed(path, program):
    """A run whose third step failed."""
    with pytest.raises(ZeroDivisionError):
        program(PIPELINE).flow_at(path).run({"x": 0})
    return path


def test_mending_the_step_that_failed_is_what_it_is_all_for(failed, program):
    module = program(MENDED)
    assert module.flow_at(failed).run()["third"] == 3
    assert module.ran == ["third"]


def test_a_finished_step_that_changed_is_reported_with_what_to_type(failed, program):
    module = program(MENDED.replace('state["first"] + 1', 'state["first"] + 10'))
    with pytest.raises(FlowError) as raised:
        module.flow_at(failed).run()
    assert "step 1 'second' has changed since it finished" in str(raised.value)
    assert "run(checkpoint=1)" in str(raised.value)
    assert 'on_change="keep"' in str(raised.value)
    assert module.ran == []
    assert module.flow_at(failed).run(checkpoint=1)["second"] == 11
    assert module.ran == ["second", "third"]


@pytest.mark.parametrize(
    ("on_change", "second", "ran"),
    [("rerun", 11, ["second", "third"]), ("keep", 2, ["third"])],
)
def test_on_change(failed, program, on_change, second, ran, caplog):
    module = program(MENDED.replace('state["first"] + 1', 'state["first"] + 10'))
    assert module.flow_at(failed, on_change=on_change).run()["second"] == second
    assert module.ran == ran
    assert "step 1 'second' has changed" in caplog.text


def test_a_change_that_was_accepted_is_none_later(failed, program):
    changed = PIPELINE.replace('state["first"] + 1', 'state["first"] + 10')
    with pytest.raises(ZeroDivisionError):
        program(changed).flow_at(failed, on_change="keep").run()
    mended = program(changed.replace("1 / 0", 'state["third"] = 3'))
    assert mended.flow_at(failed).run()["third"] == 3
    assert mended.ran == ["third"]


def test_on_change_is_one_of_three(path):
    with pytest.raises(ValueError, match="on_change='ask': one of 'error', 'keep', 'rerun'"):
        Pipeline(path, "a", on_change="ask")


class TestOtherSteps:
    def test_one_put_in_front_is_not_passed_over_unless_asked(self, path, caplog):
        Pipeline(path, "abc", broken="c").breaks({})
        with pytest.raises(FlowError, match="step 0 was 'a' when it finished: step 0 is 'new' now"):
            Pipeline(path, ["new", "a", "b", "c"]).run()

        flow = Pipeline(path, ["new", "a", "b", "c"], on_change="keep")
        flow.run()
        assert flow.ran == ["c"]
        assert "step 0 'new' never ran in this run, and is passed over" in caplog.text

    def test_one_put_in_front_runs_with_all_that_follow(self, path):
        Pipeline(path, "abc", broken="c").breaks({"x": 1})
        flow = Pipeline(path, ["new", "a", "b", "c"], on_change="rerun")
        assert flow.run()["x"] == 1
        assert flow.ran == ["new", "a", "b", "c"]

    def test_removing_those_that_did_not_finish_is_no_success(self, path):
        Pipeline(path, "abc", broken="c").breaks({})
        with pytest.raises(FlowError, match="step 2 'c', which did not finish, is gone"):
            Pipeline(path, "ab").run()
        flow = Pipeline(path, "ab", on_change="keep")
        assert flow.run()["checkpoint_index"] == 0
        assert flow.ran == []
        flow.run({})
        assert flow.ran == ["a", "b"]

    def test_going_on_at_the_step_that_did_not_finish_is_what_keep_says_and_does(self, path):
        Pipeline(path, "ab", broken="b").breaks({})
        with pytest.raises(FlowError, match="\"keep\" to go on from step 1 'b'"):
            Pipeline(path, ["a2", "b"]).run()
        flow = Pipeline(path, ["a2", "b"], on_change="keep")
        flow.run()
        assert flow.ran == ["b"]

    def test_keep_refuses_where_nobody_can_tell_what_has_to_run(self, path):
        Pipeline(path, ["a", "b", "bad"], broken=["bad"]).breaks({})
        for names in ("bca", "xy"):
            flow = Pipeline(path, names, on_change="keep")
            with pytest.raises(FlowError, match='give the flow on_change="rerun"'):
                flow.run()
            assert flow.ran == []
        flow = Pipeline(path, "abc", on_change="keep")
        flow.run()
        assert flow.ran == ["c"]

    def test_removing_finished_ones(self, path):
        Pipeline(path, "abcd", broken="d").breaks({})
        with pytest.raises(FlowError, match="step 1 was 'b' when it finished: step 1 is 'c' now"):
            Pipeline(path, "acd").run()
        flow = Pipeline(path, "acd", on_change="keep")
        flow.run()
        assert flow.ran == ["d"]

    def test_all_but_the_first_gone(self, path):
        Pipeline(path, "abc", broken="c").breaks({})
        with pytest.raises(FlowError, match="step 1 was 'b' when it finished: it is gone"):
            Pipeline(path, "a").run()

    def test_adding_one_at_the_end(self, path):
        Pipeline(path, "ab", broken="b").breaks({})
        flow = Pipeline(path, "abc")
        flow.run()
        assert flow.ran == ["b", "c"]
