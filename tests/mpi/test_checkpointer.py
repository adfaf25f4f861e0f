"""The Checkpointer on every rank: what is agreed, what it costs in calls of MPI."""

import hashlib
import os
import sys
from collections import Counter

import numpy as np
import pytest

import sauerkraut as skt
from sauerkraut.errors import ArgumentsChanged, CaptureError, CorruptCheckpoint, RankError

pytestmark = pytest.mark.mpi(ranks=(1, 2, 4))


class CrashError(Exception):
    """What ends a run in the middle."""


LOCAL = {"Iprobe"}  # looks for what arrived, while a wait takes long


class Counting:
    """A communicator that counts the communication on its duplicates."""

    def __init__(self, comm, calls):
        self._comm, self._calls = comm, calls

    def Dup(self):  # noqa: N802 - as mpi4py names it
        return Counting(self._comm.Dup(), self._calls)

    def __getattr__(self, name):
        self._calls[name] += name not in LOCAL
        return getattr(self._comm, name)


@pytest.fixture
def make(comm, shared_dir):
    made = []

    def make(on=comm, **options):
        options = {"interval": None, "quiet": True, **options}
        made.append(skt.Checkpointer(shared_dir / "ckpt", on, **options))
        return made[-1]

    yield make
    for each in made:
        each._job.meeting.end()


def crash(make, fn, *args, **options):
    with pytest.raises(CrashError):
        make(**options).run(fn, *args)


def once(rank, data):
    data += rank
    if isinstance(skt.current().checkpoint(), skt.Epoch):
        raise CrashError
    return data * 2


def test_every_rank_comes_back_with_its_own_state(make, comm):
    crash(make, once, comm.rank, np.ones(3))
    data = np.ones(3)
    value = make().run(once, comm.rank, data)
    assert value.tolist() == [2 * (1 + comm.rank)] * 3
    assert data.tolist() == [1 + comm.rank] * 3


def test_large_arrays_come_back(make, comm):
    crash(make, once, comm.rank, np.arange(50_000.0))
    value = make().run(once, comm.rank, np.zeros(50_000))
    assert np.array_equal(value, 2 * (np.arange(50_000.0) + comm.rank))


def checkpointed():
    if isinstance(skt.current().checkpoint(), skt.Epoch):
        raise CrashError


def leads():
    checkpointed()
    return "leads"


def follows():
    checkpointed()
    return "follows"


def test_ranks_may_run_functions_of_their_own_but_no_others_after_that(make, comm):
    own, other = (follows, leads) if comm.rank else (leads, follows)
    crash(make, own)
    with pytest.raises(ArgumentsChanged, match="give each run a directory of its own"):
        make().run(other)
    assert make().run(own) == own.__name__


def stuck(rank, at):
    mine = hashlib.sha256() if rank == at else None
    try:
        skt.current().checkpoint()
    except CaptureError as error:
        text = str(error)
    del mine
    return text, skt.current().checkpoint().number


def test_one_rank_that_cannot_be_captured_fails_all_and_nothing_is_lost(make, comm):
    last = comm.size - 1
    text, number = make().run(stuck, comm.rank, last)
    assert "local 'mine'" in text
    assert (comm.size == 1) or f"rank {last}: " in text
    assert comm.allgather(text) == [text] * comm.size
    assert number == 1


def refused_at_poll(rank, at):
    mine = hashlib.sha256() if rank == at else None
    for step in range(10):
        try:
            skt.current().poll(step)
        except CaptureError as error:
            return step, isinstance(error, RankError), mine is None
    return None


def test_the_rehearsal_of_one_rank_refuses_on_all_at_poll_2(make, comm):
    value = make().run(refused_at_poll, comm.rank, comm.size - 1)
    assert value[:2] == (1, True)


def polling(calls, polls):
    """The calls of MPI in each poll."""
    found = []
    for step in range(polls):
        before = calls.copy()
        skt.current().poll(step)
        found.append(calls - before)
    return found


