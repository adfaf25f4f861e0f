"""CheckpointFlow on every rank: steps commit on all ranks or on none."""

import numpy as np
import pytest

import sauerkraut as skt
from sauerkraut.errors import FlowError, RankError, WorldSizeMismatch
from sauerkraut.flow import CheckpointFlow, watchdog

pytestmark = pytest.mark.mpi(ranks=(1, 2, 4))


class BrokenError(Exception):
    """What a step raises to fail."""


class UnspeakableError(Exception):
    """One whose text cannot be had."""

    def __str__(self):
        raise RuntimeError("no text")


@pytest.fixture
def make(comm, shared_dir):
    """Flows over the ranks: a, which adds what the rank is, b, and c, which says what it saw."""

    def make(broken=(), options=None, on=comm, error=None, path="ckpt", **settings):
        flow = CheckpointFlow(shared_dir / path, handler="hdf5", comm=on, quiet=True, **settings)
        ran = []
        flow.ran = ran

        @flow.add_step()
        def a(state, data):
            ran.append("a")
            state["own"] = np.full(20_000, comm.rank)
            state["total"] = comm.allreduce(comm.rank)

        @flow.add_step(**(options or {}))
        def b(state, data, **params):
            ran.append("b")
            if comm.rank in broken:
                if error is not None:
                    raise error
                raise BrokenError(f"on rank {comm.rank}")

        @flow.add_step()
        def c(state, data):
            ran.append("c")
            state["sum"] = comm.allreduce(int(state["own"][0]))

        return flow

    return make


def test_each_rank_has_its_own_state_and_goes_on_with_it(make, comm):
    with pytest.raises(BrokenError):
        make(broken=range(comm.size)).run({"given": comm.rank})
    flow = make()
    state = flow.run()
    assert flow.ran == ["b", "c"]
    assert state["given"] == comm.rank
    assert (state["own"] == comm.rank).all()
    assert state["sum"] == state["total"] == sum(range(comm.size))
    again = make()
    again.run({})
    assert again.ran == ["a", "b", "c"]


def test_an_error_on_one_rank_is_every_ranks_and_nothing_is_committed(make, comm):
    last = comm.size - 1
    flow = make(broken=[last])
    with pytest.raises(BrokenError) as raised:
        flow.run({})
    if comm.size > 1:
        assert isinstance(raised.value, RankError)
        assert str(raised.value) == (f"step 1 'b': rank {last}: BrokenError: on rank {last}")
        assert raised.value.failures == {last: f"BrokenError: on rank {last}"}
    assert flow.check_point()["checkpoint_index"] == 1
    assert flow.newest().index == 1
    told = flow._alone.store.read().failure
    assert told.name == "b"
    assert 'raise BrokenError(f"on rank {comm.rank}")' in told.traceback


def test_a_run_is_left_once_and_so_is_the_next(make, comm, monkeypatch):
    flow = make(broken=range(comm.size))
    left = []
    leaving = flow._alone.ranks._leaving
    begin = leaving.begin_consensus
    monkeypatch.setattr(
        leaving, "begin_consensus", lambda record: left.append(record) or begin(record)
    )
    for times in (1, 2):
        with pytest.raises(BrokenError):
            flow.run({})
        assert len(left) == (times if comm.size > 1 else 0)


def test_all_ranks_try_again_when_one_has_failed(make, comm):
    broken = [comm.size - 1]
    flow = make(broken, {"retries": 1, "skip_if": lambda state: False})
    with pytest.raises(BrokenError):
        flow.run({})
    assert flow.ran == ["a", "b", "b"]


def test_an_error_whose_text_cannot_be_had_is_every_ranks_as_well(make, comm):
    with pytest.raises(UnspeakableError):
        make(broken=[comm.size - 1], error=UnspeakableError()).run({})


def test_what_ends_a_program_ends_it_on_its_rank_as_it_would_alone(make, comm):
    with pytest.raises(SystemExit) as left:
        make(broken=range(comm.size), error=SystemExit(3)).run({})
    assert left.value.code == 3
    last = comm.size - 1
    flow = make([last], {"retries": 1}, error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt if comm.rank == last else RankError):
        flow.run()
    assert flow.ran == ["b"]


