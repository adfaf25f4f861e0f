"""Two incarnations, one directory: whatever their order of steps, one of them gives way."""

import dataclasses
import errno
import itertools
import os
import random
import signal
import threading

import pytest

from sauerkraut import storage
from sauerkraut.errors import DirectoryOwned, StorageError, Superseded
from sauerkraut.storage import catalog, disk, layout, owner, ownership
from sauerkraut.testing import faults

STEPS = ("rename", "list")
"""Calls before which a run may be overtaken, beside the opening of OWNER: the others change no
name, or names that nobody else reads."""


class Turns:
    """Runs functions in threads, one at a time, from step to step in a given order."""

    def __init__(self, order):
        self.order = iter(order)
        self.steps = []
        self.condition = threading.Condition()
        self.turn = None
        self.waiting = {}

    def __call__(self, call):
        name = threading.current_thread().name
        step = call.operation in STEPS or (call.operation, call.path.name) == ("open", layout.OWNER)
        if step and name in self.waiting:
            self.steps.append((name, call.operation, call.path.name))
            self.give_way(name)

    def give_way(self, name):
        with self.condition:
            self.waiting[name] = True
            self.turn = None
            self.condition.notify_all()
            assert self.condition.wait_for(lambda: self.turn == name, 30)
            self.waiting[name] = False

    def run(self, **functions):
        """Return name to result, an exception included."""
        results = {}

        def body(name):
            self.give_way(name)
            try:
                results[name] = functions[name]()
            except Exception as error:
                results[name] = error
            with self.condition:
                del self.waiting[name]
                self.turn = None
                self.condition.notify_all()

        self.waiting = dict.fromkeys(functions, False)
        threads = [threading.Thread(target=body, args=(n,), name=n) for n in functions]
        with faults.injected(self):
            for thread in threads:
                thread.start()
            while True:
                with self.condition:
                    assert self.condition.wait_for(
                        lambda: self.turn is None and all(self.waiting.values()), 30
                    )
                    if not self.waiting:
                        break
                    turn = next(self.order, None)
                    self.turn = turn if turn in self.waiting else min(self.waiting)
                    self.condition.notify_all()
            for thread in threads:
                thread.join()
        return results


def orders(**counts):
    """Yield every order in which the actors can take so many steps each."""
    names = [name for name, count in counts.items() for _ in range(count)]
    total = len(names)
    first, second = counts
    for places in itertools.combinations(range(total), counts[first]):
        yield [first if place in places else second for place in range(total)]


def scene(job, directory):
    """An owner with one committed epoch that is about to publish another."""
    old = job(directory, world_size=1).start()
    old.checkpoint()
    attempt = old.attempt()
    piece = storage.Piece(0, (storage.Stream("control", b"rank 0 at step 2"),))
    seals = [storage.write(attempt, piece, old.trust)]

    def publish():
        return storage.publish(old.ownership, attempt, seals, seconds=0.0, trust=old.trust)

    return old, attempt, publish


def taker(job, directory, take_over):
    """A rival that takes over, decides, and looks."""

    def take():
        ours = storage.Ownership.take(
            directory, storage.Incarnation.of_this_job(), take_over=take_over, wait=0
        )
        storage.roll_forward(ours, storage.Trust())
        seen = [str(entry.name) for entry in catalog.committed(directory)]
        ours.check()
        return seen

    return take


def contradiction(directory, results, attempt):
    """Say how what the actors were told contradicts what there is."""
    there = [str(entry.name) for entry in catalog.committed(directory)]
    published = str(layout.EpochName(attempt.epoch, "committed"))
    if not isinstance(results["old"], (storage.Epoch, Superseded)):
        return f"publish: {results['old']!r}"
    if isinstance(results["old"], storage.Epoch) and published not in there:
        return "an epoch whose commit had returned is gone"
    for name, seen in results.items():
        if name != "old" and isinstance(seen, list) and seen != there:
            return f"{name} decided on {seen}, there is {there}"
        if name != "old" and not isinstance(seen, (list, Superseded, DirectoryOwned)):
            return f"{name}: {seen!r}"
    if not any(isinstance(seen, list) for name, seen in results.items() if name != "old"):
        return f"no rival got the directory: {results}"
    for entry in catalog.committed(directory):
        if findings := catalog.verify(entry.path):
            return f"{entry.name}: {findings}"
    return None


