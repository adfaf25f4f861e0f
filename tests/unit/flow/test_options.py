"""What a step may be given: name, parameters, retries, timeout, skip_if, depends; and why=True."""

import sys

import pytest

from sauerkraut.errors import FlowError
from sauerkraut.flow import CheckpointFlow, watchdog
from tests.processes import run_python
from tests.unit.flow.pipelines import BrokenError, Pipeline


@pytest.fixture
def flow(path):
    return CheckpointFlow(path, quiet=True)


def works(state, data, *, by=1):
    state["worked"] = state.get("worked", 0) + by


def test_a_name_of_its_own(flow):
    flow.add_step(name="one")(works)
    flow.add_step(name="two")(works)
    assert flow.run({})["worked"] == 2


class TestParameters:
    def test_they_are_keyword_arguments(self, flow):
        flow.add_step(params={"by": 5})(works)
        assert flow.run({})["worked"] == 5

    def test_they_belong_to_what_a_finished_step_is(self, path):
        def flow(by):
            made = CheckpointFlow(path, quiet=True)
            made.add_step(params={"by": by})(works)
            made.add_step()(breaks)
            return made

        for by in (5, 5):
            with pytest.raises(BrokenError):
                flow(by).run({})
        with pytest.raises(FlowError, match="step 0 'works' has changed since it finished"):
            flow(6).run({})

    @pytest.mark.parametrize("params", [[1], {1: 2}])
    def test_what_they_cannot_be(self, flow, params):
        with pytest.raises(TypeError, match="a dict of keyword parameters"):
            flow.add_step(params=params)


def breaks(state, data):
    raise BrokenError


class UnspeakableError(Exception):
    """One whose text cannot be had."""

    def __str__(self):
        raise RuntimeError("no text")


