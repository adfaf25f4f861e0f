"""A bit flipped anywhere in an epoch: a restart from it is refused, or is as if it were not."""

import os
import random
import signal

import pytest

from sauerkraut.storage import catalog
from tests.jobs.lives import Lives

pytestmark = pytest.mark.job

FILES = ("manifest.h5", "shard-00000.h5")


@pytest.fixture
def lives():
    """A life that ended after its first checkpoint."""
    made = Lives()
    made.keep("nothing")
    made.value = made.live()
    made.text = made.log
    made.set("nothing")
    assert made.live(until_the_second) == signal.SIGKILL
    made.keep("one epoch")
    yield made
    made.remove()


def until_the_second(call):
    """End the process when it begins the second epoch."""
    if call.path.name.startswith("epoch-00000002"):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    "count", [pytest.param(12, id="some"), pytest.param(300, marks=pytest.mark.thorough)]
)
def test_it_is_found_by_verify_and_by_a_restart(lives, count):
    choose, refused = random.Random(7), 0
    for number in range(count):
        lives.set("one epoch")
        epoch = lives.checkpoints / "epoch-00000001"
        path = epoch / FILES[number % 2]
        content = bytearray(path.read_bytes())
        # half of them in tables and skeletons, which are small beside the arrays
        place = choose.randrange(len(content) if number % 4 > 1 else min(len(content), 5000))
        content[place] ^= 1 << choose.randrange(8)
        path.write_bytes(content)
        assert [finding.file for finding in catalog.verify(epoch)] == [path.name], place
        came_to = lives.live()
        if isinstance(came_to, tuple):
            kind, text = came_to
            assert kind == "corrupt", (path.name, place, came_to)
            assert "\n" not in text, (path.name, place, came_to)
            refused += 1
        else:
            assert (came_to, lives.log) == (lives.value, lives.text), (path.name, place)
    assert refused > count // 2
