"""A flow inside of Checkpointer.run, on every rank: a step ends on all of them alike."""

import os
import types

import numpy as np
import pytest

import sauerkraut as skt
from sauerkraut.errors import FlowError, RankError
from sauerkraut.flow import CheckpointFlow

pytestmark = pytest.mark.mpi(ranks=(1, 2, 4))


class BrokenError(Exception):
    """What a step raises to fail."""


@pytest.fixture
def run(comm, shared_dir):
    """Run a function, or go on in it, under a Checkpointer of all ranks in ckpt."""

    def run(function, *args):
        with skt.Checkpointer(shared_dir / "ckpt", comm, interval=None, quiet=True) as ckpt:
            return ckpt.run(function, *args)

    return run


@pytest.fixture
def make(comm):
    """Flows of a, which adds what the rank is, and b, which polls and may fail; `ran` says."""

    def make(broken=(), polls=0, on_change="error", **options):
        flow = CheckpointFlow("nowhere", "hdf5", comm=comm, quiet=True, on_change=on_change)
        ran = []

        @flow.add_step()
        def a(state, data):
            ran.append("a")
            state["own"] = data["own"] = [comm.rank]

        @flow.add_step(**options)
        def b(state, data):
            ran.append("b")
            state["sum"] = comm.allreduce(data["own"][0])
            if comm.rank in broken and ran.count("b") == 1:
                raise BrokenError(f"on rank {comm.rank}")
            while polls is None and ran.count("b") == 1:
                skt.current().poll()
            for _ in range(polls or 0):
                skt.current().poll()
            assert state["own"] is data["own"]

        flow.ran = ran
        return flow

    return make


def test_an_error_on_one_rank_is_every_ranks_and_the_next_run_goes_on_there(make, run, comm):
    last = comm.size - 1
    with pytest.raises(BrokenError) as raised:
        run(make(broken=[last]).run, {})
    if comm.size > 1:
        assert isinstance(raised.value, RankError)
        assert str(raised.value) == f"step 1 'b': rank {last}: BrokenError: on rank {last}"
    flow = make()
    state = run(flow.run, {})
    assert flow.ran == ["b"]
    assert (state["own"], state["sum"]) == ([comm.rank], sum(range(comm.size)))


@pytest.mark.parametrize(
    "polls", [0, 5, None], ids=["at its end", "few polls", "polls without end"]
)
def test_all_ranks_try_again_when_one_has_failed(make, run, comm, polls):
    if polls is None and comm.size == 1:
        polls = 0
    flow = make([comm.size - 1], polls, retries=1)
    run(flow.run, {})
    assert flow.ran == ["a", "b", "b"]


def test_polls_go_on_together_after_a_try_that_failed(make, run, comm):
    flow = make([comm.size - 1], 200, retries=1)

    def program():
        for _ in range(50):
            skt.current().poll()
        flow.run({})
        for _ in range(200):
            skt.current().poll()
        return skt.current().checkpoint().number

    assert run(program) == 4


def test_ranks_that_poll_unequally_in_a_step_are_named(run, comm):
    flow, tries = CheckpointFlow("nowhere", quiet=True), []

    @flow.add_step(retries=1)
    def polls(state, data):
        tries.append(None)
        for _ in range(3 + comm.rank):
            skt.current().poll()

    if comm.size == 1:
        run(flow.run, {})
        return
    with pytest.raises(RankError, match=r"rank 0: end of a part in step 0 'polls' after 3 polls;"):
        run(flow.run, {})
    assert len(tries) == 1


def test_ranks_that_do_something_else_are_named(make, run, comm):
    if comm.size == 1:
        return
    flow = make()

    def program():
        if comm.rank == 0:
            flow.run({})
        while True:
            skt.current().poll()

    with pytest.raises(RankError, match=r"rank 0: end of a part in the flow after 0 polls; rank"):
        run(program)


def test_a_program_that_goes_on_after_ranks_that_disagree_runs_a_flow(make, run, comm):
    flow = make()

    def disagrees():
        if comm.rank == 0:
            flow.run({})
        while True:
            skt.current().poll()

    def program():
        if comm.size > 1:
            with pytest.raises(RankError, match="ranks disagree"):
                disagrees()
        return flow.run({})["sum"]

    assert run(program) == sum(range(comm.size))
    assert flow.ran == ["a", "b"]


