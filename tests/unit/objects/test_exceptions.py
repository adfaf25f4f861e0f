"""Exceptions with traceback, cause, context, notes."""

import traceback

import pytest

from tests.unit.objects import crossing, things
from tests.unit.objects.crossing import round_trip
from tests.unit.objects.test_graph import PROJECT


def caught(function, *args):
    try:
        function(*args)
    except BaseException as error:
        return error
    return None


def without_marks(text):
    return [line for line in text if set(line.strip()) - set("^~")]


def test_traceback_prints_like_the_original():
    error = caught(things.raise_deep, 3)
    error.add_note("a note")
    (back,) = round_trip(error)
    before = "".join(traceback.format_exception(error)).splitlines()
    after = "".join(traceback.format_exception(back)).splitlines()
    assert without_marks(after) == without_marks(before)
    assert back.__cause__.__class__ is KeyError
    assert back.__suppress_context__
    assert back.__notes__ == ["a note"]


def test_traceback_elsewhere():
    error = caught(things.raise_deep, 2)
    text = crossing.elsewhere(
        [error],
        "import traceback; result = ''.join(traceback.format_exception(values[0]))",
        path=[PROJECT],
    )
    before = "".join(traceback.format_exception(error)).splitlines()
    assert without_marks(text.splitlines()) == without_marks(before)


def test_cycles_and_identity():
    error = ValueError("a")
    error.__context__ = other = KeyError("b")
    error.me = error
    error.traceback = caught(things.raise_deep, 1).__traceback__
    back, back_other, tb = round_trip(error, other, error.traceback)
    assert back.me is back
    assert back.__context__ is back_other
    assert not back.__suppress_context__
    assert back.traceback is tb
    other.__context__ = error
    back, back_other = round_trip(error, other)
    assert back.__context__ is back_other
    assert back_other.__context__ is back


@pytest.mark.parametrize(
    "error",
    [
        OSError(5, "broken", "file"),
        FileNotFoundError(2, "gone", "a", None, "b"),
        UnicodeDecodeError("utf-8", b"abc", 1, 2, "why"),
        StopIteration(5),
        SystemExit(3),
        KeyError("k"),
        ImportError("m", name="n", path="p"),
        AttributeError("m", name="n", obj=None),
        SyntaxError("bad", ("f", 1, 2, "text")),
        things.StrangeError(1, 2),
        things.StrangeOSError(1, 2),
        ExceptionGroup("g", [ValueError(1), KeyError(2)]),
    ],
    ids=lambda e: type(e).__name__,
)
def test_classes(error):
    (back,) = round_trip(error)
    assert type(back) is type(error)
    assert repr(back.args) == repr(error.args)
    assert str(back) == str(error)
    assert vars(back) == vars(error)
    for name in ("errno", "filename", "filename2", "value", "code", "name", "path", "start"):
        assert getattr(back, name, None) == getattr(error, name, None)
