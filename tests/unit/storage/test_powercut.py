"""Lost writes: what was promised before a power cut holds after it, and each fsync is needed."""

import shutil

import pytest

from sauerkraut import storage
from sauerkraut.errors import CorruptCheckpoint, StorageError
from sauerkraut.storage import catalog, disk, layout, owner
from sauerkraut.storage.disk import Call
from sauerkraut.storage.sealed import SealedFile
from sauerkraut.testing import faults, powercut


class BrokenPromiseError(AssertionError):
    """A promise that does not hold after a power cut."""


def record(life, root):
    """Run a life; returns its calls, and its promises with the number of calls before each."""
    recording, promises = faults.Recording(), []
    with faults.injected(recording):
        life(
            root / "ckpt", lambda what, value: promises.append((len(recording.calls), what, value))
        )
    return recording.calls, promises


def check(job, directory, promises):
    """Hold a directory after a power cut against what had been promised."""
    kept = {}
    for _, what, value in promises:
        kept[what] = [*kept.get(what, []), value] if value is not None else []
    if not directory.exists():
        if promises:
            raise BrokenPromiseError("the directory is gone")
        return
    names = {path.name for path in directory.iterdir()}
    found = owner.read(directory)
    if kept.get("owner") and (found is None or found.incarnation.id not in kept["owner"][-1:]):
        raise BrokenPromiseError("OWNER is not ours")
    if kept.get("released") and not found.released:
        raise BrokenPromiseError("the directory is not released")
    for name in kept.get("gone", ()):
        if name in names:
            raise BrokenPromiseError(f"{name} is back")
    complete = catalog.completion(directory)
    committed = {entry.name.number: entry for entry in catalog.committed(directory)}
    if complete is not None and complete.epoch not in committed:
        raise BrokenPromiseError("COMPLETE names an epoch that is not there")
    if kept.get("started over") and committed:
        raise BrokenPromiseError("epochs are back after a fresh start")
    if kept.get("complete") and complete is None:
        raise BrokenPromiseError("the run is not complete any more")
    wrong = kept.get("wrong", ())  # not by the power cut
    for entry in committed.values():
        if entry.name.number not in wrong and (findings := catalog.verify(entry.path)):
            raise BrokenPromiseError(f"{entry.name}: {findings}")
    for entry in catalog.entries(directory):
        for file in sorted(entry.path.iterdir()):
            if entry.name.number not in wrong and sealed_but_broken(file):
                raise BrokenPromiseError(f"{file} has a seal and is not whole")
    if "decided" in kept and any(e.name.state == "fenced" for e in catalog.entries(directory)):
        raise BrokenPromiseError("a fenced attempt is back")
    # and a start finds its way
    rival = None if found is None else found.incarnation.id
    again = job(directory, take_over=rival, foreign=True).start()
    newest = 0 if again.newest is None else again.newest.number
    if newest < max(kept.get("committed") or [0]):
        raise BrokenPromiseError(f"newest is {newest}, {kept['committed'][-1]} had been committed")
    damaged = {e.name.number for e in catalog.entries(directory) if e.name.state == "damaged"}
    if damaged - {*wrong}:
        raise BrokenPromiseError("a start found a damaged epoch")
    again.ownership.close()


def sealed_but_broken(path):
    """Whether a file has a table that holds, and other bytes than the table says."""
    kind = "manifest" if path.name.startswith(layout.MANIFEST) else "shard"
    try:
        file = SealedFile.open(path, None, kind=kind)
    except CorruptCheckpoint:
        return False
    with file:
        return bool(file.problems())


def first_broken_promise(job, calls, promises, root, work, since=0):
    """Build every directory a power cut may leave; returns the first that breaks a promise."""
    verdicts = {}
    for count, image in powercut.images(calls, root, since):
        made = [promise for promise in promises if promise[0] <= count]
        key = (repr(sorted((k, hash(v)) for k, v in image.items())), len(made))
        if key in verdicts:
            continue
        here = work / "cut"
        powercut.build(image, here)
        try:
            check(job, here / "ckpt", made)
        except (BrokenPromiseError, StorageError) as broken:
            return f"after call {count} ({calls[count - 1].operation}): {broken!r}"
        finally:
            shutil.rmtree(here)
        verdicts[key] = True
    return None


