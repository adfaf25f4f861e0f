"""Arrays that ranks hold together: written by some ranks, read by any number of others."""

from itertools import product

import numpy as np
import pytest

import sauerkraut as skt
from sauerkraut.errors import CaptureError, RankError
from tests.mpi.interrupted import CrashError

pytestmark = pytest.mark.mpi(ranks=(1, 2, 4))

BY_ROWS = skt.Block(axis=0)
WHOLE = np.random.default_rng(6).random((11, 6))


class Field:
    """One rank's part of WHOLE, uneven and with a halo, as of a program that balances its load."""

    def __init__(self, rank, size):
        edges = [round(len(WHOLE) * (each / size) ** 2) for each in range(size + 1)]
        self.rows = slice(edges[rank], edges[rank + 1])
        self.u = np.full((self.rows.stop - self.rows.start + 2, 8), np.nan)
        self.u[1:-1, 1:-1] = WHOLE[self.rows]
        self.cells = np.arange(self.rows.start, self.rows.stop, dtype="i4")

    def save(self):
        return {"u": self.u[1:-1, 1:-1], "cells": self.cells, "rank": self.rows.start, "t": 0.25}


def store(comm, directory, field, layout=BY_ROWS, load=None):
    """Run until the first checkpoint is committed; on every rank of ``comm``."""
    ckpt = skt.Checkpointer(directory, comm, interval=None, quiet=True)
    ckpt.provide("field", field.save, load, layout=layout)

    def work(field):
        if isinstance(skt.current().checkpoint(), skt.Epoch):
            raise CrashError
        return field.u.sum()

    try:
        return ckpt.run(work, field)
    except CrashError:
        return None
    finally:
        ckpt._job.meeting.end()


def test_written_on_any_number_of_ranks_read_on_any_other(comm, shared_dir):
    for writers in range(1, comm.size + 1):
        directory = shared_dir / str(writers)
        some = comm.Split(comm.rank < writers)
        if comm.rank < writers:
            store(some, directory, Field(comm.rank, writers))
        some.Free()
        comm.barrier()
        data = comm.bcast(skt.storage.open(directory) if comm.rank == 0 else None)
        assert data.world_size == writers
        u, cells = data["field/u"], data["field/cells"]
        assert data.numbers == {"field/t": 0.25} | ({"field/rank": 0} if writers == 1 else {})
        assert (u.shape, u.dtype, cells.shape) == (WHOLE.shape, WHOLE.dtype, (11,))
        for readers in range(1, 5):
            rank = comm.rank % readers
            mine = u.part(rank, readers)
            assert u[mine].tobytes() == WHOLE[mine].tobytes()
            assert cells[mine].tolist() == list(range(11))[mine]
            columns = u.part(rank, readers, axis=1)
            assert u[:, columns].tobytes() == np.ascontiguousarray(WHOLE[:, columns]).tobytes()


def test_blocks_of_several_axes(comm, shared_dir):
    rows = [slice(0, 4), slice(4, 11)] if comm.size > 1 else [slice(0, 11)]
    columns = [slice(0, 5), slice(5, 6)] if comm.size > 2 else [slice(0, 6)]
    where = list(product(rows, columns))[comm.rank]
    field = Field(0, 1)
    field.u = np.pad(WHOLE[where], 1)
    start = tuple(each.start for each in where)
    store(comm, shared_dir / "ckpt", field, {"u": skt.Block(start=start, shape=WHOLE.shape)})
    comm.barrier()
    data = skt.storage.open(shared_dir / "ckpt")
    assert data["field/u"][...].tobytes() == WHOLE.tobytes()
    assert data["field/u"].blocks[comm.rank] == where