class TestRetries:
    def fails(self, times, errors=BrokenError):
        left = [times]

        def step(state, data):
            state["seen"].append(len(data["rows"]))
            data["rows"].append(0)
            if left[0]:
                left[0] -= 1
                raise errors

        return step

    def test_each_try_begins_with_what_the_step_saw(self, flow, caplog):
        state = {"seen": []}

        @flow.add_step(load=lambda state: {"rows": [1, 2]})
        def first(state, data):
            pass

        flow.add_step(retries=2)(self.fails(2))
        assert flow.run(state) is state
        assert state == {"seen": [2], "checkpoint_index": 0}
        assert "step 1 'step' failed (BrokenError): try 2 of 3" in caplog.text

    def test_not_more_often_than_asked(self, flow):
        flow.add_step(load=lambda state: {"rows": []}, retries=1)(self.fails(2))
        with pytest.raises(BrokenError):
            flow.run({"seen": []})

    def test_an_interrupt_is_no_failure(self, flow):
        flow.add_step(load=lambda state: {"rows": []}, retries=1)(self.fails(1, KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            flow.run({"seen": []})
        assert flow.run()["seen"] == [0]

    def test_a_state_that_holds_itself_cannot_be_put_back(self, flow):
        flow.add_step(retries=1)(breaks)
        state = {}
        state["me"] = [state]
        with pytest.raises(FlowError, match="holds itself"):
            flow.run(state)

    def test_the_error_of_an_error_without_text_does_not_matter(self, flow):
        flow.add_step(load=lambda state: {"rows": []}, retries=1)(self.fails(1, UnspeakableError))
        assert flow.run({"seen": []})["seen"] == [0]

    @pytest.mark.parametrize("retries", [-1, 1.5, True])
    def test_what_they_cannot_be(self, flow, retries):
        with pytest.raises(ValueError, match="how often to try again"):
            flow.add_step(retries=retries)


class TestTimeout:
    def test_a_step_that_took_longer_is_not_committed(self, flow, monkeypatch):
        clock = [0.0]
        monkeypatch.setattr(watchdog, "monotonic", lambda: clock[0])

        @flow.add_step(timeout=100)
        def slow(state, data):
            clock[0] += state["for"]
            state["done"] = True

        with pytest.raises(TimeoutError, match=r"'slow' took 101\.5 s, its timeout is 100 s"):
            flow.run({"for": 101.5})
        assert flow.check_point() == {"for": 101.5}
        assert flow.run({"for": 99})["done"]

    def test_twice_the_time_ends_the_job_with_the_stack(self, path):
        text = (
            "import sys, time\n"
            "from sauerkraut.flow import CheckpointFlow\n"
            "flow = CheckpointFlow(sys.argv[1])\n"
            "@flow.add_step(timeout=0.1)\n"
            "def endless(state, data):\n"
            "    print('begun', flush=True)\n"
            "    time.sleep(60)\n"
            "flow.run({'x': 1})\n"
        )
        done = run_python("-c", text, path, check=False)
        assert done.returncode == 86
        assert "step 0 'endless' took twice its timeout of 0.1 s, so the job ends" in done.stderr
        assert "in endless" in done.stderr
        assert CheckpointFlow(path).check_point() == {"x": 1}

    @pytest.mark.parametrize("timeout", [0, -1, True, float("inf"), float("nan"), 1e12, "10"])
    def test_what_it_cannot_be(self, flow, timeout):
        with pytest.raises(ValueError, match=r"timeout=.*: seconds, more than 0 and at most"):
            flow.add_step(timeout=timeout)


class TestSkipIf:
    def test_it_is_asked_each_time(self, flow):
        flow.add_step(skip_if=lambda state: state["skip"], load=lambda state: 1 / 0)(breaks)
        flow.add_step()(works)
        assert flow.run({"skip": True}) == {"skip": True, "checkpoint_index": 0, "worked": 1}
        with pytest.raises(ZeroDivisionError):
            flow.run({"skip": False})

    def test_its_error_is_one_of_the_step(self, path):
        flow = CheckpointFlow(path, quiet=True)
        flow.add_step()(works)
        flow.add_step(skip_if=lambda state: state["absent"], name="b")(works)
        with pytest.raises(KeyError):
            flow.run({})
        assert flow.check_point()["checkpoint_index"] == 1


class TestLoadPolicies:
    """Of two steps that load, the first is passed over."""

    def seen(self, path, policy, **options):
        flow = CheckpointFlow(path, quiet=True)
        flow.add_step(lambda state: {"x": 1}, name="a", **options)(lambda state, data: None)
        seen = []
        for name in "bc":
            load = {"y": 2} if name == "b" else {"z": 3}
            flow.add_step(lambda state, load=load: load, name=name)(
                lambda state, data: seen.append(set(data))
            )
        flow.run({}, policy)
        return seen

    @pytest.mark.parametrize(
        ("policy", "b", "c"),
        [("first only", "y", "y"), ("needed", "xy", "xyz"), ("always", "y", "yz")],
    )
    @pytest.mark.parametrize("options", [{"skip_if": lambda state: True}, {"depends": []}])
    def test_what_steps_behind_one_that_is_passed_over_see(self, path, policy, b, c, options):
        if "depends" in options:
            assert self.seen(path, "always", **options) == [{"x", "y"}, {"x", "y", "z"}]
        assert self.seen(path, policy, **options) == [set(b), set(c)]


class TestDepends:
    """A pipeline of mesh -> solve -> report."""

    def pipeline(self, path, ran, *, scale=1, keep=1):
        flow = CheckpointFlow(path, quiet=True, keep=keep)

        @flow.add_step(depends=["size"])
        def mesh(state, data):
            ran.append("mesh")
            state["mesh"] = list(range(state["size"]))

        @flow.add_step(depends=["mesh"], params={"scale": scale})
        def solve(state, data, scale):
            ran.append("solve")
            state["field"] = [scale * x for x in state["mesh"]]

        @flow.add_step()
        def report(state, data):
            ran.append("report")
            state["report"] = sum(state["field"])

        return flow

    def run(self, path, size, **options):
        ran = []
        return self.pipeline(path, ran, **options).run({"size": size})["report"], ran

    def test_steps_whose_inputs_did_not_change_are_passed_over(self, path):
        assert self.run(path, 4) == (6, ["mesh", "solve", "report"])
        for _ in range(3):  # also when the run before had passed them over
            assert self.run(path, 4) == (6, ["report"])
        assert self.run(path, 5) == (10, ["mesh", "solve", "report"])
        assert self.run(path, 5, scale=2) == (20, ["solve", "report"])

    def test_one_that_skip_if_passed_over_has_left_nothing(self, path):
        ran = []
        flow = CheckpointFlow(path, quiet=True)

        @flow.add_step(depends=[], skip_if=lambda state: state["skip"])
        def step(state, data):
            ran.append(state["skip"])
            state["y"] = 1

        assert "y" not in flow.run({"skip": True})
        assert flow.run({"skip": False})["y"] == 1
        assert flow.run({"skip": False})["y"] == 1
        assert ran == [False]

    @pytest.mark.parametrize("depends", ["mesh", [["mesh"]], 5])
    def test_what_it_cannot_be(self, flow, depends):
        with pytest.raises(TypeError, match=r"depends=.*: a list of names"):
            flow.add_step(depends=depends)


def test_why_tells_of_each_step(path, capfd):
    Pipeline(path, "abc", broken="b").breaks({})
    capfd.readouterr()
    Pipeline(path, "abc").run(why=True)
    said = capfd.readouterr().err
    assert f"{path}: run 1 goes on at step 1 'b': it failed there: " in said
    assert "BrokenError: b" in said
    assert "step 0 'a': passed over: it finished at 20" in said
    assert "step 1 'b': runs" in said


def test_a_failure_tells_the_command_that_goes_on(path):
    text = (
        "import sys\n"
        "from sauerkraut.flow import CheckpointFlow\n"
        "flow = CheckpointFlow(sys.argv[1])\n"
        "flow.add_step(name='broken')(lambda state, data: 1 / 0)\n"
        "flow.run({})\n"
    )
    script = path.with_name("script.py")
    script.write_text(text)
    done = run_python(script, path, check=False)
    assert "ZeroDivisionError" in done.stderr
    command = f"{sys.executable} {script} {path}"
    assert f"'broken' did not finish; the next run starts there: {command}" in done.stderr
