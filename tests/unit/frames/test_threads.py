"""Several threads that resume at once do not disturb each other, nor what they leave behind."""

import ctypes
import gc
import threading
import time

import sauerkraut as skt

ROUNDS = 60


def inner(taken, n, **more):
    total = 0
    for i in range(3):
        more[f"x{i}"] = n
        if i == 1:
            taken.append(skt.capture())
        total += more[f"x{i}"] + i
    return total


def outer(taken, n, *rest, **more):
    return 1 + inner(taken, n, first=rest, **more)


def evaluator():
    """What evaluates frames: a hook may stand in for CPython's own function (PEP 523)."""
    api = ctypes.PyDLL(None)
    api.PyInterpreterState_Get.restype = ctypes.c_void_p
    api._PyInterpreterState_GetEvalFrameFunc.restype = ctypes.c_void_p
    api._PyInterpreterState_GetEvalFrameFunc.argtypes = [ctypes.c_void_p]
    return api._PyInterpreterState_GetEvalFrameFunc(api.PyInterpreterState_Get())


def test_threads_that_resume_at_once():
    taken = []
    expected = skt.call(outer, taken, 5, "y", z=1)
    results = {thread: [] for thread in range(4)}
    before = evaluator()

    def resume(thread):
        for _ in range(ROUNDS):
            results[thread].append(taken[0].resume())

    # Collecting runs Python code, and so other threads, in the middle of rebuilding.
    threshold = gc.get_threshold()
    gc.callbacks.append(lambda *_: time.sleep(0))
    gc.set_threshold(1)
    try:
        threads = [threading.Thread(target=resume, args=(each,)) for each in results]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.pop()
    assert results == {thread: [expected] * ROUNDS for thread in results}
    assert evaluator() == before
