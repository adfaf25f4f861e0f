"""Exceptions with traceback, cause, context, notes."""

import threading
import traceback
import weakref

import pytest

from sauerkraut.errors import CaptureError
from sauerkraut.objects import graph
from tests.unit.objects import crossing, things
from tests.unit.objects.crossing import round_trip
from tests.unit.objects.test_definitions import PROJECT


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


def test_a_traceback_keeps_nothing_that_was_read_with_it():
    error = caught(things.raise_deep, 3)
    back, thing = round_trip(error, things.Node("thing"))
    gone = weakref.ref(thing)
    del thing
    assert gone() is None
    assert back.__traceback__.tb_frame.f_back is None


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


FIELDS = (
    *("errno", "strerror", "filename", "filename2", "characters_written"),
    *("value", "code", "name", "path", "msg", "lineno", "offset", "text", "end_offset"),
    *("encoding", "object", "start", "end", "reason", "message", "one", "two"),
)


def blocking():
    return BlockingIOError(11, "again", 7)


def changed(error, **fields):
    for name, value in fields.items():
        setattr(error, name, value)
    return error


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
        BaseExceptionGroup("g", [KeyboardInterrupt()]),
        things.Unfinished("why"),
        blocking(),
        NameError("m", name="n"),
        UnicodeEncodeError("ascii", "abc", 1, 2, "why"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_classes(error):
    assert_alike(*round_trip(error), error)


@pytest.mark.parametrize(
    "error",
    [
        changed(StopIteration(5), value=6),
        changed(OSError(5, "broken"), filename="f", errno=6),
        changed(SystemExit(3), code=None),
        changed(ValueError(1), args=(2, 3)),
        changed(SyntaxError("bad", ("f", 1, 2, "text", 3, 4)), text="other"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_fields_that_were_set_later(error):
    assert_alike(*round_trip(error), error)


def assert_alike(back, error):
    assert type(back) is type(error)
    assert repr(back.args) == repr(error.args)
    assert str(back) == str(error)
    assert vars(back) == vars(error)
    for name in FIELDS:
        assert getattr(back, name, None) == getattr(error, name, None)


def test_what_an_attribute_was_missed_in():
    node = things.Node("a")
    error = caught(lambda: node.missing)
    back, own = round_trip(error, node)
    assert back.obj is own
    assert back.name == "missing"


def test_what_an_exception_holds_is_named_when_it_cannot_be_captured():
    error = AttributeError("m", name="n", obj=threading.Thread())
    error.__cause__ = StopIteration(error)
    with pytest.raises(CaptureError, match=r"attribute 'obj': threading\.Thread cannot be"):
        graph.freeze([error])


def test_an_exception_that_holds_itself():
    error = ValueError("a")
    error.args = (error, 1)
    value = StopIteration()
    value.value = value
    back, back_value = round_trip(error, value)
    assert back.args == (back, 1)
    assert back_value.value is back_value


def test_a_group_whose_members_lead_back_to_it():
    inner = ValueError("inner")
    group = ExceptionGroup("g", [inner, TypeError("other")])
    inner.__context__ = group
    for values in ((group, inner), (inner, group)):
        back = round_trip(*values)
        group_back = next(each for each in back if isinstance(each, ExceptionGroup))
        assert group_back.exceptions[0].__context__ is group_back
        assert group_back.exceptions[0] in back
        assert len(group_back.exceptions) == 2


def test_slots_of_an_exception():
    (back,) = round_trip(things.SlottedError(4))
    assert back.code == 4
