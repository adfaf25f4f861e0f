"""Handler "local" writes a large array that no step changes once."""

import os
import shutil

import numpy as np
import pytest

from sauerkraut.errors import CorruptCheckpoint
from sauerkraut.flow import CheckpointFlow, LocalStateHandler, journal
from sauerkraut.flow.appending import Writer, replace
from sauerkraut.storage import Trust
from sauerkraut.storage.disk import File
from tests.unit.flow.journals import damage, frames
from tests.unit.flow.pipelines import BrokenError

NBYTES = 1 << 20


def pipeline(path, **options):
    flow = CheckpointFlow(path, quiet=True, **options)

    @flow.add_step()
    def load(state, data):
        state["table"] = np.arange(NBYTES // 8)
        state["field"] = np.arange(NBYTES // 8) * 0.5

    @flow.add_step()
    def count(state, data):
        state["count"] = 1

    @flow.add_step()
    def grow(state, data):
        state["field"] += 1
        state["count"] += 1

    @flow.add_step()
    def finish(state, data):
        state["count"] += 1

    return flow


def check(state, count, more):
    assert state.get("count", 0) == count
    assert (state["table"] == np.arange(NBYTES // 8)).all()
    assert (state["field"] == np.arange(NBYTES // 8) * 0.5 + more).all()


def check_all(path):
    """Run again from the step before each commit."""
    for index, (count, more) in enumerate([(3, 1), (3, 1), (3, 1)], 1):
        again = path.with_name(f"again-{index}")
        shutil.copy(path, again)
        check(pipeline(again).run(checkpoint=index), count, more)


def test_each_state_comes_back(path):
    check(pipeline(path).run({"x": 1}), 3, 1)
    assert path.stat().st_size < 3.2 * NBYTES  # a table, and two fields
    states = [each for each in frames(path) if each.parts]
    assert [sum(part.earlier for part in each.parts) for each in states] == [0, 0, 2, 1, 2]
    check_all(path)


def test_a_state_that_was_read_is_one_s_own(path):
    pipeline(path).run({"x": 1})
    state = LocalStateHandler(path).read()
    state["table"][:] = 0
    check(LocalStateHandler(path).read(), 3, 1)


def test_the_next_run_takes_them_along(path):
    pipeline(path, keep=1).run({"x": 1})
    for _ in range(3):
        check(pipeline(path, keep=1).run({"x": 1}), 3, 1)
        assert path.stat().st_size < 6.5 * NBYTES
    check_all(path)


def test_a_run_that_broke_goes_on_from_them(path):
    flow = pipeline(path)

    @flow.add_step()
    def breaks(state, data):
        raise BrokenError

    with pytest.raises(BrokenError):
        flow.run({"x": 1})
    size = path.stat().st_size
    flow = pipeline(path)

    @flow.add_step(name="breaks")
    def is_mended(state, data):
        state["count"] += 1

    check(flow.run(), 4, 1)
    assert path.stat().st_size < size + NBYTES // 4


def test_they_stay_when_the_state_that_had_them_goes(path):
    large, other = os.urandom(NBYTES), os.urandom(NBYTES)
    given = [[large, b"a"], [large, other], [b"", large, other], [other, large]]
    with File.create(path, 0o600) as file:
        writer = Writer(file, 0, Trust())
        for number, parts in enumerate(given):
            writer.commit({"number": number}, [b"line"] * 3, parts)
    for kept in ([1, 2, 3], [2, 3], [3]):
        before = frames(path)
        chosen = [each for each in before if each.record["number"] in kept]
        replace(path, chosen, {"number": 9}, [], [large], Trust())
        with File.open(path) as file:
            found = {
                each.record["number"]: list(map(bytes, journal.read_parts(file, each, Trust())))
                for each in frames(path)
            }
        assert found == {number: given[number] for number in kept} | {9: [large]}
        assert path.stat().st_size < 2.1 * NBYTES


def test_damage_is_found_in_every_state_that_has_it(path, caplog):
    pipeline(path).run({"x": 1})
    states = [each for each in frames(path) if each.parts]
    table = next(part for part in states[1].parts if part.nbytes == NBYTES)
    assert [part.offset for part in states[-1].parts].count(table.offset) == 1
    damage(path, table.offset + 5)
    with pytest.raises(CorruptCheckpoint, match="is damaged"):
        LocalStateHandler(path).read()
    check(pipeline(path).run({"x": 1}), 3, 1)


def test_with_a_key(path, tmp_path, monkeypatch):
    key = tmp_path / "key"
    key.write_bytes(os.urandom(32))
    key.chmod(0o600)
    monkeypatch.setenv("SAUERKRAUT_KEY_FILE", str(key))
    check(pipeline(path).run({"x": 1}), 3, 1)
    assert path.stat().st_size < 3.2 * NBYTES
    check_all(path)
