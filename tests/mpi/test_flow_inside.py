"""A flow inside of Checkpointer.run, on every rank: a step ends on all of them alike."""

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

    def make(broken=(), polls=0, **options):
        flow, ran = CheckpointFlow("nowhere", "hdf5", comm=comm, quiet=True), []

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
