"""Threads and child processes that a restart would not bring back."""

import concurrent.futures
import functools
import multiprocessing
import multiprocessing.pool
import subprocess
import sys
import threading

import pytest

import sauerkraut as skt
from sauerkraut.errors import CaptureError
from tests.unit.checkpoint.crashing import notes


class Watcher(threading.Thread):
    def run(self):
        wait()


def wait():
    notes[0].wait()


def start_thread(kind):
    made = {
        "a target": lambda: threading.Thread(target=wait, daemon=True),
        "a partial": lambda: threading.Thread(target=functools.partial(wait), daemon=True),
        "a class": lambda: Watcher(daemon=True),
        "of a package": lambda: threading.Thread(target=notes[0].wait),
        "of a package, a daemon": lambda: threading.Thread(target=notes[0].wait, daemon=True),
        "a timer": lambda: threading.Timer(1000, wait),
    }[kind]()
    made.name = "mine"
    made.start()
    notes.append(made)


def checkpointing(begin, *arguments):
    """What a checkpoint says after ``begin()``, when nothing captured refers to what that began."""
    begin(*arguments)
    try:
        return skt.current().checkpoint().number
    except CaptureError as error:
        return str(error)


@pytest.fixture(autouse=True)
def ended(no_notes):
    """The first note is an event: when it is set, threads end."""
    event = threading.Event()
    notes.append(event)
    yield event
    event.set()
    for each in notes:
        if isinstance(each, threading.Timer):
            each.cancel()


@pytest.mark.parametrize(
    ("kind", "runs"),
    [
        ("a target", "test_bystanders.wait"),
        ("a partial", "test_bystanders.wait"),
        ("a class", "test_bystanders.Watcher"),
        ("of a package", "threading.Event.wait"),
        ("a timer", "test_bystanders.wait"),
    ],
)
def test_a_thread_is_named_and_refused_unless_allowed(make, kind, runs):
    said = make().run(checkpointing, start_thread, kind)
    assert "would not bring back thread 'mine' running " in said
    assert f"{runs}: let it end" in said
    assert 'allow=("threads",)' in said
    again = make(allow=["threads"]).run(checkpointing, start_thread, kind, fresh=True)
    assert isinstance(again, int)


def test_a_daemon_thread_of_a_package_is_not_the_programs(make):
    assert make().run(checkpointing, start_thread, "of a package, a daemon") == 1


def test_threads_and_processes_from_before_the_run_are_there_after_a_restart_too(make):
    start_thread("a target")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE):
        assert make().run(checkpointing, int) == 1


def test_a_thread_pool_is_refused_until_it_is_shut_down(make):
    def work():
        notes.append(concurrent.futures.ThreadPoolExecutor(1, "pool"))
        notes[1].submit(int).result()
        said = checkpointing(int)
        notes[1].shutdown()
        return said, checkpointing(int)

    said, number = make().run(work)
    assert "'pool_0' running concurrent.futures.thread._worker" in said
    assert number == 1


def test_a_child_process_is_named_until_it_has_ended(make):
    def work():
        words = [sys.executable, "-c", "input(0)"]
        notes.append(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        assert notes[1].stdout.read(1) == b"0"  # it runs
        said = checkpointing(int)
        notes[1].communicate(b"\n")
        return said, notes[1].pid, checkpointing(int)

    said, pid, number = make().run(work)
    assert f"child process {pid} ({sys.executable} -c input(0))" in said
    assert 'allow=("processes",)' in said
    assert number == 1


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_process_pool_is_refused_and_helpers_of_python_are_not(make, method):
    def work():
        notes.append(multiprocessing.pool.Pool(2, context=multiprocessing.get_context(method)))
        said = checkpointing(int)
        notes[1].terminate()
        notes[1].join()
        return said, checkpointing(int)

    said, number = make().run(work)
    assert "would not bring back child process" in said
    assert number == 1


def test_the_rehearsal_tells_it_at_the_second_poll(make):
    def work():
        start_thread("a target")
        for step in range(5):
            skt.current().poll(step)

    with pytest.raises(CaptureError, match=r"thread 'mine' running .*wait"):
        make().run(work)


@pytest.mark.parametrize("allow", ["threads", ["locks"]])
def test_what_cannot_be_allowed_is_refused(make, allow):
    with pytest.raises((TypeError, ValueError), match="allow"):
        make(allow=allow)
