"""Objects of pandas and xarray: equal, and sharing the memory that they shared."""

import numpy as np
import pytest

from sauerkraut.objects import graph
from tests.unit.objects.crossing import elsewhere, round_trip

LARGE = 100  # threshold: every column in a block


@pytest.fixture
def pd():
    return pytest.importorskip("pandas", reason="missing: pandas; pip install pandas")


@pytest.fixture
def xr():
    return pytest.importorskip("xarray", reason="missing: xarray; pip install xarray")


def table(pd):
    return pd.DataFrame(
        {
            "a": np.arange(1000.0),
            "b": np.arange(1000.0) * 2,
            "text": ["x", "y"] * 500,
            "kind": pd.Categorical(["u", "v"] * 500),
            "when": pd.date_range("2020", periods=1000, tz="UTC"),
            "counted": pd.array([1, None] * 500, dtype="Int64"),
        }
    )


@pytest.mark.parametrize("threshold", [LARGE, 10**9])
def test_a_frame_and_its_columns(pd, threshold):
    frame = table(pd)
    back, column, values = round_trip(frame, frame["a"], frame["a"].values, threshold=threshold)
    pd.testing.assert_frame_equal(back, frame)
    pd.testing.assert_series_equal(column, frame["a"])
    assert np.shares_memory(back["a"].values, column.values)
    assert np.shares_memory(back["a"].values, values)
    back.loc[5, "b"] = -1.0
    back["new"] = back["a"] + back["b"]
    assert back.loc[5, "new"] == 4.0


def test_columns_leave_the_stream(pd):
    frozen = graph.freeze([table(pd)[["a", "b"]]], threshold=LARGE)
    assert sum(block.memory.nbytes for block in frozen.blocks) == 16_000
    assert len(frozen.stream) < 4000


def test_other_objects_of_pandas(pd):
    frame = table(pd)
    index = pd.MultiIndex.from_product([[1, 2], ["a", "b"]], names=["i", "j"])
    missing, nothing, moment, span, period, interval = (
        *(pd.NA, pd.NaT, pd.Timestamp("2020", tz="UTC")),
        *(pd.Timedelta(1), pd.Period("2020"), pd.Interval(1, 2)),
    )
    values = (missing, nothing, moment, span, period, interval)
    back, index_back, groups, window, *atoms = round_trip(
        frame.set_index("a"), index, frame.groupby("text"), frame["a"].rolling(3), *values
    )
    assert back.index.equals(frame.set_index("a").index)
    assert index_back.equals(index)
    assert index_back.names == index.names
    assert groups["a"].sum().to_dict() == {"x": 249500.0, "y": 250000.0}
    assert window.sum().iloc[-1] == 998.0 * 3
    assert atoms[0] is missing
    assert atoms[1] is nothing
    assert atoms[2:] == list(values[2:])


def test_a_frame_elsewhere(pd):
    frame = table(pd)
    result = elsewhere(
        [frame, frame["a"]], "result = values[0].to_json(date_format='iso'), values[1].sum()"
    )
    assert result == (frame.to_json(date_format="iso"), frame["a"].sum())


def test_what_shares_memory_is_copied_before_a_write(pd):
    """In one that never stopped, since pandas 3, a write to a table changes none of the others."""
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    shallow = frame.copy(deep=False)
    index = pd.Index([1, 2, 3])
    days = pd.date_range("2020", periods=2)
    rows = frame.index
    held = [
        *(frame, frame["a"], frame.iloc[1:], frame.T, shallow),
        *(index, pd.Series(index), index.to_frame(), days, pd.Series(days), rows, pd.Series(rows)),
    ]

    def write(*held):
        frame, column, rows, turned, shallow, _, of_index, table, _, of_days, _, of_rows = held
        frame.loc[0, "a"] = 10.0
        column.iloc[1] = 20.0
        rows.iloc[0, 1] = 30.0
        turned.iloc[0, 0] = 40.0
        shallow.iloc[0, 0] = 50.0
        of_index.iloc[0] = 60
        table.iloc[1, 0] = 70
        of_days.iloc[0] = pd.Timestamp("2030")
        of_rows.iloc[0] = 80
        return [str(each) for each in held]

    once = round_trip(*held, threshold=1)
    back = [round_trip(*held), round_trip(*once), once]
    expected = write(*held)
    for each in back:
        assert write(*each) == expected


def test_a_table_alone_is_written_in_place(pd):
    frame = pd.DataFrame({"a": np.arange(1000.0)})
    column = frame["a"]
    back, _ = round_trip(frame, column)
    del _
    (alone,) = round_trip(back)
    before = alone["a"].to_numpy()
    address = before.ctypes.data
    del before
    alone.loc[0, "a"] = 5.0
    assert alone["a"].to_numpy().ctypes.data == address


def test_xarray(xr):
    field = xr.DataArray(
        np.arange(1000.0).reshape(10, 100),
        dims=("x", "y"),
        coords={"x": np.arange(10), "label": ("x", list("abcdefghij"))},
        attrs={"unit": "m"},
        name="field",
    )
    data = xr.Dataset({"field": field, "twice": field * 2}, attrs={"title": "t"})
    back, data_back, values = round_trip(field, data, field.values, threshold=LARGE)
    assert back.identical(field)
    assert data_back.identical(data)
    assert np.shares_memory(back.values, values)
    assert np.shares_memory(back.values, data_back["field"].values)
    back.loc[{"x": 3}] = 7.0
    assert values[3, 5] == 7.0
    assert float(data_back["field"].sel(x=3).mean()) == 7.0
