"""Locks come back in their state; what runs beside this thread is refused by name."""

import concurrent.futures
import multiprocessing
import multiprocessing.shared_memory
import queue
import subprocess
import sys
import threading

import pytest

from sauerkraut.errors import CaptureError
from sauerkraut.objects import graph
from tests.unit.objects.crossing import round_trip


def test_locks_held_by_this_thread_come_back_held():
    lock, free, again = threading.Lock(), threading.Lock(), threading.RLock()
    with lock, again, again:
        held, open_, recursive, same = round_trip(lock, free, again, lock)
    assert held.locked()
    assert same is held
    assert not open_.locked()
    recursive.release()
    assert recursive._is_owned()
    recursive.release()
    assert not recursive._is_owned()


def test_conditions_events_and_queues():

    event, condition, waiting = threading.Event(), threading.Condition(), queue.Queue()
    event.set()
    waiting.put("item")
    event2, condition2, waiting2 = round_trip(event, condition, waiting)
    assert event2.is_set()
    with condition2:
        condition2.notify_all()
    assert waiting2.get(timeout=1) == "item"


def test_locks_of_other_threads_are_refused():
    lock, recursive = threading.Lock(), threading.RLock()
    ready, done = threading.Event(), threading.Event()

    def hold():
        with lock, recursive:
            ready.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert ready.wait(30)
        for held in (lock, recursive, thread):
            with pytest.raises(CaptureError, match="cannot be captured; "):
                round_trip(held)
    finally:
        done.set()
        thread.join()


def test_thread_locals_and_the_main_thread():
    local = threading.local()
    local.x = [1]
    back, main = round_trip(local, threading.main_thread())
    assert back.x == [1]
    assert main is threading.main_thread()


def test_thread_locals_of_a_class_of_ones_own():
    class Counter(threading.local):
        __slots__ = ("shared",)

        def __init__(self, start, *, step):
            self.value, self.step = start, step

    class Plain(threading.local):
        pass

    counter, plain = Counter([7], step=2), Plain()
    counter.shared, counter.value, plain.x = (1,), [8], 3
    back, kept, cls = round_trip(counter, plain, Counter)
    assert type(back) is cls
    assert (back.value, back.step, back.shared, kept.x) == ([8], 2, (1,), 3)
    told = []
    thread = threading.Thread(target=lambda: told.append((back.value, back.step, vars(kept))))
    thread.start()
    thread.join()
    assert told == [([7], 2, {})]


def test_a_condition_that_is_held():
    condition = threading.Condition()
    plain = threading.Condition(threading.Lock())
    with condition, plain:
        back, plain_back = round_trip(condition, plain)
        back.notify_all()
        assert back._is_owned()
        assert not plain_back.acquire(blocking=False)
    back.release()
    plain_back.release()
    with back, plain_back:
        pass


def test_semaphores_and_barriers_keep_their_count():
    counted, bounded = threading.Semaphore(3), threading.BoundedSemaphore(2)
    counted.acquire()
    bounded.acquire()
    back, bounded_back, barrier = round_trip(counted, bounded, threading.Barrier(1))
    assert [back.acquire(blocking=False) for _ in range(3)] == [True, True, False]
    bounded_back.release()
    with pytest.raises(ValueError, match="released too many"):
        bounded_back.release()
    assert barrier.wait(timeout=1) == 0


def test_a_lock_in_a_with_statement_is_released_after_a_restart():
    lock = threading.RLock()
    shared = {"lock": lock, "value": 1}
    with shared["lock"]:
        (back,) = round_trip(shared)
        held, taken = back["lock"], []
        thread = threading.Thread(target=lambda: taken.append(held.acquire(blocking=False)))
        thread.start()
        thread.join()
        assert taken == [False]
        held.release()


def refused(value):
    with pytest.raises(CaptureError) as raised:
        graph.freeze([{"held": value}], names=lambda _: "f() -> local 'state'")
    return str(raised.value)


def test_child_processes_and_pools_are_named():
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=print)
    left, right = context.Pipe()
    waiting = context.Queue()
    assert "item 'held': " in refused(child)
    assert "Process cannot be captured; join it" in refused(child)
    assert "Connection cannot be captured; close it" in refused(left)
    assert "Queue cannot be captured; close it" in refused(waiting)
    left.close()
    right.close()
    waiting.close()
    with context.Pool(1) as pool:
        assert "Pool cannot be captured; close it" in refused(pool)
        pool.terminate()
        pool.join()


def test_memory_and_locks_of_other_processes_are_named():
    context = multiprocessing.get_context("spawn")
    for value in (context.Value("i", 3), context.Array("d", 3)):
        assert "cannot be captured; other processes have its memory too" in refused(value)
    assert "its memory is that of mmap" in refused(context.RawArray("d", 3))
    assert "Lock cannot be captured; it is shared with other processes" in refused(context.Lock())
    block = multiprocessing.shared_memory.SharedMemory(create=True, size=64)
    try:
        numbers = multiprocessing.shared_memory.ShareableList([1, 2])
        try:
            for value in (block, numbers):
                assert "cannot be captured; other processes have its memory" in refused(value)
        finally:
            numbers.shm.close()
            numbers.shm.unlink()
    finally:
        block.close()
        block.unlink()


def test_what_a_manager_serves_is_named():
    with multiprocessing.get_context("spawn").Manager() as manager:
        for value in (manager, manager.dict(), manager.Lock(), manager.Value("i", 3)):
            assert "cannot be captured; it lives in the process of a Manager" in refused(value)


def test_executors_and_futures_are_named():
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(int, "3")
        assert "ThreadPoolExecutor cannot be captured; shut it down" in refused(pool)
        assert "Future cannot be captured; wait for its result" in refused(future)
    with concurrent.futures.ProcessPoolExecutor(1) as pool:
        assert "ProcessPoolExecutor cannot be captured; shut it down" in refused(pool)


def test_a_running_child_is_named():
    words = [sys.executable, "-c", "input()"]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as child:
        assert "Popen cannot be captured; wait for it" in refused(child)
        child.communicate(b"\n")
