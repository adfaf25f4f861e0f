"""What only another thread has."""

import contextlib
import threading


@contextlib.contextmanager
def held_elsewhere(begin, end=lambda _: None):
    """What ``begin()`` returns in a thread that waits meanwhile, and then calls ``end`` with it."""
    held, ready, done = [], threading.Event(), threading.Event()

    def elsewhere():
        held.append(begin())
        ready.set()
        done.wait(30)
        end(held[0])

    thread = threading.Thread(target=elsewhere)
    thread.start()
    ready.wait(30)
    try:
        yield held[0]
    finally:
        done.set()
        thread.join()
