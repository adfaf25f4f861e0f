"""A communicator as a Group."""

import time
from errno import EACCES, ENOENT
from pathlib import Path

import pytest
from mpi4py import MPI

from sauerkraut import RankError
from sauerkraut import group as groups
from sauerkraut.mpi import watch
from sauerkraut.settings import Settings
from sauerkraut.storage import Process

pytestmark = pytest.mark.mpi(ranks=(1, 2, 4))


@pytest.fixture
def group(comm):
    made = groups.of(comm)
    yield made
    made.close()


def test_rank_and_size_are_those_of_the_communicator(group, comm):
    assert (group.rank, group.size) == (comm.rank, comm.size)


def test_values_of_any_size_are_gathered_in_rank_order(group):
    values = group.allgather({"rank": group.rank, "data": b"x" * (100_000 * group.rank)})
    assert [len(value["data"]) for value in values] == [100_000 * r for r in range(group.size)]
    assert [value["rank"] for value in values] == list(range(group.size))


def test_a_value_is_broadcast_from_any_rank(group):
    for root in range(group.size):
        assert group.bcast(("from", group.rank), root) == ("from", root)


def test_a_consensus_is_the_largest_of_each_field(group):
    pending = group.begin_consensus([group.rank, -group.rank, 2**62, -(2**63) + 1])
    assert pending.wait() == [group.size - 1, 0, 2**62, -(2**63) + 1]
    assert pending.wait() == [group.size - 1, 0, 2**62, -(2**63) + 1]


def test_waiting_for_a_late_rank_ends_at_the_timeout_and_can_go_on(group, comm):
    late = comm.size - 1
    if comm.rank == late:  # it comes when all others have waited
        for _ in range(late):
            comm.recv(source=MPI.ANY_SOURCE)
    pending = group.begin_consensus([comm.rank])
    if comm.rank != late:
        with pytest.raises(TimeoutError):
            pending.wait(timeout=0.05)
        comm.send(None, dest=late)
    assert pending.wait() == [late]


def test_its_traffic_is_apart_from_the_communicators(group, comm):
    if comm.size == 1:
        return
    neighbour = (comm.rank + 1) % comm.size
    request = comm.isend("mine", dest=neighbour, tag=1)
    group.barrier()
    assert group.allgather(comm.rank) == list(range(comm.size))
    assert comm.recv(source=(comm.rank - 1) % comm.size, tag=1) == "mine"
    request.wait()


def test_a_long_wait_names_the_missing_rank_and_where_the_others_are(comm, capfd):
    group = groups.of(comm, Settings(patience=0.2))
    late = comm.size - 1
    if comm.size > 1 and comm.rank == late:
        time.sleep(2.0)
    group.where = f"poll 7 in relax (heat2d.py:{comm.rank})"
    group.barrier()
    said = "".join(comm.allgather(capfd.readouterr().err))
    if comm.size > 1:
        assert f"missing ranks: {late}; waiting: rank 0 at poll 7 in relax (heat2d.py:0)" in said
        assert said.count("missing ranks") == 1
    group.close()


def threads():
    return len(list(Path("/proc/self/task").iterdir()))


def test_groups_of_the_same_ranks_have_one_thread_however_many_stay_open(comm):
    made = [groups.of(comm)]  # a group of another test may have its thread already
    before = threads()
    made += [groups.of(comm) for _ in range(3)]
    assert threads() == before
    for each in made[1:]:
        each.close()
        each.close()
    comm.Barrier()  # while frames are begun or ended `stacks` may see an invalid one
    told = made[0].stacks()  # of the ranks that stand alike together
    comm.Barrier()
    assert ("in test_groups_of_the_same_ranks" in told) == (comm.size > 1)
    assert "no answer" not in told
    assert threads() == before
    made[0].close()
    assert threads() <= before


def test_a_rank_that_cannot_tell_where_it_is_holds_up_none(comm, monkeypatch):
    if comm.size == 1:
        return
    others = comm.Split(0, -comm.rank)  # those in this order have no watch yet
    if others.rank == 1:

        def this():
            raise PermissionError(EACCES, "Permission denied", "/proc/self/stat")

        monkeypatch.setattr(Process, "this", this)
    with pytest.raises(RankError, match="rank 1 cannot tell where it is: PermissionError: "):
        groups.of(others)


def test_a_system_without_network_namespaces_is_watched_as_well(comm, monkeypatch):
    def unknown(path):
        raise FileNotFoundError(ENOENT, "No such file or directory", str(path))

    told = Process.this()
    if comm.rank == 0:
        monkeypatch.setattr(watch.Path, "readlink", unknown)
        monkeypatch.setattr(Process, "this", lambda: told)
    group = groups.of(comm)
    assert group.allgather(comm.rank) == list(range(comm.size))
    group.close()


def test_an_intercommunicator_is_refused(comm):
    if comm.size == 1:
        return
    half = comm.Split(comm.rank % 2)
    inter = half.Create_intercomm(0, comm, 1 - comm.rank % 2)
    with pytest.raises(TypeError, match="merge"):
        groups.of(inter)
    inter.Free()
    half.Free()


def test_what_is_no_communicator_is_refused():
    with pytest.raises(TypeError, match="not int"):
        groups.of(3)


def test_a_group_is_taken_as_it_is(group):
    assert groups.of(group) is group