def contradictions(job, directory, all_orders, rivals=("new",)):
    found, lengths = [], set()
    for number, order in enumerate(all_orders):
        here = directory / str(number)
        old, attempt, publish = scene(job, here)
        take_over = old.ownership.incarnation.id
        turns = Turns(order)
        actors = {name: taker(job, here, take_over) for name in rivals}
        results = turns.run(old=publish, **actors)
        lengths.add(tuple(sum(s[0] == name for s in turns.steps) for name in ("old", *rivals)))
        if why := contradiction(here, results, attempt):
            found.append((order, why))
    return found, lengths


@pytest.mark.slow
def test_every_interleaving_of_publish_and_take_over(job, directory):
    found, lengths = contradictions(job, directory, orders(old=3, new=10))
    assert found == []
    # one step more than the calls it stands between; the orders above reach the end of both
    assert max(old for old, _ in lengths) <= 3
    assert max(new for _, new in lengths) >= 8


@pytest.mark.slow
def test_without_fencing_the_same_interleavings_lose_an_epoch(job, directory, monkeypatch):
    monkeypatch.setattr(ownership, "_fence", lambda directory: None)
    found, _ = contradictions(job, directory, orders(old=3, new=10))
    assert found != []


@pytest.mark.slow
def test_random_interleavings_of_publish_and_two_rivals(job, directory):
    choose = random.Random(7)
    some = [choose.choices(["old", "new", "newer"], k=24) for _ in range(150)]
    found, _ = contradictions(job, directory, some, rivals=("new", "newer"))
    assert found == []


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_stopped_between_check_and_rename_it_is_superseded(job, directory):
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        _, _, publish = scene(job, directory)
        recording = faults.Recording()

        def stop_before_rename(call):
            recording(call)
            if call.operation == "rename":
                assert recording.calls[-2].path.name == layout.OWNER  # it has just looked
                os.kill(os.getpid(), signal.SIGSTOP)

        disk.hook = stop_before_rename
        try:
            publish()
            os.write(tell, b"published")
        except Superseded as error:
            os.write(tell, str(error).encode())
        os._exit(0)
    _, status = os.waitpid(child, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    theirs = owner.read(directory)
    with pytest.raises(DirectoryOwned, match=theirs.incarnation.id):
        job(directory).start()  # it lives: not without being asked to
    new = job(directory, take_over=theirs.incarnation.id, foreign=True).start()
    assert new.newest.number == 2  # rolled forward: every seal was there
    os.kill(child, signal.SIGCONT)
    os.waitpid(child, 0)
    assert b"was taken over" in os.read(told, 4096)
    assert [entry.name.number for entry in catalog.committed(directory)] == [2, 1]
    new.checkpoint()
    assert new.newest.number == 3


def incarnation(**changes):
    return dataclasses.replace(storage.Incarnation.of_this_job(), **changes)


def taken(directory, mine, **arguments):
    return storage.Ownership.take(directory, mine, wait=0, **arguments)


GONE = dataclasses.replace(storage.Process.this(), start_time=1)
ELSEWHERE = dataclasses.replace(storage.Process.this(), host="elsewhere", boot_id="another")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"processes": (GONE,)}, {}),
        ({"job_id": "7", "restart_count": 1}, {"job_id": "7", "restart_count": 2}),
        ({"supervisor": "loop"}, {"supervisor": "loop"}),
        (
            {"processes": (dataclasses.replace(storage.Process.this(), boot_id="before"),)},
            {},
        ),
    ],
    ids=["its processes are gone", "an earlier start of the job", "same supervisor", "rebooted"],
)
def test_who_may_take_over(directory, first, second):
    taken(directory, incarnation(**first))
    taken(directory, incarnation(**second)).check()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {}),
        ({"processes": (storage.Process.this(), GONE)}, {}),
        ({"processes": (GONE, ELSEWHERE)}, {}),
        ({"job_id": "7", "restart_count": 2}, {"job_id": "7", "restart_count": 2}),
        ({"job_id": "7"}, {"job_id": "8", "restart_count": 1}),
        ({"supervisor": "loop"}, {"supervisor": "other"}),
    ],
    ids=["it lives", "one lives", "one unseen", "same count", "another job", "another supervisor"],
)
def test_who_may_not_take_over(directory, first, second):
    old = taken(directory, incarnation(**first))
    before = sorted(directory.iterdir())
    with pytest.raises(DirectoryOwned, match=rf"TAKE_OVER={old.incarnation.id}") as refused:
        taken(directory, incarnation(**second))
    assert "\n" not in str(refused.value)
    assert sorted(directory.iterdir()) == before
    old.check()


