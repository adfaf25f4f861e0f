"""What a run tells of itself, and what it leaves alone when it refuses."""

import pytest

from sauerkraut.errors import FlowError
from sauerkraut.flow import CheckpointFlow
from sauerkraut.flow.command import again
from sauerkraut.flow.record import Failure
from tests.unit.flow.pipelines import BrokenError


def test_the_command_that_starts_it_again(monkeypatch):
    monkeypatch.setattr("sys.orig_argv", ["python", "my program.py", "--from", "3"])
    monkeypatch.delenv("SLURM_STEP_NUM_TASKS", raising=False)
    assert again() == "python 'my program.py' --from 3"
    assert again(4) == "mpiexec -n 4 python 'my program.py' --from 3"
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    assert again(4).startswith("srun -n 4 python")


def test_a_syntax_error_is_told_by_what_it_is():
    with pytest.raises(SyntaxError) as raised:
        compile("a b", "f.py", "exec")
    assert Failure.of(0, "a", raised.value).error == "SyntaxError: invalid syntax (f.py, line 1)"
    assert Failure.of(0, "a", ValueError("one\ntwo")).error == "ValueError: one"


def test_a_run_that_is_refused_leaves_files_as_they_are(path, tmp_path):
    log = tmp_path / "log.txt"

    def flow(first, broken):
        flow = CheckpointFlow(path, quiet=True)
        flow.add_step(name="first")(first)

        @flow.add_step()
        def second(state, data):
            state["log"].write("second\n")
            state["log"].flush()
            if broken:
                raise BrokenError

        return flow

    def one(state, data):
        state["log"] = log.open("w")
        state["log"].write("one\n")
        state["log"].flush()

    def other(state, data):
        state["log"] = log.open("w")

    given = {}
    with pytest.raises(BrokenError):
        flow(one, broken=True).run(given)
    given["log"].close()
    assert log.read_text() == "one\nsecond\n"
    with pytest.raises(FlowError, match="or flow run --from 0, to go on from step 0 'first'"):
        flow(other, broken=False).run()
    assert log.read_text() == "one\nsecond\n"
    flow(one, broken=False).run()["log"].close()
    assert log.read_text() == "one\nsecond\n"


def test_a_key_that_a_step_removed_is_gone_when_it_is_passed_over(path):
    def run():
        flow = CheckpointFlow(path, quiet=True)
        ran = []

        @flow.add_step(depends=["x"])
        def step(state, data):
            ran.append(1)
            state["y"] = state["x"]
            del state["x"]

        return flow.run({"x": 1}), ran

    first, ran = run()
    assert ran
    again, ran = run()
    assert not ran
    assert again == first
