"""Old epochs go while the program goes on."""

import threading

import sauerkraut as skt
from sauerkraut.storage import disk
from sauerkraut.testing import faults


class Holding:
    """Holds the unlinking of old epochs up until it is let go."""

    def __init__(self):
        self.go = threading.Event()
        self.unlinked = []

    def __call__(self, call):
        if call.operation == "unlink" and ".trash-" in call.path.parent.name:
            assert self.go.wait(60)
            self.unlinked.append(call.path.name)


def three_epochs(directory):
    first = skt.current().checkpoint()
    second = skt.current().checkpoint()
    assert [path.name for path in directory.glob("epoch-????????")] == [second.path.name]
    assert disk.hook.unlinked == []
    disk.hook.go.set()
    third = skt.current().checkpoint()  # the space may be needed now
    assert set(disk.hook.unlinked) >= {"manifest.h5", "shard-00000.h5"}
    return first.number, second.number, third.number


def test_a_checkpoint_does_not_wait_until_old_files_are_unlinked(make, directory):
    with faults.injected(Holding()):
        assert make(keep=1).run(three_epochs, directory) == (1, 2, 3)
    assert list(directory.glob("*.trash-*")) == []


def test_a_lock_may_be_held_while_old_files_are_unlinked(make):
    def work():
        lock = threading.Lock()
        with lock:
            for _ in range(3):
                skt.current().checkpoint()
        return lock.locked()

    assert make(keep=1).run(work) is False


def test_beside_the_epoch_that_is_written_lie_no_more_than_are_kept(make, directory):
    there = []

    def look(call):
        if call.operation == "allocate":
            there.append(len(list(directory.glob("epoch-*"))))

    def work():
        for _ in range(6):
            skt.current().checkpoint()

    with faults.injected(look):
        make(keep=2).run(work)
    assert max(there) == 3