def test_a_released_directory_is_free_and_the_old_owner_sees_it_go(directory):
    old = taken(directory, incarnation())
    old.release()
    new = taken(directory, incarnation())
    new.check()
    with pytest.raises(Superseded, match="was taken over by"):
        old.check()


def test_a_start_that_fails_once_it_owns_the_directory_releases_it(directory):
    def fail(call):
        if (call.operation, call.path) == ("fsync", directory):
            assert (directory / layout.OWNER).exists()
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with faults.injected(fail), pytest.raises(StorageError, match="Input/output error"):
        taken(directory, incarnation())
    assert owner.read(directory).released
    taken(directory, incarnation()).check()


def test_an_owner_that_was_not_touched_for_long_is_gone(directory):
    old = taken(directory, incarnation(processes=(ELSEWHERE,)))
    old.touch(0.1)
    path = directory / layout.OWNER
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 301))
    taken(directory, incarnation()).close()


def test_an_owner_seen_alive_on_this_host_is_not_gone_however_quiet(directory):
    taken(directory, incarnation()).touch(0.1)
    os.utime(directory / layout.OWNER, (0, 0))
    with pytest.raises(DirectoryOwned):
        taken(directory, incarnation())


def test_an_owner_with_long_gaps_between_polls_is_waited_for(directory):
    old = taken(directory, incarnation(processes=(ELSEWHERE,)))
    old.touch(100.0)
    path = directory / layout.OWNER
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 900))
    with pytest.raises(DirectoryOwned):
        taken(directory, incarnation())
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 200))
    taken(directory, incarnation()).close()


def test_touching_shows_life_and_writes_over_nobody(directory):
    old = taken(directory, incarnation())
    path = directory / layout.OWNER
    os.utime(path, (0, 0))
    old.touch(2.5)
    assert path.stat().st_mtime > 1e9
    assert owner.read(directory).longest_gap == 2.5
    new = taken(directory, incarnation(), take_over=old.incarnation.id)
    with pytest.raises(Superseded):
        old.touch(3.5)
    old.release()
    new.check()
    assert not owner.read(directory).released


def test_a_start_waits_for_an_owner_that_is_ending(directory):
    taken(directory, incarnation())
    said = []

    def ends(line):
        said.append(line)
        theirs = owner.read(directory)
        gone = dataclasses.replace(
            theirs, incarnation=dataclasses.replace(theirs.incarnation, processes=(GONE,))
        )
        (directory / layout.OWNER).write_bytes(gone.encode())

    new = storage.Ownership.take(directory, incarnation(), wait=30, say=ends)
    new.check()
    assert len(said) == 1
    assert "has not ended" in said[0]


@pytest.mark.parametrize("content", [b"", b"{}", b"\0" * 512, b'{"incarnation": 1'])
def test_an_owner_that_cannot_be_read_is_no_free_directory(directory, content):
    taken(directory, incarnation()).close()
    (directory / layout.OWNER).write_bytes(content)
    with pytest.raises(DirectoryOwned, match="remove that file"):
        taken(directory, incarnation())


def test_a_directory_without_its_owner_file_must_not_be_written(directory):
    old = taken(directory, incarnation())
    (directory / layout.OWNER).unlink()
    with pytest.raises(Superseded, match="lost its OWNER"):
        old.check()


def test_one_who_was_stopped_while_pruning_removes_nothing_of_a_rival(directory, job):
    old = job(directory, keep=3).start()
    for _ in range(3):
        old.checkpoint()
    seen = []

    def overtake(call):
        if call.operation == "rename" and not seen:
            seen.append(call)
            hook, disk.hook = disk.hook, None
            storage.Ownership.take(
                directory,
                storage.Incarnation.of_this_job(),
                take_over=old.ownership.incarnation.id,
                wait=0,
            )
            disk.hook = hook

    with faults.injected(overtake), pytest.raises(Superseded):
        storage.prune(old.ownership, 1)
    assert len(catalog.committed(directory)) == 2
