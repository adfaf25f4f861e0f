"""Files of MPI that a Checkpointer captures: what comes back, what is cut back, what is refused."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

import sauerkraut as skt
from sauerkraut.errors import CaptureError, ResumeError, StorageError
from tests.mpi.interrupted import CrashError

pytestmark = pytest.mark.mpi(ranks=(1, 2, 4))


@pytest.fixture
def path(shared_dir):
    return str(shared_dir / "out.dat")


def crash_after(*calls):
    """Checkpoint; what these do afterwards is lost with the run."""
    if isinstance(skt.current().checkpoint(), skt.Epoch):
        for call in calls:
            call()
        raise CrashError


def content(comm, path):
    """What a file holds when all have closed it."""
    comm.barrier()
    return Path(path).read_bytes()


def family_of(kind):
    """The class of a file: mpi4py's, which notes what it is opened on, or the one that is ours."""
    from mpi4py import MPI

    from sauerkraut.mpi.files import File

    return {"noted": MPI.File, "remembered": File}[kind]


KINDS = pytest.mark.parametrize("kind", ["noted", "remembered"])


def in_columns(comm, path, kind):
    """Each rank writes its own column of a matrix, by a view."""
    from mpi4py import MPI

    family = family_of(kind)
    amode = MPI.MODE_CREATE | MPI.MODE_EXCL | MPI.MODE_WRONLY
    file = family.Open(comm, path, amode, MPI.Info.Create({"cb_buffer_size": "65536"}))
    column = MPI.DOUBLE.Create_vector(2, 1, comm.size).Create_resized(0, 16 * comm.size).Commit()
    file.Set_view(8 * (1 + comm.rank), MPI.DOUBLE, column)
    column.Free()
    same = {"file": file, "other": family(file)}
    file.Write_all(np.full(3, float(comm.rank)))

    def more():
        file.Write_all(np.full(40, -1.0))
        file.Close()

    crash_after(more)
    found = [file is same["file"], file == same["other"], file.Get_position(), file.Get_amode()]
    file.Write_all(np.full(3, 10.0 + comm.rank))
    found.append(dict(file.Get_info())["cb_buffer_size"])
    file.Close()
    return found, amode


@KINDS
def test_a_file_comes_back_with_view_and_position(resumed, comm, path, kind):
    found, amode = resumed(in_columns, comm, path, kind)
    assert found == [True, True, 3, amode, "65536"]
    written = np.frombuffer(content(comm, path))[1:].reshape(6, comm.size)
    ranks = np.arange(float(comm.size))
    assert np.array_equal(written, np.array([ranks] * 3 + [10 + ranks] * 3))


def in_turn(comm, path, kind):
    """Lines in the order of ranks, and records at offsets of their own, after what is there."""
    from mpi4py import MPI

    family = family_of(kind)
    log = family.Open(comm, path, MPI.MODE_RDWR | MPI.MODE_APPEND)
    unused = family.Open(comm, f"{path}.other", MPI.MODE_WRONLY | MPI.MODE_APPEND)
    log.Set_atomicity(MPI.get_vendor()[0] == "MPICH")
    log.Write_ordered(f"rank {comm.rank} before\n".encode())

    def more():
        log.Write_ordered(f"rank {comm.rank} lost\n".encode())
        log.Close()
        unused.Close()

    crash_after(more)
    found = [log.Get_position_shared(), log.Get_size(), log.Get_atomicity()]
    comm.barrier()
    log.Write_ordered(f"rank {comm.rank} after\n".encode())
    log.Close()
    found.append(unused.Get_position())
    if comm.rank == 0:
        unused.Write_shared(b"FIRST")
    unused.Close()
    return found


@KINDS
def test_shared_positions_come_back(resumed, comm, path, kind):
    from mpi4py import MPI

    if comm.rank == 0:
        for each in (path, f"{path}.other"):
            Path(each).write_bytes(b"first\n")
    comm.barrier()
    end = 6 + 14 * comm.size
    atomic = MPI.get_vendor()[0] == "MPICH"
    assert resumed(in_turn, comm, path, kind) == [end, end, atomic, 6]
    lines = ["before"] * comm.size + ["after"] * comm.size
    told = [f"rank {i % comm.size} {line}\n" for i, line in enumerate(lines)]
    assert content(comm, path).decode() == "first\n" + "".join(told)
    assert content(comm, f"{path}.other") == b"first\nFIRST"