@pytest.mark.parametrize("on_change", ["error", "rerun"])
def test_parameters_may_be_each_ranks_own(make, comm, on_change):
    def flow(broken, part):
        made = make(options={"params": {"part": part}}, on_change=on_change)
        made.add_step(name="d")(lambda state, data: 1 / (not broken))
        return made

    with pytest.raises(ZeroDivisionError):
        flow(broken=True, part=comm.rank).run({})
    same = flow(broken=False, part=comm.rank)
    same.run()
    assert same.ran == []
    with pytest.raises(ZeroDivisionError):
        flow(broken=True, part=comm.rank).run({})
    other = flow(broken=False, part=comm.rank + (comm.rank == comm.size - 1))
    if on_change == "error":
        with pytest.raises(FlowError, match="step 1 'b' has changed since it finished"):
            other.run()
    else:
        other.run()
        assert other.ran == ["b", "c"]


def test_a_poll_ends_a_step_whose_time_is_over_on_one_rank(comm, shared_dir, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(watchdog, "monotonic", lambda: clock[0])
    flow = CheckpointFlow(shared_dir / "ckpt", handler="hdf5", comm=comm, quiet=True)
    turns = []

    @flow.add_step(interval="1h", timeout=100)
    def polls(state, data):
        for turn in range(1000):
            turns.append(turn)
            if turn == 3 and comm.rank == comm.size - 1:
                clock[0] += 101.5
            skt.current().poll()

    with pytest.raises(TimeoutError, match=r"'polls' took 101\.5 s, its timeout is 100 s"):
        flow.run({})
    assert comm.allgather(turns[-1]) == [turns[-1]] * comm.size
    assert turns[-1] < 20


def test_from_a_step(make, comm):
    make().run({"given": comm.rank})
    flow = make()
    assert flow.run(checkpoint=1)["given"] == comm.rank
    assert flow.ran == ["b", "c"]


def test_what_differs_between_ranks_is_refused(make, comm):
    if comm.size == 1:
        return
    with pytest.raises(RankError, match="checkpoint must be the same on every rank"):
        make().run({}, checkpoint=comm.rank % 2)
    with pytest.raises(TypeError, match="rank 0"):
        make().run([] if comm.rank == 0 else {})
    with pytest.raises(RankError, match="retries of step 1 'b' must be the same on every rank"):
        make(options={"retries": comm.rank % 2}).run({})
    with pytest.raises(RankError, match="keep must be the same on every rank"):
        make(keep=1 + comm.rank % 2).run({})
    with pytest.raises(RankError, match="state_path must be the same on every rank"):
        make(path=f"ckpt{comm.rank % 2}").run({})
    with pytest.raises(RankError, match="skip_if of step 1 'b' must be the same on every rank"):
        make(options={"skip_if": lambda state: comm.rank > 0}).run({})


class TestShared:
    def test_it_is_stored_once_and_read_by_all(self, make, comm):
        with pytest.raises(BrokenError):
            make(range(comm.size), shared=["table", "total"]).run(
                {"table": np.arange(30_000), "own": comm.rank}
            )
        state = make(shared=["table", "total"]).run()
        assert (state["table"] == np.arange(30_000)).all()
        assert state["sum"] == state["total"]

    def test_other_values_on_a_rank_are_refused(self, make, comm):
        if comm.size == 1:
            return
        last = comm.size - 1
        with pytest.raises(
            FlowError, match=rf"state\['x'\] is shared, and differs on rank {last} "
        ):
            make(shared=["x"]).run({"x": comm.rank // last})

    def test_equal_values_that_are_written_differently_are_not(self, make, comm):
        text = "x" * (3 + comm.size)
        value = [text, text] if comm.rank == 0 else [text, f"{text} "[:-1]]
        assert make(shared=["x"]).run({"x": value})["x"] == value


def test_another_number_of_ranks_is_refused(make, comm):
    if comm.size == 1:
        return
    if comm.rank == 0:
        flow = make(on=None)
        flow._pipeline.steps[:] = flow._pipeline.steps[1:2]  # b, which speaks to nobody
        flow.add_step()(stops)
        with pytest.raises(BrokenError):
            flow.run({})
    comm.barrier()
    flow = make()
    flow._pipeline.steps[:] = flow._pipeline.steps[1:2]
    flow.add_step()(stops)
    with pytest.raises(WorldSizeMismatch, match=f"1 rank wrote .*, this job has {comm.size}"):
        flow.run()


def stops(state, data):
    raise BrokenError


def test_one_file_is_for_one_process(comm, shared_dir):
    if comm.size > 1:
        with pytest.raises(ValueError, match="handler='local' stores one state"):
            CheckpointFlow(shared_dir / "checkpoint.pkl", comm=comm)