def life_of_a_run(job):
    """Commits with pruning, a failed attempt, the end."""

    def life(directory, promise):
        running = job(directory, world_size=1, acknowledged=promise).start()
        running.checkpoint()
        attempt = running.attempt()
        running.sweep(storage.discard(running.ownership, attempt))
        promise("gone", attempt.path.name)
        running.checkpoint()
        running.finish()

    return life


def life_of_a_restart(job):
    """Take over from a run that died just before a seal was durable; roll forward; start afresh."""

    def life(directory, promise):
        dead = job(directory, world_size=1).start()
        dead.checkpoint()
        attempt = dead.attempt()
        piece = storage.Piece(0, (storage.Stream("control", b"rank 0 at step 2"),))
        storage.write(attempt, piece, dead.trust)
        promise("died", "before its last fsync")
        again = job(
            directory,
            world_size=1,
            take_over=dead.ownership.incarnation.id,
            acknowledged=promise,
            foreign=True,
        ).start()
        promise("committed", again.newest.number)
        assert again.newest.attempt == attempt.id
        storage.finish(again.ownership, again.newest)
        promise("complete", again.newest.number)
        storage.events.append(again.ownership, "complete")
        promise("complete", None)
        again.start_over()

    return life


def life_of_a_fall_back(job):
    """Take over where a seal is missing and the newest epoch is damaged; fall back; leave."""

    def life(directory, promise):
        dead = job(directory, keep=2).start()
        dead.checkpoint()
        newest = dead.checkpoint()
        attempt = dead.attempt()
        piece = storage.Piece(0, (storage.Stream("control", b"rank 0 at step 3"),))
        storage.write(attempt, piece, dead.trust)  # and rank 1 never did
        shard = newest.path / layout.shard(1)
        with disk.File.open_to_write(shard) as file:
            file.write(shard.stat().st_size - 5000, b"?")
            file.sync()
        promise("wrong", newest.number)
        promise("died", None)
        again = job(
            directory,
            take_over=dead.ownership.incarnation.id,
            acknowledged=promise,
            foreign=True,
        ).start()
        promise("gone", newest.path.name)  # it is never chosen again
        promise("committed", again.newest.number)
        assert [(e.name.number, e.name.state) for e in catalog.entries(directory)] == [
            (3, "trash"),
            (2, "damaged"),
            (1, "committed"),
        ]
        again.leave()

    return life


def recorded(life, job, directory):
    """Record a life below a directory; returns calls, promises, the directory, the first cut."""
    root = directory / "recorded"
    root.mkdir(parents=True)
    calls, promises = record(LIVES[life](job), root)
    since = 0
    for count, what, when in promises:
        if what == "died":
            since = count
        if what == "died" and when is not None:  # what it wrote is in the page cache only
            last = max(n for n in range(count) if calls[n].operation == "fsync")
            calls[last] = Call("nothing", root)
    return calls, [promise for promise in promises if promise[1] != "died"], root, since


LIVES = {"run": life_of_a_run, "restart": life_of_a_restart, "fall back": life_of_a_fall_back}


@pytest.mark.parametrize("life", LIVES)
def test_promises_hold_after_a_power_cut_at_any_call(job, directory, life):
    calls, promises, root, since = recorded(life, job, directory)
    assert first_broken_promise(job, calls, promises, root, directory, since) is None


@pytest.mark.slow
@pytest.mark.parametrize("life", LIVES)
def test_every_single_fsync_is_needed(job, directory, life):
    calls, promises, root, since = recorded(life, job, directory)
    machine, needed, needless = powercut.Machine(root), 0, []
    for index, call in enumerate(calls):
        if call.operation == "fsync" and index >= since and machine.would_change(call):
            without = [*calls[:index], Call("nothing", root), *calls[index + 1 :]]
            if first_broken_promise(job, without, promises, root, directory, index):
                needed += 1
            else:
                around = " ".join(c.operation for c in calls[index - 3 : index + 4])
                needless.append(f"call {index}, fsync {call.path.name}: {around}")
        machine.replay(call)
    assert not needless, "\n".join(needless)
    assert needed > 4