def test_parameters_that_changed_on_one_rank_are_every_ranks(run, comm):
    def flow(broken, part, on_change):
        made, ran = CheckpointFlow("nowhere", quiet=True, on_change=on_change), []
        made.ran = ran

        @made.add_step(params={"part": part})
        def a(state, data, part):
            ran.append("a")
            state["part"] = comm.allgather(part)

        @made.add_step()
        def b(state, data):
            ran.append("b")
            if broken:
                raise BrokenError

        return made

    with pytest.raises(BrokenError):
        run(flow(True, comm.rank, "error").run, {})
    part = comm.rank + (comm.rank == comm.size - 1)
    now = flow(False, part, "error")
    with pytest.raises(FlowError, match="step 0 'a' has changed since it finished"):
        run(now.run, {})
    assert now.ran == []
    kept = flow(False, part, "keep")
    assert run(kept.run, {})["part"] == [*range(comm.size)]
    assert kept.ran == ["b"]


def test_a_step_whose_parameters_changed_on_one_rank_runs_again_on_all(make, run, comm):
    def flow(part):
        made = make(on_change="rerun")
        made._pipeline.steps.clear()

        @made.add_step()
        def first(state, data):
            made.ran.append("first")
            state["rows"] = [comm.rank]

        @made.add_step(params={"part": part})
        def second(state, data, part):
            made.ran.append("second")
            state["rows"].append(comm.allreduce(part))

        @made.add_step()
        def third(state, data):
            made.ran.append("third")
            if "BROKEN" in os.environ:
                raise BrokenError
            state["sum"] = comm.allreduce(sum(state["rows"]))

        return made

    os.environ["BROKEN"] = "1"
    with pytest.raises(BrokenError):
        run(flow(comm.rank).run, {})
    del os.environ["BROKEN"]
    now = flow(comm.rank + 100 * (comm.rank == comm.size - 1))
    ranks = sum(range(comm.size))
    assert run(now.run, {})["sum"] == ranks + comm.size * (ranks + 100)
    assert now.ran == ["second", "third"]


@pytest.mark.parametrize("on_change", ["error", "rerun"])
def test_a_step_that_polls_in_vain_ends_on_all_ranks(run, comm, on_change, capsys):
    def flow(by):
        made = CheckpointFlow("nowhere", quiet=True, on_change="rerun" if by == 1 else on_change)
        if by == 1:
            made.add_step(name="a")(lambda state, data: state.update(x=comm.rank))
        else:
            made.add_step(name="a")(lambda state, data: state.update(x=comm.rank + 100))

        @made.add_step()
        def b(state, data):
            skt.current().checkpoint()
            for _ in range(50):
                print("turn")
                if os.environ.pop("BROKEN", ""):
                    raise BrokenError
                skt.current().poll()
            state["sum"] = comm.allreduce(state["x"])

        return made.run

    os.environ["BROKEN"] = "1"
    with pytest.raises(BrokenError):
        run(flow(1), {})
    if on_change == "rerun" and comm.rank == comm.size - 1:
        os.environ["BROKEN"] = "1"  # in vain as well
    capsys.readouterr()
    if on_change == "error":
        with pytest.raises(FlowError, match="step 0 'a' has changed since it finished"):
            run(flow(2), {})
    else:
        assert run(flow(2), {})["sum"] == sum(range(comm.size)) + 100 * comm.size
    turns = capsys.readouterr().out.split().count("turn")
    assert turns < 10 if on_change == "error" else 50 < turns < 60


def turns(state, comm, broken):
    for turn in range(3):
        state["turns"].append(turn)
        state["sum"] += comm.allreduce(turn)
        if isinstance(skt.current().checkpoint(), skt.Epoch) and broken and turn == 1:
            raise BrokenError


def mended_turns(state, comm, broken):
    state["mended"] = comm.rank
    turns_as_they_were(state, comm, broken)


turns_as_they_were = types.FunctionType(turns.__code__, globals())


