"""Requests for a checkpoint: files that come and go."""

from sauerkraut.checkpoint.requests import Request, pending, write


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
