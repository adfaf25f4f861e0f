"""Open files: unchanged when read, cut back when written, refused when they have no name."""

import csv
import io
import os
import socket
import subprocess
import sys
import tempfile

import h5py
import pytest

from sauerkraut.errors import CaptureError, ResumeError
from sauerkraut.objects import graph
from tests.unit.objects import crossing
from tests.unit.objects.crossing import round_trip


@pytest.fixture
def lines(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("".join(f"line {i} äöü\n" for i in range(3000)), encoding="utf-8")
    return path


def test_reading_goes_on_where_it_was(lines):
    with lines.open(encoding="utf-8") as text, lines.open("rb") as data:
        text.readline()
        data.read(100)
        text2, data2 = round_trip(text, data)
        with text2, data2:
            assert text2.readline() == text.readline()
            assert data2.read() == data.read()
            assert (text2.mode, text2.encoding) == ("r", "utf-8")


@pytest.mark.parametrize("handed_out", [0, 1, 500, 2999, 3000])
def test_a_text_file_being_iterated(lines, handed_out):
    with lines.open(encoding="utf-8") as text:
        for i, _ in enumerate(text, 1):
            if i >= handed_out:
                break
        frozen = graph.freeze([text])
        (back,) = graph.thaw(frozen)
        with back:
            rest = list(back)
        assert list(text) == rest
        assert len(rest) == 3000 - max(handed_out, 1)


@pytest.mark.parametrize("newline", [None, "", "\n", "\r\n", "\r"])
def test_newline_translation(tmp_path, newline):
    path = tmp_path / "mixed"
    path.write_bytes(b"a\r\nb\rc\nd\r\n" * 5)
    with path.open(newline=newline) as text:
        next(text)
        (back,) = round_trip(text)
        with back:
            assert list(back) == list(text)
    with path.open("w", newline=newline) as text:
        text.write("1\n")
        (back,) = round_trip(text)
        with back:
            back.write("2\n")
    with path.open("w", newline=newline) as text:
        text.write("1\n2\n")
        text.flush()
        expected = path.read_bytes()
    assert path.read_bytes() == expected


def test_a_changed_input_is_refused(lines):
    with lines.open() as text:
        frozen = graph.freeze([text])
    with lines.open("a") as more:
        more.write("x")
    with pytest.raises(ResumeError, match="has changed since the capture"):
        graph.thaw(frozen)
    lines.unlink()
    with pytest.raises(ResumeError, match="was open for reading"):
        graph.thaw(frozen)


@pytest.mark.parametrize("mode", ["w", "a", "x", "w+", "r+", "wb", "ab", "rb+"])
def test_output_after_the_capture_appears_once(tmp_path, mode):
    path = tmp_path / "log"
    if mode.startswith("r"):
        path.write_text("")

    def put(file, text):
        file.write(text if "b" not in mode else text.encode())

    with path.open(mode) as log:
        put(log, "before\n")
        frozen = graph.freeze([{"log": log}, log])
        put(log, "lost\nlost\n")
    assert path.read_text() == "before\nlost\nlost\n"
    actions = []
    held, back = graph.thaw(frozen, actions=actions)
    assert held["log"] is back
    assert path.read_text() == "before\nlost\nlost\n"  # not touched yet
    for act in actions:
        act()
    assert path.read_text() == "before\n"
    with back:
        put(back, "after\n")
    assert path.read_text() == "before\nafter\n"


def test_output_is_on_the_disk_when_it_is_captured(tmp_path, monkeypatch):
    sync, synced = os.fsync, []

    def watched(descriptor):
        sync(descriptor)
        synced.append(os.fstat(descriptor).st_size)

    monkeypatch.setattr(os, "fsync", watched)
    with (tmp_path / "log").open("w") as log:
        log.write("before\n")
        graph.freeze([log])
    assert synced == [7]


def test_output_in_another_process(tmp_path):
    path = tmp_path / "log"
    with path.open("w") as log:
        log.write("before\n")
        values = [log]
        crossing.elsewhere(values, "values[0].write('after\\n'); values[0].close()")
    assert path.read_text() == "before\nafter\n"


def test_position_in_the_middle_of_an_output(tmp_path):
    path = tmp_path / "data"
    with path.open("wb") as data:
        data.write(b"0123456789")
        data.seek(4)
        (back,) = round_trip(data)
    with back:
        back.write(b"xx")
    assert path.read_bytes() == b"0123xx6789"


def test_a_shorter_output_is_refused(tmp_path):
    path = tmp_path / "log"
    with path.open("w") as log:
        log.write("before\n")
        frozen = graph.freeze([log])
    path.write_text("x")
    with pytest.raises(ResumeError, match="shorter than at the capture: 7 bytes are needed, 1 "):
        graph.thaw(frozen)
    assert path.read_text() == "x"


def test_layers_of_one_file_stay_one(tmp_path):
    path = tmp_path / "log"
    with path.open("w+") as log:
        log.write("ab\n")
        back, buffer, raw = round_trip(log, log.buffer, log.buffer.raw)
        assert back.buffer is buffer
        assert buffer.raw is raw
        back.close()


def test_standard_streams_go_by_name():
    result = crossing.elsewhere(
        [sys.__stdout__, sys.__stderr__.buffer],
        "result = (values[0] is sys.__stdout__, values[1] is sys.__stderr__.buffer)",
    )
    assert result == (True, True)


def test_what_stands_in_for_a_standard_stream(monkeypatch):
    class Tee:
        def __init__(self, *streams):
            self.streams = streams
            self.handle = (x for x in [])  # cannot be captured

        def write(self, text):
            return len(text)

        def flush(self):
            pass

    monkeypatch.setattr(sys, "stdout", Tee(sys.stdout))
    frozen = graph.freeze([sys.stdout, [sys.stdout]])
    monkeypatch.setattr(sys, "stdout", Tee())
    back, held = graph.thaw(frozen)
    assert back is held[0] is sys.stdout
    monkeypatch.setattr(sys, "stdout", __import__("io").StringIO("text"))
    (back,) = round_trip(sys.stdout)
    assert back is not sys.stdout
    assert back.getvalue() == "text"


def test_closed_files_stay_closed(lines):
    with lines.open() as text:
        pass
    (back,) = round_trip(text)
    assert back.closed
    assert back.name == str(lines)


@pytest.mark.parametrize("mode", ["rb", "r", "w", "a", "r+", "w+b", "ab"])
@pytest.mark.parametrize("buffering", [-1, 0])
def test_closed_files_are_of_the_same_kind(tmp_path, monkeypatch, mode, buffering):
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    if buffering == 0 and "b" not in mode:
        mode += "b"
    encoding = None if "b" in mode else "latin-1"
    with open("file", mode, buffering, encoding=encoding) as file:  # noqa: PTH123 - its name is a str
        pass
    (back,) = round_trip(file)
    assert back.closed
    assert (type(back), back.name, back.mode) == (type(file), file.name, file.mode)
    assert getattr(back, "encoding", None) == encoding
    with pytest.raises(ValueError, match="closed file"):
        back.tell()


def test_what_went_over_a_file_that_is_closed_now(lines):
    with lines.open() as text:
        reader, pairs = csv.reader(text), enumerate(text)
        next(reader), next(pairs)
    text2, reader2, pairs2 = round_trip(text, reader, pairs)
    assert text2.closed
    assert reader2.line_num == 1
    for each in (reader, reader2, pairs, pairs2):
        with pytest.raises(ValueError, match="closed file"):
            next(each)


def test_texts_and_bytes_in_memory_that_are_closed():
    with io.StringIO("text") as text, io.BytesIO(b"data") as data:
        pass
    text2, data2 = round_trip(text, data)
    assert (type(text2), text2.closed, type(data2), data2.closed) == (
        io.StringIO,
        True,
        io.BytesIO,
        True,
    )


def test_files_keep_the_name_they_were_opened_by(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").write_text("one\ntwo\n")
    with open("in") as file, open("out", "w") as out:  # noqa: PTH123 - their names are str
        next(file)
        out.write("1")
        file2, out2 = round_trip(file, out)
        with file2, out2:
            assert (file2.name, out2.name) == ("in", "out")
            assert file2.buffer.raw.name == "in"
            with round_trip(file2)[0] as third:
                assert (third.name, next(third)) == ("in", "two\n")


def test_a_relative_name_after_a_change_of_directory(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path)
    with open("log", "w") as out:  # noqa: PTH123 - its name is a str
        out.write("1")
        monkeypatch.chdir("run")
        (out2,) = round_trip(out)
        with out2:
            out2.write("2")
            assert out2.name == "log"
    assert (tmp_path / "log").read_text() == "12"


def test_what_is_refused():
    read, write = os.pipe()
    with os.fdopen(read) as pipe, os.fdopen(write, "w") as other, tempfile.TemporaryFile() as gone:
        for file in (pipe, other, gone):
            with pytest.raises(CaptureError, match="close it before the checkpoint"):
                round_trip(file)
    left, right = socket.socketpair()
    with left, right, left.makefile() as made:
        for each in (left, made):
            with pytest.raises(CaptureError, match="close it before the checkpoint"):
                round_trip(each)
    with (
        subprocess.Popen(["true"], stdin=subprocess.DEVNULL) as process,
        pytest.raises(CaptureError, match="Popen cannot be captured; wait for it"),
    ):
        round_trip(process)


def test_a_temporary_file_with_a_name(tmp_path):
    with (
        tempfile.NamedTemporaryFile("w", dir=tmp_path) as gone,
        pytest.raises(CaptureError, match="it is deleted when the process ends; close it"),
    ):
        round_trip(gone)
    with tempfile.NamedTemporaryFile("w+", dir=tmp_path, delete=False) as kept:
        kept.write("before")
        frozen = graph.freeze([kept])
        kept.write("lost")
    with graph.thaw(frozen)[0] as back:
        back.write("after")
        back.seek(0)
        assert (back.read(), back.name) == ("beforeafter", kept.name)


def test_a_deleted_file_is_refused(lines):
    with lines.open() as text:
        lines.unlink()
        with pytest.raises(CaptureError, match="has no name any more"):
            round_trip(text)


def test_h5py_files_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = [1, 2]
        for each in (file, file["x"]):
            with pytest.raises(CaptureError, match="open the file inside a function"):
                round_trip(each)


def test_a_file_without_a_name_is_refused_and_stays_open(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("one\ntwo\nthree\n")
    with os.fdopen(os.open(path, os.O_RDONLY)) as file:
        next(file)
        with pytest.raises(CaptureError, match="has no name"):
            graph.freeze([file])
        assert list(file) == ["two\n", "three\n"]