def test_a_restart_on_as_many_ranks_loads_its_own_blocks(comm, shared_dir):
    field, loaded = Field(comm.rank, comm.size), []
    store(comm, shared_dir / "ckpt", field)
    total = store(comm, shared_dir / "ckpt", Field(comm.rank, comm.size), load=loaded.append)
    assert np.isnan(total)
    (data,) = loaded
    assert data["u"].tobytes() == WHOLE[field.rows].tobytes()
    assert (data["cells"].tolist(), data["rank"]) == (field.cells.tolist(), field.rows.start)


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (
            lambda field: vars(field).update(u=field.u.astype("f4")),
            "field/u: dtype <f8 on rank 0, ",
        ),
        (lambda field: vars(field).update(u=field.u[:, 1:]), r"field/u: other axes of \(6,\) on "),
        (lambda field: vars(field).update(u=field.u[..., None]), "field/u: number of axes 2 on ra"),
        (
            lambda field: vars(field).update(save=lambda: {"u": field.u[1:-1, 1:-1]}),
            "field/cells: ",
        ),
    ],
    ids=["dtype", "columns", "axes", "missing"],
)
def test_blocks_that_do_not_fit_are_the_same_error_everywhere(comm, shared_dir, spoil, text):
    field = Field(comm.rank, comm.size)
    if comm.rank == comm.size - 1:
        spoil(field)
    if comm.size == 1:
        store(comm, shared_dir / "ckpt", field)
        return
    with pytest.raises(CaptureError, match=text) as caught:
        store(comm, shared_dir / "ckpt", field)
    assert isinstance(caught.value, RankError)
    assert len(set(comm.allgather(str(caught.value)))) == 1
    assert not list((shared_dir / "ckpt").glob("epoch-*"))


def test_overlaps_and_gaps_are_the_same_error_everywhere(comm, shared_dir):
    field = Field(0, 1)
    last = comm.rank == comm.size - 1
    for shift, text in ((0, "overlap"), (1, "the blocks hold ")):
        start = (11 * comm.rank + (2 * shift - 1) * last * (comm.size > 1), 0)
        shape = (11 * comm.size + shift, 6)
        layout = {"u": skt.Block(start=start, shape=shape)}
        if comm.size == 1 and not shift:
            continue
        with pytest.raises(CaptureError, match=text):
            store(comm, shared_dir / "ckpt", field, layout)
        comm.barrier()


def test_blocks_that_do_not_fit_are_told_at_the_second_poll(comm, shared_dir):
    if comm.size == 1:
        return
    ckpt = skt.Checkpointer(shared_dir / "ckpt", comm, interval=None, quiet=True)
    field, polls, told = Field(comm.rank, comm.size), [], []
    if comm.rank == comm.size - 1:
        field.cells = field.cells.astype("i8")
    ckpt.provide("field", field.save, layout=skt.Block(axis=0))

    def work(field):
        for step in range(5):
            polls.append(step)
            try:
                ckpt.poll(step)
            except CaptureError as error:
                told.append((step, str(error)))
                field.cells = field.cells.astype("i4")
        return ckpt.checkpoint().number

    try:
        assert ckpt.run(work, field) == 1
    finally:
        ckpt._job.meeting.end()
    ((step, text),) = told
    assert step == 1
    assert text.startswith("rehearsing a checkpoint: field/cells: dtype <i4 on rank 0, <i8 on ")
    assert len(set(comm.allgather(text))) == 1


def test_layouts_must_be_given_on_every_rank(comm, shared_dir):
    if comm.size == 1:
        return
    ckpt = skt.Checkpointer(shared_dir / "ckpt", comm, interval=None, quiet=True)
    ckpt.provide("field", dict, print, layout=skt.Block(axis=0) if comm.rank else None)
    try:
        with pytest.raises(RankError, match="providers with a layout must be the same on every r"):
            ckpt.run(int, "3")
    finally:
        ckpt._job.meeting.end()


def test_a_failed_checkpoint_at_a_poll_lets_the_run_go_on(comm, shared_dir, caplog):
    """As any other that fails: earlier epochs stay, and the program is told."""
    if comm.size == 1:
        return
    field = Field(comm.rank, comm.size)
    ckpt = skt.Checkpointer(shared_dir / "ckpt", comm, interval=0.001, quiet=True)
    ckpt.provide("field", field.save, layout=skt.Block(axis=0))

    def work(field):
        while ckpt.last is None:
            ckpt.poll()
        if comm.rank == 1:
            field.cells = field.cells.astype("i8")
        while ckpt.last_error is None:
            ckpt.poll()
        return "went on"

    try:
        assert ckpt.run(work, field) == "went on"
    finally:
        ckpt._job.meeting.end()
    assert isinstance(ckpt.last_error, CaptureError)
    comm.barrier()
    data = skt.storage.open(shared_dir / "ckpt")
    assert data["field/u"][...].tobytes() == WHOLE.tobytes()