def at_two_positions(comm, path):
    """One file, opened twice.

    MPICH takes what is opened in the same second for one, Open MPI what is on one communicator.
    """
    from mpi4py import MPI

    from sauerkraut.mpi.files import File

    amode = MPI.MODE_CREATE | MPI.MODE_RDWR
    first = File.Open(comm.Dup(), path, amode)
    opened = int(comm.bcast(time.time()))
    while int(time.time() - 0.05) <= opened:  # what C's time() tells may be a little behind
        time.sleep(0.01)
    second = File.Open(comm.Dup(), path, amode)
    first.Seek_shared(3)
    second.Seek_shared(7)
    crash_after(first.Close, second.Close)
    found = [file.Get_position_shared() for file in (first, second)]
    comm.barrier()
    first.Close()
    second.Close()
    return found


def test_shared_positions_of_one_path_stay_apart(resumed, comm, path):
    assert resumed(at_two_positions, comm, path) == [3, 7]


def reading(comm, path):
    from mpi4py import MPI

    from sauerkraut.mpi.files import File

    file = File.Open(comm, path)
    integers = File.Open(MPI.COMM_SELF, os.path.relpath(path))
    integers.Set_view(0, MPI.INT64_T)
    integers.Seek(2)
    first = np.zeros(8, np.uint8)
    file.Read(first)
    crash_after(file.Close, integers.Close)
    second, third = np.zeros(1, np.int64), np.zeros(1, np.int64)
    file.Read(second)
    integers.Read(third)
    file.Close()
    integers.Close()
    return int(second[0]), int(third[0])


@pytest.fixture
def numbers(comm, path):
    """A file of the numbers from 0 on."""
    if comm.rank == 0:
        np.arange(8).tofile(path)
    comm.barrier()
    return path


def test_files_that_are_read_come_back_at_their_positions(resumed, comm, numbers):
    assert resumed(reading, comm, numbers) == (1, 2)


@pytest.mark.parametrize("change", ["longer", "gone"])
def test_one_that_was_read_must_be_unchanged(make, comm, numbers, change):
    with pytest.raises(CrashError):
        make().run(reading, comm, numbers)
    if comm.rank == 0:
        if change == "gone":
            Path(numbers).unlink()
        else:
            np.arange(9).tofile(numbers)
    comm.barrier()
    told = "was open for reading: " if change == "gone" else "has changed since the capture"
    with pytest.raises(ResumeError, match=told):
        make().run(reading, comm, numbers)


def of_each(comm, path):
    """A file of all ranks, and one of each."""
    from mpi4py import MPI

    from sauerkraut.mpi.files import File

    amode = MPI.MODE_CREATE | MPI.MODE_RDWR
    mine = File.Open(MPI.COMM_SELF, f"{path}-{comm.rank}", amode)
    all_of_us = File.Open(comm, path, amode)
    for file in (mine, all_of_us):
        file.Write_at(8 * comm.rank, np.full(1, float(comm.rank)))
    crash_after(mine.Close, all_of_us.Close)
    mine.Close()
    all_of_us.Close()


@pytest.mark.parametrize("change", ["gone", "shorter", "not allowed"])
def test_one_that_cannot_be_written_on_is_the_same_error_everywhere(make, comm, path, change):
    with pytest.raises(CrashError):
        make().run(of_each, comm, path)
    last = f"{path}-{comm.size - 1}"
    if comm.rank == 0:
        if change == "gone":
            Path(last).unlink()
        elif change == "shorter":
            os.truncate(last, 3)
        else:  # a name that is there, and no file any more
            Path(last).unlink()
            Path(last).mkdir()
    comm.barrier()
    told = {
        "gone": "was open for writing: ",
        "shorter": r"is shorter than at the capture: \d+ bytes are needed, 3 are there",
        "not allowed": "was open, and cannot be opened again: ",
    }
    with pytest.raises(ResumeError, match=told[change]) as raised:
        make().run(of_each, comm, path)
    assert f"rank {comm.size - 1}: " in str(raised.value) or comm.size == 1
    assert "\n" not in str(raised.value)