def test_a_step_that_was_mended_on_one_rank_begins_at_its_start_on_all(
    run, comm, monkeypatch, caplog
):
    def flow(broken):
        made, made.ran = CheckpointFlow("nowhere", quiet=True), []

        @made.add_step()
        def a(state, data):
            made.ran.append("a")
            state["sum"] = comm.rank
            data["own"] = np.full(20_000, comm.rank)

        @made.add_step()
        def b(state, data):
            state["turns"] = data["turns"] = []
            data["own"] += 1
            turns(state, comm, broken)
            assert (data["own"] == comm.rank + 1).all()

        return made

    with pytest.raises(BrokenError):
        run(flow(True).run, {})
    if comm.rank == comm.size - 1:
        monkeypatch.setattr(turns, "__code__", mended_turns.__code__)
    now = flow(False)
    state = run(now.run, {})
    assert now.ran == []
    assert state["turns"] == [0, 1, 2]
    assert state["sum"] == comm.rank + 3 * comm.size
    assert state.get("mended") == (comm.rank if comm.rank == comm.size - 1 else None)
    if comm.rank == 0:
        assert "has changed since the capture: step 1 'b' begins at its start" in caplog.text


class TestShared:
    @pytest.fixture
    def flow(self, comm):
        def flow(broken, unlike=None):
            made, ran = CheckpointFlow("nowhere", quiet=True, shared=["table", "total"]), []
            made.ran = ran

            @made.add_step()
            def a(state, data):
                ran.append("a")
                state["own"] = comm.rank
                state["total"] = comm.allreduce(comm.rank) + (comm.rank == unlike)

            @made.add_step()
            def b(state, data):
                ran.append("b")
                if broken:
                    raise BrokenError
                state["table"] = state["table"] + state["total"]

            return made

        return flow

    def test_every_rank_goes_on_with_its_own_and_what_is_shared(self, flow, run, comm):
        with pytest.raises(BrokenError):
            run(flow(True).run, {"table": np.arange(30_000)})
        now = flow(False)
        state = run(now.run, {"table": np.arange(30_000)})
        assert now.ran == ["b"]
        assert state["own"] == comm.rank
        assert (state["table"] == np.arange(30_000) + sum(range(comm.size))).all()

    def test_a_step_that_makes_it_differ_is_refused_and_runs_again(self, flow, run, comm):
        if comm.size == 1:
            return
        last = comm.size - 1
        said = rf"state\['total'\] is shared, and differs on rank {last} from that on rank 0"
        with pytest.raises(FlowError, match=said):
            run(flow(False, last).run, {"table": 1})
        now = flow(False)
        assert run(now.run, {"table": 1})["table"] == 1 + sum(range(comm.size))
        assert now.ran == ["a", "b"]


def test_steps_whose_inputs_did_not_change_on_any_rank_are_passed_over(run, comm):
    flow, ran = CheckpointFlow("nowhere", quiet=True), []

    @flow.add_step(depends=["size"])
    def mesh(state, data):
        ran.append(state["size"])
        state["mesh"] = comm.allreduce(state["size"]), comm.rank

    def program():
        found = []
        for turn in (0, 0, 1):
            size = 5 + turn * (comm.rank == comm.size - 1)
            found.append(flow.run({"size": size})["mesh"])
        return found

    same = 5 * comm.size
    assert run(program) == [(same, comm.rank), (same, comm.rank), (same + 1, comm.rank)]
    assert len(ran) == 2


def test_other_ranks_than_the_runs_are_refused(run, comm):
    flow = CheckpointFlow("nowhere", handler="hdf5", comm=comm.Split(comm.rank), quiet=True)
    flow.add_step(name="a")(lambda state, data: None)
    if comm.size == 1:
        assert run(flow.run, {}) == {"checkpoint_index": 0}
        return
    with pytest.raises(FlowError, match=f"the flow has 1 ranks, and the run {comm.size}"):
        run(flow.run, {})


def test_what_differs_between_ranks_is_refused(run, comm):
    flow = CheckpointFlow("nowhere", quiet=True)
    flow.add_step(name="a", skip_if=lambda state: comm.rank == 1)(lambda state, data: None)
    if comm.size == 1:
        return
    with pytest.raises(RankError, match="skip_if of step 0 'a' must be the same on every rank"):
        run(flow.run, {})
