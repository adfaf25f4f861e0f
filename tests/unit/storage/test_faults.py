"""The store stands SIGKILL at, and a failure of, every single call on its directory."""

import errno
import os
import signal

import pytest

from sauerkraut import storage
from sauerkraut.errors import StorageError
from sauerkraut.storage import catalog, disk, layout, owner
from sauerkraut.testing import faults


def calls_of_a_life(job, directory, world_size):
    """The calls that a whole run makes."""
    directory.mkdir(parents=True)
    recording = faults.Recording()
    with faults.injected(recording):
        job(directory, world_size).whole_life()
    return recording.calls


def goes_on(job, directory, acknowledged, unexpected, take_over=None):
    """Start again, finish, and find nothing lost; returns the job."""
    again = job(directory, take_over=take_over).start()
    committed = [value for what, value in acknowledged if what == "committed"]
    if committed:
        assert again.newest.number >= max(committed)
    if catalog.completion(directory) is None:
        assert ("complete", committed[-1:]) not in acknowledged
        while again.step < 2:
            again.checkpoint()
        again.finish()
    else:
        assert again.newest.number == catalog.completion(directory).epoch
        again.checkpoint()  # sweeps
        again.leave()
    assert catalog.completion(directory).epoch in [
        entry.name.number for entry in catalog.committed(directory)
    ]
    for entry in catalog.committed(directory):
        assert catalog.verify(entry.path) == []
    assert unexpected(directory) == []
    return again


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("part", [1, 2, 3])
def test_sigkill_at_every_call_loses_no_committed_epoch(job, directory, unexpected, tmp_path, part):
    total = len(calls_of_a_life(job, directory / "counted", world_size=2))
    ended = 0
    for ordinal in range(part, total + 1, 3):
        here, told = directory / str(ordinal), tmp_path / f"told-{ordinal}"
        here.mkdir()
        child = os.fork()
        if child == 0:
            with told.open("a", buffering=1) as out:
                disk.hook = faults.Killing(ordinal)
                job(here, acknowledged=lambda *fact: print(repr(fact), file=out)).whole_life()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), f"call {ordinal} of {total}: status {status}"
        assert os.WTERMSIG(status) == signal.SIGKILL
        ended += 1
        facts = [eval(line) for line in told.read_text().splitlines()]
        goes_on(job, here, facts, unexpected)
    assert ended == len(range(part, total + 1, 3)) > 50


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "short"),
    [(number, False) for number in faults.ERRNOS] + [(errno.ENOSPC, True)],
    ids=["EIO", "ENOSPC", "EACCES", "short"],
)
def test_failure_of_every_call_is_an_error_of_one_line_or_no_harm(
    job, directory, unexpected, number, short
):
    calls = calls_of_a_life(job, directory / "counted", world_size=1)
    errors = []
    for ordinal, call in enumerate(calls, 1):
        if short and call.operation != "write":
            continue
        here, acknowledged = directory / str(ordinal), Facts()
        here.mkdir()
        failing = faults.Failing(ordinal, number, short)
        with faults.injected(failing):
            try:
                job(here, world_size=1, acknowledged=acknowledged.add).whole_life()
            except StorageError as error:
                errors.append(str(error))
        assert failing.call is not None
        theirs = owner.read(here)
        take_over = None if theirs is None else theirs.incarnation.id
        goes_on(job, here, acknowledged, unexpected, take_over)
    assert len(errors) > 2
    assert [error for error in errors if "\n" in error or str(directory) not in error] == []


class Facts(list):
    """Promises in their order."""

    def add(self, what, value):
        self.append((what, value))


def test_a_failed_attempt_leaves_a_healthy_run(job, directory):
    running = job(directory).start()
    running.checkpoint()
    recording = faults.Recording()
    with faults.injected(recording):
        running.checkpoint()
    first = next(n for n, call in enumerate(recording.calls, 1) if call.operation == "allocate")
    with faults.injected(faults.Failing(first, errno.ENOSPC)):
        running.checkpoint()
    assert [entry.name.number for entry in catalog.committed(directory)] == [3]
    assert catalog.read_manifest(catalog.committed(directory)[0].path).about.step == 3


def test_a_seal_that_is_not_durable_is_not_rolled_forward(directory, job):
    dead = job(directory, world_size=1).start()
    dead.checkpoint()
    attempt = dead.attempt()
    piece = storage.Piece(0, (storage.Stream("control", b"rank 0 at step 2"),))
    recording = faults.Recording()
    with faults.injected(recording):
        storage.write(attempt, piece, dead.trust)
    (attempt.path / layout.shard(0)).unlink()
    last = max(n for n, call in enumerate(recording.calls, 1) if call.operation == "fsync")
    with faults.injected(faults.Failing(last, errno.EIO)), pytest.raises(StorageError):
        storage.write(attempt, piece, dead.trust)
    again = job(directory, world_size=1, take_over=dead.ownership.incarnation.id, foreign=True)
    assert again.start().newest.number == 1