def test_a_member_that_fails_alone_keeps_none_waiting(make, comm, path, monkeypatch):
    from mpi4py import MPI

    from sauerkraut.mpi.handles import files

    def cut(file, *arguments):
        plain(file, *arguments)
        if comm.rank == comm.size - 1:
            raise MPI.Exception(MPI.ERR_IO)

    with pytest.raises(CrashError):
        make().run(of_each, comm, path)
    plain = files.cut
    monkeypatch.setattr(files, "cut", cut)
    with pytest.raises(ResumeError, match="was open, and cannot be opened again: ") as raised:
        make().run(of_each, comm, path)
    assert f"rank {comm.size - 1}: " in str(raised.value) or comm.size == 1


def syncing(comm, path):
    from mpi4py import MPI

    from sauerkraut.mpi.files import File

    file = File.Open(comm, path, MPI.MODE_CREATE | MPI.MODE_RDWR)
    told = []
    for _ in range(2):
        try:
            skt.current().checkpoint()
        except StorageError as error:
            told.append(str(error))
    file.Close()
    return told


def test_no_epoch_is_committed_of_a_file_that_cannot_be_synced(make, comm, path, monkeypatch):
    from mpi4py import MPI

    from sauerkraut.mpi.files import File

    calls = []

    def sync(file):
        MPI.File.Sync(file)
        calls.append(file)
        if len(calls) == 1 and comm.rank == comm.size - 1:
            raise MPI.Exception(MPI.ERR_IO)

    monkeypatch.setattr(File, "Sync", sync, raising=False)
    (told,) = make().run(syncing, comm, path)
    assert f"cannot sync {path} (" in told
    assert len(calls) == 2


def not_waited_for(comm, path):
    from mpi4py import MPI

    from sauerkraut.mpi.files import File

    file = File.Open(comm, path, MPI.MODE_CREATE | MPI.MODE_RDWR)
    request = file.Iwrite_at(8 * comm.rank, np.full(1, float(comm.rank)))
    status = MPI.Status()
    try:
        skt.current().checkpoint()
    finally:
        request.Wait(status)
        file.Close()
        assert status.Get_count(MPI.DOUBLE) == 1


def test_a_request_of_a_file_is_refused_by_variable_and_goes_on(make, comm, path):
    told = r"local 'request': .*; it reads or writes a file: complete it \(Wait\) before"
    with pytest.raises(CaptureError, match=told):
        make().run(not_waited_for, comm, path)
    assert np.array_equal(np.frombuffer(content(comm, path)), np.arange(float(comm.size)))


def held_by_some(comm, path):
    from mpi4py import MPI

    from sauerkraut.mpi.files import File

    file = File.Open(comm, path, MPI.MODE_CREATE | MPI.MODE_RDWR)
    hidden = []
    if comm.rank:
        hidden, file = MPI.File(file).handle, None
    try:
        skt.current().checkpoint()
    finally:
        (MPI.File.fromhandle(hidden) if comm.rank else file).Close()


@pytest.mark.mpi(ranks=2)
def test_one_that_some_members_do_not_hold_is_refused_by_variable(make, comm, path):
    with pytest.raises(CaptureError, match=r"local 'file': .*rank 1 does not hold it"):
        make().run(held_by_some, comm, path)


def without_a_name(comm, path):
    from mpi4py import MPI

    from sauerkraut.mpi.files import File

    file = File.Open(comm, path, MPI.MODE_CREATE | MPI.MODE_RDWR)
    if comm.rank == 0:
        Path(path).unlink()
    try:
        skt.current().checkpoint()
    finally:
        file.Close()


def test_one_that_was_removed_is_refused_by_variable(make, comm, path):
    with pytest.raises(CaptureError, match=r"local 'file': .* has no name any more; close it"):
        make().run(without_a_name, comm, path)


def without_memory(comm, path, amode):
    from mpi4py import MPI

    from sauerkraut.mpi.files import File

    amode |= MPI.MODE_CREATE
    if amode & MPI.MODE_RDWR:  # as before the first Checkpointer
        file = MPI.File.Open.__wrapped__(comm, path, amode)
    else:
        file = File.Open(comm, path, amode)
    try:
        skt.current().checkpoint()
    finally:
        file.Close()


def test_what_cannot_be_opened_again_is_refused_with_advice(make, comm, path):
    from mpi4py import MPI

    with pytest.raises(CaptureError, match=r"open it by File\.Open of sauerkraut\.mpi\.files"):
        make().run(without_memory, comm, path, MPI.MODE_RDWR)
    with pytest.raises(CaptureError, match="in MODE_SEQUENTIAL nothing brings it to its position"):
        make().run(without_memory, comm, path, MPI.MODE_WRONLY | MPI.MODE_SEQUENTIAL)
