"""Stacks too deep to be rebuilt are an error that says what to do, never a crash."""

import sys
import threading

import pytest

import sauerkraut as skt
from sauerkraut import ResumeError


@pytest.fixture
def deep():
    """Allow deep recursion for a while."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    yield
    sys.setrecursionlimit(limit)


def take(kept):
    snapshot = skt.capture()
    if snapshot:
        kept.append(snapshot)
    return snapshot


def fall(n, kept):
    if n == 0:
        take(kept)
        return 0
    return 1 + fall(n - 1, kept)


def test_deep_recursion_is_an_error_not_a_crash():
    kept = []
    assert skt.call(fall, 600, kept) == 600
    assert kept[0].resume() == 600

    def deeper(n):
        return kept[0].resume() if n == 0 else deeper(n - 1)

    with pytest.raises(RecursionError, match="setrecursionlimit"):
        deeper(sys.getrecursionlimit() - 500)


def test_a_thread_with_a_small_stack_is_an_error_not_a_crash():
    def fall(n, kept):
        return take(kept) if n == 0 else fall(n - 1, kept)

    kept, told = [], []
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(5000)
    try:
        skt.call(fall, 2500, kept)
        size = threading.stack_size(128 * 1024)

        def work():
            try:
                told.append(kept[0].resume())
            except ResumeError as error:
                told.append(str(error))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(size)
        sys.setrecursionlimit(limit)
    # From 3.13 on, depth costs no C stack.
    assert told[0] is skt.Resumed or "threading.stack_size" in told[0]
    assert skt.Resumed in told or sys.version_info < (3, 13)


def test_more_frames_than_the_c_stack_can_nest(deep):
    kept = []
    assert skt.call(fall, 5200, kept) == 5200
    if sys.version_info >= (3, 13):  # depth costs no C stack
        assert kept[0].resume() == 5200
    else:
        with pytest.raises(ResumeError, match=r"5202 frames deep; this CPython can rebuild 5000"):
            kept[0].resume()
