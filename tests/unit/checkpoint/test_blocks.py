"""Arrays with a layout: which blocks fit together, and what one process stores of them."""

import numpy as np
import pytest

import sauerkraut as skt
from sauerkraut.checkpoint.blocks import Block, Held, places, refuse_misfits
from sauerkraut.errors import CaptureError, NoSuchArray
from sauerkraut.storage import Place
from tests.unit.checkpoint.crashing import CrashError

BY_ROWS = Block(axis=0)


def along(axis, *shapes, dtype="<f8"):
    return [{"f/u": Held("f/u", dtype, shape, axis)} for shape in shapes]


def at(whole, *boxes):
    return [{"f/u": Held("f/u", "<f8", shape, None, start, whole)} for start, shape in boxes]


def test_blocks_along_an_axis_follow_in_rank_order():
    told = along(1, (2, 3), (2, 0), (2, 5))
    refuse_misfits(told)
    assert [places(told, rank)["f/u"] for rank in range(3)] == [
        Place("f/u", (0, 0), (2, 8)),
        Place("f/u", (0, 3), (2, 8)),
        Place("f/u", (0, 3), (2, 8)),
    ]


def test_blocks_of_several_axes_lie_where_they_say():
    told = at((4, 4), ((0, 0), (4, 1)), ((0, 1), (2, 3)), ((2, 1), (2, 3)))
    refuse_misfits(told)
    assert places(told, 2)["f/u"] == Place("f/u", (2, 1), (4, 4))


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (along(0, (2, 3), (2, 4)), r"other axes of \(3,\) on rank 0, \(4,\) on rank 1"),
        (along(0, (2, 3), (2,)), "number of axes 2 on rank 0, 1 on rank 1"),
        (along(0, (2,)) + along(0, (2,), dtype="<f4"), "dtype <f8 on rank 0, <f4 on rank 1"),
        (along(0, (2, 2)) + along(1, (2, 2)), "layout along axis 0 on rank 0, 1 on rank 1"),
        ([*along(0, (2,)), {}, *along(0, (2,))], "rank 1 holds no block of it, rank 0 does"),
        ([{}, *along(0, (2,))], "rank 0 holds no block of it, rank 1 does"),
        (at((4,), ((0,), (2,))) + at((5,), ((2,), (3,))), r"global shape \(4,\) on rank 0, \(5,\)"),
        (at((4,), ((0,), (2,)), ((3,), (1,))), "the blocks hold 3 of the 4 elements"),
        (
            at((4,), ((1,), (3,)), ((0,), (2,))),
            r"rank 0, \(3,\) at \(1,\), and rank 1, \(2,\) at \(0,\), overlap",
        ),
        (at((4,), ((0,), (2,)), ((2,), (3,))), r"the block of rank 1, \(3,\) at \(2,\), lies out"),
    ],
)
def test_blocks_that_do_not_fit_are_refused(told, text):
    with pytest.raises(CaptureError, match=f"f/u: .*{text}"):
        refuse_misfits(told)


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"axis": 0, "start": (0,), "shape": (1,)},
        {"start": (0,)},
        {"shape": (3,)},
        {"start": (0, 0), "shape": (3,)},
        {"start": (-1,), "shape": (3,)},
        {"start": (), "shape": ()},
    ],
)
def test_a_block_needs_an_axis_or_a_place(words):
    with pytest.raises(ValueError, match="Block: "):
        skt.Block(**words)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ({"axis": 0.5}, "Block: axis= is an integer, as 0, not 0.5"),
        ({"axis": "x"}, "Block: axis= is an integer, as 0, not 'x'"),
        ({"axis": True}, "Block: axis= is an integer, as 0, not True"),
        (
            {"start": (0.5,), "shape": (3,)},
            "each number of Block: start= is an integer, as 0, not 0.5",
        ),
        (
            {"start": (0, 0), "shape": (3, False)},
            "each number of Block: shape= is an integer, as 0, not False",
        ),
        (
            {"start": 0, "shape": 3},
            "Block: start= is a tuple with a number for each axis, not 0",
        ),
        (
            {"start": (0,), "shape": "3"},
            "Block: shape= is a tuple with a number for each axis, not '3'",
        ),
    ],
)
def test_a_block_has_integers(words, text):
    with pytest.raises(TypeError, match=f"^{text}$"):
        skt.Block(**words)


class Field:
    """What a program computes on."""

    def __init__(self):
        self.u = np.zeros((6, 10))


def work(field):
    field.u += 1
    if isinstance(skt.current().checkpoint(heat=2.5), skt.Epoch):
        raise CrashError
    field.u *= 10
    return field.u.sum()


def provide(ckpt, field, load=None, layout=BY_ROWS):
    ckpt.provide(
        "field",
        lambda: {"u": field.u[1:-1, 1:-1], "small": np.arange(3), "n": 7},
        load,
        layout=layout,
    )


def test_what_a_program_provides_is_there_to_start_from(make, directory):
    field = Field()
    ckpt = make()
    provide(ckpt, field)
    with pytest.raises(CrashError):
        ckpt.run(work, field)
    data = skt.storage.open(directory)
    assert list(data) == ["field/small", "field/u"]
    assert data.metrics == {"heat": 2.5}
    assert data["field/small"][...].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(data["field/u"], np.ones((4, 8)))

    again, loaded = make(), []
    provide(again, field, loaded.append)
    assert again.run(work, Field()) == 600
    (saved,) = loaded
    assert list(saved) == ["u", "small", "n"]
    assert saved["n"] == 7
    np.testing.assert_array_equal(saved["u"], np.ones((4, 8)))
    saved["u"] += 1  # its own
    final = skt.storage.open(directory)
    assert final.final
    assert "final: the run has returned" in str(final)


