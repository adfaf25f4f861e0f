"""The error that every rank raises, here for the group of one."""

import errno

import pytest

from sauerkraut.checkpoint.agreement import agreed, raise_interrupt, shared, together
from sauerkraut.errors import CaptureError, RankError
from sauerkraut.group import SoloGroup

SOLO = SoloGroup()


class NeedsArgumentsError(Exception):
    def __init__(self, first, second):
        raise AssertionError("must not be called")


class StrangeError(Exception):
    def __new__(cls, one, two):
        return super().__new__(cls, one, two)


def failing(error):
    with pytest.raises(RankError) as raised, agreed(SOLO, "writing"):
        raise error
    return raised.value


def test_the_error_is_a_rank_error_and_what_it_was():
    original = CaptureError("local 'sock' cannot be captured")
    error = failing(original)
    assert isinstance(error, CaptureError)
    assert isinstance(error, TypeError)
    assert str(error) == "writing: local 'sock' cannot be captured"
    assert error.failures == {0: "CaptureError: local 'sock' cannot be captured"}
    assert error.__cause__ is original
    assert type(error).__name__ == "CaptureError"


def test_an_error_of_the_system_keeps_its_number():
    error = failing(OSError(errno.ENOSPC, "No space left on device", "/x/shard"))
    assert isinstance(error, OSError)
    assert (error.errno, error.filename) == (errno.ENOSPC, "/x/shard")
    assert str(error).startswith("writing: OSError: [Errno 28]")


def test_a_class_is_made_without_its_init():
    made = NeedsArgumentsError.__new__(NeedsArgumentsError)
    made.args = ("why",)
    error = failing(made)
    assert isinstance(error, NeedsArgumentsError)
    assert str(error) == "writing: NeedsArgumentsError: why"


def test_what_cannot_be_made_is_a_plain_rank_error():
    error = ExceptionGroup("g", [ValueError()])
    raised = failing(error)
    assert type(raised) is RankError
    assert raised.__cause__ is error
    raise_interrupt(raised)  # it is none


def test_an_interrupt_is_one_again_where_the_run_is_left():
    error = KeyboardInterrupt()
    raised = failing(error)
    assert raised.__cause__ is error
    with pytest.raises(KeyboardInterrupt) as left:
        raise_interrupt(raised)
    assert left.value is error


def test_a_class_is_made_without_its_new():
    assert isinstance(failing(StrangeError(1, 2)), StrangeError)


def test_a_local_class_is_a_plain_rank_error():
    class LocalError(Exception):
        pass

    assert type(failing(LocalError("here"))) is RankError


@pytest.mark.parametrize("error", [KeyError("name"), UnicodeDecodeError("utf8", b"x", 0, 1, "bad")])
def test_built_in_errors_with_their_own_text_show_ours(error):
    raised = failing(error)
    assert isinstance(raised, type(error))
    assert str(raised).startswith("writing: ")


def test_a_message_is_one_line():
    assert "\n" not in str(failing(ValueError("one\ntwo")))


def test_an_agreed_error_that_fails_a_later_step_keeps_its_class_and_text():
    first = failing(CaptureError("x"))
    with pytest.raises(CaptureError) as second, agreed(SOLO, "checkpoint"):
        raise first
    assert str(second.value) == "checkpoint: writing: x"


def test_results_come_back_when_nothing_failed():
    assert together(SOLO, "x", lambda: 3) == [3]
    assert shared(SOLO, "x", lambda: "one") == "one"
