"""What beside frames and arguments a restart brings back: globals, process state, providers."""

import os
import random
from pathlib import Path

import numpy as np
import pytest

import sauerkraut as skt
from sauerkraut.errors import ResumeError
from tests.unit.checkpoint.crashing import CrashError, notes


def test_random_streams_go_on_where_they_were(make):
    def work():
        random.seed(7)
        random.random()
        if isinstance(skt.current().checkpoint(), skt.Epoch):
            raise CrashError
        return random.random()

    with pytest.raises(CrashError):
        make().run(work)
    random.seed(1)
    value = make().run(work)
    expected = random.Random(7)
    expected.random()
    assert value == expected.random()


def test_what_is_excluded_is_left_out_of_generators_too(make):
    def numbers(source):
        yield from range(4)

    def work():
        held = numbers(iter(memoryview(b"cannot be captured")))
        next(held)
        if isinstance(skt.current().checkpoint(), skt.Epoch):
            raise CrashError
        return held

    with pytest.raises(CrashError):
        make(exclude=["source"]).run(work)
    returned = make(exclude=["source"]).run(work)
    assert next(returned) == 1
    assert list(make(exclude=["source"]).run(work)) == [1, 2, 3]  # as it was returned


counter = {"steps": 0}


def count():
    counter["steps"] += 1
    if isinstance(skt.current().checkpoint(), skt.Epoch):
        raise CrashError
    return counter["steps"]


def test_globals_of_the_program_come_back(make):
    global counter
    with pytest.raises(CrashError):
        make().run(count)
    counter = {"steps": 50}
    assert make().run(count) == 1


class Particle:
    made = 0
    names = ()

    def __init__(self):
        Particle.made += 1
        type(self).names += (f"particle {Particle.made}",)


def make_particles():
    Particle()
    if isinstance(skt.current().checkpoint(), skt.Epoch):
        raise CrashError
    Particle()
    return Particle.made, Particle.names


def test_attributes_of_classes_come_back(make, monkeypatch):
    monkeypatch.setattr(Particle, "made", 0)
    monkeypatch.setattr(Particle, "names", ())
    with pytest.raises(CrashError):
        make().run(make_particles)
    Particle.made, Particle.names = 0, ()
    assert make().run(make_particles) == (2, ("particle 1", "particle 2"))


def test_globals_can_be_left_alone(make):
    global counter
    counter = {"steps": 0}
    with pytest.raises(CrashError):
        make(globals="none").run(count)
    counter = {"steps": 50}
    assert make(globals="none").run(count) == 50


def test_the_checkpointer_met_in_a_frame_is_the_running_one(make):
    def work(checkpointer):
        if isinstance(checkpointer.checkpoint(), skt.Epoch):
            raise CrashError
        return checkpointer

    first = make()
    with pytest.raises(CrashError):
        first.run(work, first)
    second = make()
    assert second.run(work, second) is second


def test_providers_save_and_load_their_own_data(make):
    cache = {"table": np.arange(3.0)}

    def start(crash):
        ckpt = make()
        ckpt.provide("cache", lambda: {"table": cache["table"], "n": 3}, notes.append)
        return ckpt.run(work)

    def work():
        if isinstance(skt.current().checkpoint(), skt.Epoch):
            raise CrashError
        return notes[0]["n"]  # loaded before any frame runs

    with pytest.raises(CrashError):
        start(True)
    assert start(False) == 3
    assert notes[0]["table"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(("then", "now"), [("mesh", None), (None, "mesh")])
def test_providers_must_be_those_of_the_epoch(make, then, now):
    def start(name):
        ckpt = make()
        if name:
            ckpt.provide(name, dict, lambda data: None)
        ckpt.run(work)

    def work():
        skt.current().checkpoint()
        raise CrashError

    with pytest.raises(CrashError):
        start(then)
    with pytest.raises(ResumeError, match="provider 'mesh'"):
        start(now)


def test_on_restart_is_called_before_frames_run(make):
    def work():
        if isinstance(skt.current().checkpoint(), skt.Epoch):
            raise CrashError
        notes.append("frames")

    for _ in range(2):
        ckpt = make()

        @ckpt.on_restart
        def reopen(restart):
            notes.append(restart.epoch)

        try:
            ckpt.run(work)
        except CrashError:
            assert notes == []
    assert notes == [1, "frames"]


def test_a_relative_directory_stays_where_it_was_when_the_program_changes_directory(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()

    def work():
        monkeypatch.chdir(tmp_path / "elsewhere")
        if isinstance(skt.current().checkpoint(), skt.Epoch):
            raise CrashError
        return Path.cwd()

    with pytest.raises(CrashError):
        skt.Checkpointer("ckpt", interval=None, quiet=True).run(work)
    monkeypatch.chdir(tmp_path)
    assert (tmp_path / "ckpt" / "epoch-00000001").is_dir()
    value = skt.Checkpointer("ckpt", interval=None, quiet=True).run(work)
    assert value == tmp_path / "elsewhere"


def read_on(path):
    with path.open() as file:
        first = file.readline()
        if isinstance(skt.current().checkpoint(), skt.Epoch):
            raise CrashError
        return first, file.readline()


@pytest.mark.parametrize(
    ("now", "told"), [("a\nB!\nc\n", "6 bytes then, 7 bytes now"), ("a\nB\nc\n", "written")]
)
def test_a_file_being_read_that_has_changed_is_refused_or_warned_of(
    make, tmp_path, caplog, now, told
):
    path = tmp_path / "input.txt"
    path.write_text("a\nb\nc\n")
    with pytest.raises(CrashError):
        make().run(read_on, path)
    path.write_text(now)
    os.utime(path, (1, 1))
    with pytest.raises(ResumeError, match=told):
        make().run(read_on, path)
    first, second = make(on_changed="warn").run(read_on, path)
    assert (first, second) == ("a\n", now.splitlines(keepends=True)[1])
    assert told in caplog.text


def test_random_streams_come_back_after_what_may_draw_from_them(make):
    def work():
        random.seed(3)
        random.random()
        if isinstance(skt.current().checkpoint(), skt.Epoch):
            raise CrashError
        return random.random()

    def start():
        ckpt = make()
        ckpt.provide("draws", dict, lambda data: random.random())
        ckpt.on_restart(lambda restart: random.random())
        return ckpt.run(work)

    with pytest.raises(CrashError):
        start()
    value = start()
    expected = random.Random(3)
    expected.random()
    assert value == expected.random()
