"""A Checkpointer whose store is killed at, or fails, any one call: the run goes on or says so."""

import errno
import re
import signal
from pathlib import Path

import pytest

from sauerkraut.testing import events, faults
from tests.jobs.lives import Lives

pytestmark = pytest.mark.job

PROGRAM = Path(__file__).resolve().parents[1] / "programs" / "failing_store.py"
SOME = pytest.param(61, id="some")
EVERY = pytest.param(1, id="all", marks=pytest.mark.thorough)


class Prepared(Lives):
    """What a life may find: nothing, a whole attempt, or a damaged epoch and half an attempt."""

    def __init__(self):
        super().__init__()
        self.keep("nothing")
        calls = self.calls()
        self.value, self.text = self.live(), self.log
        third = [i for i, call in enumerate(calls, 1) if "epoch-00000003" in call]
        renamed = next(i for i in third if calls[i - 1].startswith("rename"))
        sealed = next(i for i in third if calls[i - 1].startswith("create"))
        self.set("nothing")
        assert self.live(faults.Killing(renamed)) == signal.SIGKILL
        self.keep("a whole attempt")
        self.set("nothing")
        assert self.live(faults.Killing(sealed)) == signal.SIGKILL
        shard = self.checkpoints / "epoch-00000002" / "shard-00000.h5"
        content = bytearray(shard.read_bytes())
        content[-5000] ^= 1
        shard.write_bytes(content)
        self.keep("a damaged epoch")
        assert self.goes_on_from("a whole attempt") == 3
        assert self.goes_on_from("a damaged epoch") == 1

    def goes_on_from(self, found):
        """Number of the epoch that a life goes on from."""
        self.set(found)
        assert (self.live(), self.log) == (self.value, self.text)
        (restart,) = (each for each in events(self.checkpoints) if each["event"] == "restart")
        return restart["epoch"]

    def calls(self):
        """Every call of a life, as it is made."""
        note = self.here / "calls"

        def hook(call):
            with note.open("a") as out:
                print(call.operation, call.path.parent.name, call.path.name, file=out)

        self.live(hook)
        found = note.read_text().splitlines()
        note.unlink()
        return found


@pytest.fixture(scope="module")
def lives():
    prepared = Prepared()
    yield prepared
    prepared.remove()


@pytest.mark.parametrize("stride", [SOME, EVERY])
@pytest.mark.parametrize("found", ["nothing", "a whole attempt", "a damaged epoch"])
def test_a_life_ends_at_any_call_and_the_next_one_goes_on(lives, found, stride):
    lives.set(found)
    total = len(lives.calls())
    assert total > 100
    for ordinal in range(1, total + 1, stride):
        lives.set(found)
        assert lives.live(faults.Killing(ordinal)) == signal.SIGKILL, ordinal
        assert (lives.live(), lives.log) == (lives.value, lives.text), ordinal


@pytest.mark.parametrize("stride", [SOME, EVERY])
@pytest.mark.parametrize("found", ["nothing", "a whole attempt", "a damaged epoch"])
def test_a_call_fails_and_the_run_goes_on_or_says_so_in_one_line(lives, found, stride):
    lives.set(found)
    calls = lives.calls()
    refused = 0
    for ordinal in range(1, len(calls) + 1, stride):
        number = faults.ERRNOS[ordinal // stride % len(faults.ERRNOS)]
        lives.set(found)
        came_to = lives.live(faults.Failing(ordinal, number))
        what = ordinal, calls[ordinal - 1], errno.errorcode[number], came_to
        if isinstance(came_to, tuple):
            kind, text = came_to
            assert kind == "storage", what
            assert "\n" not in text, what
            refused += 1
        else:
            assert (came_to, lives.log) == (lives.value, lives.text), what
        assert (lives.live(), lives.log) == (lives.value, lives.text), what
    assert refused


@pytest.mark.parametrize("stride", [SOME, EVERY])
def test_an_error_of_one_rank_is_that_of_all(on_ranks, stride):
    done = on_ranks(2, PROGRAM, str(stride), timeout=60 if stride > 1 else 900)
    assert done.returncode == 0, done.stderr
    told = re.findall(r"rank \d: (\d+)", done.stdout)
    assert len(told) == 2, done.stdout
    assert told[0] == told[1] != "0"
