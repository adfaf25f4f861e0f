"""A flow inside of Checkpointer.run whose step polled, and has been mended since it was killed."""

import os

import pytest

from sauerkraut.storage import catalog
from tests.processes import run_python

PROGRAM = """
import os, signal, sys
import numpy as np
import sauerkraut as skt
from sauerkraut.flow import CheckpointFlow

flow = CheckpointFlow("steps")

@flow.add_step(load=lambda state: {"table": np.arange(50_000)})
def first(state, data):
    print("first")
    state["sum"] = int(data["table"][:5].sum())

@flow.add_step()
def second(state, data):
    print("second", state["sum"], len(data["table"]))
    turns(state, data)

def turns(state, data):
    for turn in range(6):
        state["sum"] += 1
        data["table"][turn] = -1
        print("turn", turn, flush=True)
        if isinstance(skt.current().checkpoint(), skt.Epoch) and "KILL" in os.environ and turn == 4:
            os.kill(os.getpid(), signal.SIGKILL)

@flow.add_step()
def third(state, data):
    print("third", state["sum"], int((data["table"] == -1).sum()))

def program(settings):
    prepared = ["prepared"]
    for _ in range(2):
        state = flow.run({})
    return prepared, state["sum"]

with skt.Checkpointer("ckpt", interval=None, keep=1) as ckpt:
    print(*ckpt.run(program, {}))
"""


@pytest.fixture
def run(tmp_path):
    """Run the program, edited; what it prints, what it says beside that, and its status."""

    def run(*edits, **environment):
        text = PROGRAM
        for then, now in edits:
            assert then in text
            text = text.replace(then, now)
        (tmp_path / "program.py").write_text(text)
        env = {**os.environ, **environment}
        done = run_python("program.py", cwd=tmp_path, env=env, check=False)
        return done.stdout.splitlines(), done.stderr, done.returncode

    return run


@pytest.fixture
def killed(run):
    said, _, status = run(KILL="1")
    assert status == -9
    assert said[-1] == "turn 4"


def epochs(tmp_path):
    return [each.name.number for each in catalog.committed(tmp_path / "ckpt")]


ONCE = ["second 10 50000", *(f"turn {turn}" for turn in range(6)), "third 16 6"]
END = [*ONCE, "first", *ONCE, "['prepared'] 16"]
MENDED = ("    turns(state, data)", "    turns(state, data or {})")


@pytest.mark.parametrize(
    "edit", [MENDED, ('state["sum"] += 1', 'state["sum"] += int(1)')], ids=["itself", "a callee"]
)
def test_it_begins_at_its_start_and_says_so(killed, run, tmp_path, edit):
    assert epochs(tmp_path) == [7, 2]
    said, told, _ = run(edit)
    assert said == END
    assert "has changed since the capture: step 1 'second' begins at its start, in epoch 2" in told
    assert "---" not in told


def test_so_it_does_when_it_is_killed_and_mended_again(killed, run, tmp_path):
    again = (MENDED[0], "    turns(state, data or dict())")
    for mended in (MENDED, again):
        assert run(mended, KILL="1")[0] == ONCE[:6]
        assert epochs(tmp_path)[1:] == [2]
    said, told, _ = run(again)
    assert said == END[6:]
    assert "begins at its start" not in told


NESTED = """def turns(state, data):
    inner = CheckpointFlow("inner", quiet=True)
    inner.add_step(name="before")(before)
    inner.add_step(name="inner")(inner_turns)
    state["sum"] = inner.run({"sum": state["sum"], "table": data["table"]})["sum"]

def before(state, data):
    print("before")
    data["table"] = state["table"]

def inner_turns(state, data):"""


@pytest.mark.parametrize(
    ("mended", "said"),
    [
        (MENDED, ["second 10 50000", "before"]),
        (("inner_turns(state, data):\n", "inner_turns(state, data):\n    state['m'] = 1\n"), []),
    ],
    ids=["the outer", "the inner"],
)
def test_a_step_that_runs_a_flow_of_its_own(run, mended, said):
    nested = ("def turns(state, data):", NESTED)
    assert run(nested, KILL="1")[2] == -9
    found, told, _ = run(nested, mended)
    assert found[: len(said) + 7] == [*said, *ONCE[1:]]
    assert f"step 1 '{'second' if said else 'inner'}' begins at its start" in told
    assert found[-1] == END[-1]


def test_until_it_has_polled_it_may_be_put_back(killed, run):
    fails = ('    print("second"', '    raise ValueError("of the mended one")\n    print("second"')
    _, told, status = run(fails)
    assert (status, "of the mended one" in told) == (1, True)
    assert run()[0] == END[6:]


def test_once_it_has_finished_nothing_more_is_kept(killed, run, tmp_path):
    leaves = ('    print("third"', '    os._exit(3)\n    print("third"')
    assert run(MENDED, leaves)[2] == 3
    assert len(epochs(tmp_path)) == 1


def test_another_function_around_it_is_refused(killed, run, tmp_path):
    _, told, status = run(MENDED, ('["prepared"]', '["otherwise"]'))
    assert status == 87
    assert "CodeChanged: restarting from epoch 7: __main__." in told
    assert epochs(tmp_path) == [7, 2]


def test_without_a_whole_epoch_of_its_start_it_is_refused(killed, run, tmp_path):
    shard = tmp_path / "ckpt" / "epoch-00000002" / "shard-00000.h5"
    shard.write_bytes(shard.read_bytes()[:-100])
    _, told, status = run(MENDED)
    assert status == 87
    assert "CodeChanged: restarting from epoch 7: __main__.second has changed" in told
    assert "-    turns(state, data)\n+    turns(state, data or {})" in told
    assert run()[0] == END[6:]