def test_numbers_beside_blocks_are_found_by_name(make, directory):
    saved = {
        "step": 7,
        "time": np.float32(0.5),
        "nan": np.array(np.nan),
        "periodic": True,
        "name": "plate",
        "many": 10**30,
        "complex": 1j,
        "a/b": 1,
        "u": np.arange(3.0),
    }
    ckpt = make()
    ckpt.provide("plate", lambda: saved, layout=Block(axis=0))
    ckpt.provide("other", lambda: {"step": 8}, print)
    ckpt.run(int, "3")
    data = skt.storage.open(directory)
    assert list(data) == ["plate/u"]
    assert repr(data.numbers) == repr(
        {"plate/step": 7, "plate/time": 0.5, "plate/nan": np.nan, "plate/periodic": True}
    )
    assert "\n  plate/step = 7\n  plate/time = 0.5\n" in str(data)


class Lean(Field):
    """A field whose array is stored by its provider alone."""

    def __init__(self):
        self.u = np.zeros((300, 100))

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "u"}

    def __setstate__(self, state):
        vars(self).update(state)


def test_an_array_may_be_stored_once(make, directory):
    def start(field):
        ckpt = make()
        ckpt.provide(
            "f", lambda: {"u": field.u}, lambda data: vars(field).update(data), layout=axis
        )
        return ckpt.run(work, field)

    axis = Block(axis=0)
    with pytest.raises(CrashError):
        start(Lean())
    (shard,) = directory.glob("epoch-*/shard-*.h5")
    assert 1 < shard.stat().st_size / Lean().u.nbytes < 1.5
    field = Lean()
    assert start(field) == 300_000
    assert field.u.sum() == 300_000


def begin_from(directory):
    data = skt.storage.open(directory)
    u = data["field/u"]
    total = u[0].sum()
    if isinstance(skt.current().checkpoint(), skt.Epoch):
        raise CrashError
    return total, u[1:3].sum(), data.epoch


def test_what_a_job_began_from_may_be_in_its_frames(make, directory, tmp_path):
    field = Field()
    first = make()
    provide(first, field)
    with pytest.raises(CrashError):
        first.run(work, field)

    def second():
        return skt.Checkpointer(tmp_path / "second", interval=None, quiet=True)

    with pytest.raises(CrashError):
        second().run(begin_from, directory)
    assert second().run(begin_from, directory) == (8, 16, 1)


def test_a_restart_may_have_another_layout(make, directory):
    field = Field()
    ckpt = make()
    provide(ckpt, field, layout={"u": Block(start=(0, 0), shape=(4, 8))})
    with pytest.raises(CrashError):
        ckpt.run(work, field)
    data = skt.storage.open(directory)
    assert list(data) == ["field/u"]
    with pytest.raises(NoSuchArray):
        data["field/small"]
    again, loaded = make(), []
    provide(again, field, loaded.append, layout=None)
    again.run(work, Field())
    assert {key: np.sum(value) for key, value in loaded[0].items()} == {"u": 32, "small": 3, "n": 7}


@pytest.mark.parametrize(
    ("value", "layout", "text"),
    [
        ({"u": [1, 2]}, {"u": Block(axis=0)}, "'u' has a layout: save a NumPy array of it, not li"),
        ({}, {"u": Block(axis=0)}, "'u' has a layout: save a NumPy array of it, not nothing"),
        ({"u": np.ma.ones(3)}, Block(axis=0), "not MaskedArray"),
        ({"u": np.ones(3)}, Block(axis=1), "has 1 axis, none of which is axis 1: axes are 0 to 0$"),
        (
            {"u": np.ones((3, 3))},
            Block(axis=5),
            "none of which is axis 5: axes are 0 to 1$",
        ),
        (
            {"u": np.ones((3, 3))},
            Block(axis=-3),
            "none of which is axis -3: axes are 0 to 1$",
        ),
        ({"u": np.array(3.0)}, {"u": Block(axis=0)}, r"has 0 axes, .*: reshape it to \(1,\)$"),
        ({"u": np.ones(3)}, Block(start=(0, 0), shape=(3, 3)), r"has 1 axis, and start=\(0, 0\)"),
        ({"u": np.array([None])}, Block(axis=0), "elements of type object are not plain bytes"),
        (
            {"u": np.rec.array([(1, 2.0)]).view(np.ndarray)},
            Block(axis=0),
            "elements of type .*numpy.record.* are not plain bytes",
        ),
        ({"a/b": np.ones(3)}, Block(axis=0), "'a/b' has a layout: its key must be a word"),
        ({3: np.ones(3)}, Block(axis=0), "3 has a layout: its key must be a word"),
        ({"u": np.ones(3)}, Block(start=(1,), shape=(4,)), "u: the blocks hold 3 of the 4 elem"),
    ],
)
def test_what_cannot_be_a_block_is_refused(make, value, layout, text):
    ckpt = make(rehearse=False)
    ckpt.provide("field", lambda: value, layout=layout)
    with pytest.raises(CaptureError, match=text) as caught:
        ckpt.run(work, Field())
    assert "\n" not in str(caught.value)


def test_provide_needs_to_know_what_for(make):
    with pytest.raises(TypeError, match="'u' without a layout needs load"):
        make().provide("u", dict)
    for layout in (0, {"u": 0}):
        with pytest.raises(TypeError, match="the layout of 'u' is a Block, or a dict of Blocks"):
            make().provide("u", dict, layout=layout)