def test_mpi_calls_are_counted(make, comm, monkeypatch):
    calls = Counter()
    ckpt = make(on=Counting(comm, calls), rehearse=False)

    per_poll = ckpt.run(polling, calls, 1000)

    posts = [poll for poll, made in enumerate(per_poll, 1) if made["Iallreduce"]]
    assert posts[:3] == [1, 2, 4]
    for poll, made in enumerate(per_poll, 1):
        if poll in posts:
            assert made == {"Iallreduce": 1}
        else:
            assert made == {}, poll
    assert 4 <= len(posts) < 1000


def two_checkpoints(calls):
    skt.current().checkpoint()
    before = calls.copy()
    skt.current().checkpoint()
    return calls - before


def test_a_checkpoint_is_a_fixed_number_of_calls(make, comm):
    calls = Counter()
    made = make(on=Counting(comm, calls)).run(two_checkpoints, calls)
    # opening and closing; captured, sealed; attempt, committed, pruned
    assert made == {"Iallreduce": 2, "Iallgather": 2, "Iallgatherv": 2, "Ibcast": 6}


def test_a_damaged_shard_of_one_rank_falls_back_on_all(make, comm, shared_dir, caplog):
    crash(make, twice, comm.rank)
    comm.barrier()
    if comm.rank == 0:
        shard = shared_dir / "ckpt" / "epoch-00000002" / f"shard-{comm.size - 1:05d}.h5"
        data = bytearray(shard.read_bytes())
        data[-100] ^= 1
        shard.write_bytes(data)
    comm.barrier()
    with pytest.raises(CrashError):
        make().run(twice, comm.rank)
    if comm.rank == 0:
        assert "set aside as epoch-00000002.damaged-" in caplog.text
        assert len(list((shared_dir / "ckpt").glob("epoch-00000002.damaged-*"))) == 1
        # it went on after the first checkpoint and took the second one again, as the third
        assert (shared_dir / "ckpt" / "epoch-00000003").is_dir()


def twice(rank):
    skt.current().checkpoint()
    skt.current().checkpoint()
    raise CrashError


def test_no_whole_epoch_is_refused_on_all(make, comm, shared_dir):
    crash(make, once, comm.rank, np.ones(3))
    comm.barrier()
    if comm.rank == 0:
        (shared_dir / "ckpt" / "epoch-00000001" / "manifest.h5").write_bytes(b"")
    comm.barrier()
    with pytest.raises(CorruptCheckpoint) as raised:
        make().run(once, comm.rank, np.ones(3))
    assert isinstance(raised.value, RankError)


def uses(comm):
    ranks = comm.allgather(comm.rank)
    if isinstance(skt.current().checkpoint(), skt.Epoch):
        raise CrashError
    return ranks == comm.allgather(comm.rank)


def test_the_communicator_given_to_it_comes_back_where_frames_use_it(make, comm):
    crash(make, uses, comm)
    assert make().run(uses, comm) is True


def test_providers_must_be_the_same_on_every_rank(make, comm):
    ckpt = make()
    if comm.rank == 0:
        ckpt.provide("mesh", dict, lambda data: None)
    if comm.size > 1:
        with pytest.raises(RankError, match="mesh"):
            ckpt.run(int, "3")
    else:
        assert ckpt.run(int, "3") == 3


def test_fresh_must_be_the_same_on_every_rank_and_nothing_is_set_aside(make, comm, shared_dir):
    make().run(int, "3")
    before = sorted(path.name for path in (shared_dir / "ckpt").glob("epoch-*"))
    if comm.size > 1:
        with pytest.raises(RankError, match="fresh must be the same"):
            make().run(int, "3", fresh=comm.rank == 0)
        assert sorted(path.name for path in (shared_dir / "ckpt").glob("epoch-*")) == before


def test_functions_of_a_restart_must_be_as_many_on_every_rank(make, comm):
    ckpt = make()
    if comm.rank == 0:
        ckpt.on_restart(print)
    if comm.size > 1:
        with pytest.raises(RankError, match="on_restart"):
            ckpt.run(int, "3")


def leaves(rank):
    if rank == 0:
        return "left"
    return [skt.current().poll(step) for step in range(20)]


