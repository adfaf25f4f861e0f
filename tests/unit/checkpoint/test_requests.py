"""Requests for a checkpoint: files that come and go."""

import errno
import os

import pytest

from sauerkraut.checkpoint.requests import Request, pending, remove, write
from sauerkraut.errors import StorageError
from sauerkraut.testing import faults


def test_a_request_is_read_as_it_was_written(tmp_path):
    request = Request("abc", stop=True, who="a person")
    assert write(tmp_path, request).name == "request-abc"
    assert pending(tmp_path, set()) == [request]


def test_nothing_is_asked_in_an_empty_or_missing_directory(tmp_path):
    assert pending(tmp_path, set()) == []
    assert pending(tmp_path / "none", set()) == []


def test_a_satisfied_request_is_ignored_and_its_file_removed(tmp_path):
    path = write(tmp_path, Request("abc", stop=True))
    assert pending(tmp_path, {"abc"}) == []
    assert not path.exists()


def test_what_is_no_request_is_left_alone(tmp_path):
    for name, content in (
        ("request-bad", "{"),
        ("request-list", "[]"),
        ("request-empty", "{}"),
        ("request-", "{}"),
        ("something", "{}"),
    ):
        (tmp_path / name).write_text(content)
    assert pending(tmp_path, {"something"}) == []
    assert len(list(tmp_path.iterdir())) == 5


def test_a_satisfied_request_that_cannot_be_removed_is_ignored(tmp_path):
    (tmp_path / "request-abc").mkdir()
    (tmp_path / "request-deep").write_text("[" * 200_000)
    assert pending(tmp_path, {"abc"}) == []


def test_a_request_far_too_large_is_left_alone(tmp_path):
    (tmp_path / "request-abc").touch()
    os.truncate(tmp_path / "request-abc", 1 << 40)
    assert pending(tmp_path, set()) == []


@pytest.mark.parametrize("name", ["", "a/b", "../OWNER", "a" * 65])
def test_an_id_that_is_none_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="letters and digits"):
        write(tmp_path, Request(name, stop=True))
    assert list(tmp_path.iterdir()) == []


def test_every_call_on_the_directory_may_fail(tmp_path):
    recording = faults.Recording()
    with faults.injected(recording):
        request = Request("abc", stop=True)
        write(tmp_path, request)
        pending(tmp_path, set())
        remove(tmp_path, [request])
    operations = [call.operation for call in recording.calls]
    assert {"create", "write", "rename", "list", "open", "read", "unlink"} <= set(operations)
    for ordinal in range(1, len(operations) + 1):
        fault = faults.Failing(ordinal, errno.EIO)
        with faults.injected(fault):
            try:
                write(tmp_path, request)
            except StorageError:
                assert pending(tmp_path, set()) == []
            assert len(pending(tmp_path, set())) <= 1
            remove(tmp_path, [request])
        assert fault.call is not None
