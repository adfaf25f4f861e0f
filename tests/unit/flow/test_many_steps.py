"""A commit costs as much in a pipeline of hundreds of steps as in one of ten."""

import dataclasses

import pytest

from sauerkraut.flow import journal
from sauerkraut.storage import Trust
from tests.unit.flow.pipelines import Pipeline

STEPS = 100
NAMES = [f"step {number}" for number in range(STEPS)]


def pipeline(path, broken=None):
    """One whose steps leave the number of the last one, so that all states are of one size."""
    flow = Pipeline(path, ())
    for name in NAMES:
        flow.add(name, fails=name == broken)
    flow.flow._pipeline.steps[:] = [
        step_of_constant_state(flow, each) for each in flow.flow._pipeline.steps
    ]
    return flow


def step_of_constant_state(flow, step):
    inner = step.function

    def function(state, data):
        inner({}, data)
        state["last"] = step.name

    return dataclasses.replace(step, function=function)


def frames(path):
    return [each for each in journal.read(path, Trust()).frames if each.parts]


@pytest.fixture
def stored(path):
    """All but the last thirty have finished; what each saw is stored."""
    pipeline(path, broken="step 70").breaks({})
    return path


def test_each_tells_only_what_changed(stored):
    sizes = sorted(each.nbytes for each in frames(stored))
    assert len(sizes) == 71
    assert sizes[-1] > 8_000  # those that tell of all steps
    assert sum(size > 2000 for size in sizes) < 8
    assert sum(sizes) < 71 * 2000


def test_all_of_it_is_known_by_the_next_run(stored):
    record = pipeline(stored).flow.newest()
    assert [each.name for each in record.steps] == NAMES
    assert [each.when is not None for each in record.steps] == [True] * 70 + [False] * 30
    flow = pipeline(stored)
    flow.run()
    assert flow.ran == NAMES[70:]
    assert len(flow.flow.newest().steps) == STEPS
    again = pipeline(stored)
    again.run(checkpoint=80)  # written anew, with what of the run before is kept
    assert again.ran == NAMES[80:]
    assert [each.record["index"] for each in frames(stored)][:3] == [0, 1, 2]
    assert {len(each.lines) for each in frames(stored)} == {STEPS}


def test_damage_falls_back_to_a_state_before_it(stored, caplog):
    """Those that tell less than all go with the last one that tells all."""
    found = frames(stored)
    damaged = max(index for index, each in enumerate(found) if each.nbytes > 8000)
    assert damaged > 5
    content = bytearray(stored.read_bytes())
    content[found[damaged].start + 9] ^= 1
    stored.write_bytes(content)
    flow = pipeline(stored)
    flow.run()
    assert flow.ran == NAMES[damaged - 1 :]
    assert "bytes are no whole record" in caplog.text