def test_a_rank_that_leaves_early_ends_consensus_and_all_end_together(make, comm, shared_dir):
    value = make().run(leaves, comm.rank)
    assert value == ("left" if comm.rank == 0 else [None] * 20)
    comm.barrier()
    assert (shared_dir / "ckpt" / "COMPLETE").exists()


def test_errors_of_all_ranks_propagate_each_its_own(make, comm):
    def fail():
        raise CrashError(f"rank {comm.rank}")

    with pytest.raises(CrashError, match=f"rank {comm.rank}"):
        make().run(fail)
    assert make().run(int, "3") == 3


def test_a_fresh_start_that_not_all_ask_for_removes_nothing(make, comm, shared_dir):
    make().run(int, "3")
    names = sorted(path.name for path in (shared_dir / "ckpt").glob("epoch-*"))
    if comm.size > 1:
        with pytest.raises(RankError, match="fresh must be the same on every rank"):
            make().run(int, "3", fresh=comm.rank == 0)
    assert sorted(path.name for path in (shared_dir / "ckpt").glob("epoch-*")) == names


@pytest.mark.parametrize("option", [{"on_failure": "raise"}, {"keep": 3}, {"interval": 7}])
def test_an_option_must_be_the_same_on_every_rank(make, comm, option):
    name = next(iter(option))
    if comm.size > 1:
        with pytest.raises(RankError, match=f"{name} must be the same on every rank") as raised:
            make(**(option if comm.rank == 1 else {}))
        assert f"{option[name]!r} on rank 1" in str(raised.value).replace("7.0", "7")


def test_a_directory_must_be_the_same_on_every_rank_and_nothing_is_made(comm, shared_dir):
    if comm.size > 1:
        directory = shared_dir / ("elsewhere" if comm.rank else "ckpt")
        with pytest.raises(RankError) as raised:
            skt.Checkpointer(directory, comm)
        assert f"{shared_dir / 'ckpt'} on rank 0" in str(raised.value)
        assert f"{shared_dir / 'elsewhere'} on rank 1" in str(raised.value)
        assert list(shared_dir.iterdir()) == []


def test_checkpointers_closed_in_unlike_order_are_named_on_all(comm, shared_dir):
    one, two = (skt.Checkpointer(shared_dir / name, comm) for name in ("one", "two"))
    if comm.size > 1:
        with pytest.raises(RankError) as raised:
            (two if comm.rank == 1 else one).close()
        assert "close or end of program in Checkpointer 1 (one)" in str(raised.value)
        assert "rank 1: close or end of program in Checkpointer 2 (two)" in str(raised.value)
    two.close()
    one.close()


def test_running_one_while_others_close_another_is_named_on_all(comm, shared_dir):
    one, two = (skt.Checkpointer(shared_dir / name, comm) for name in ("one", "two"))
    if comm.size > 1:
        with pytest.raises(RankError, match=r"rank 1: run in Checkpointer 2 \(two\)"):
            two.run(int, "3") if comm.rank == 1 else one.close()
    one.close()
    two.close()


def test_an_error_in_a_forked_child_ends_the_child_alone(make, comm):
    make()
    child = os.fork()
    if child == 0:
        error = ArithmeticError("of the child")
        sys.excepthook(type(error), error, None)  # as at the end of a program
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert comm.allreduce(1) == comm.size


def test_an_interrupt_of_one_rank_at_a_checkpoint_ends_the_run_on_all(make, comm):
    gathered = []

    def gather():
        gathered.append(comm.rank)
        if len(gathered) > 3 and comm.rank == comm.size - 1:  # one of them is the rehearsal
            raise KeyboardInterrupt
        return {}

    def work():
        while True:
            skt.current().poll()

    checkpointer = make(interval=1e-9, on_failure="warn")
    checkpointer.provide("mesh", gather, lambda data: None)
    with pytest.raises(KeyboardInterrupt if comm.rank == comm.size - 1 else RankError):
        checkpointer.run(work)
    assert checkpointer.last.number == 2
