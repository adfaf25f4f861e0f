"""Ctrl-C while an epoch is written: the program is interrupted, and no option takes that back."""

import os
import signal

import pytest

import sauerkraut as skt
from sauerkraut.flow import CheckpointFlow
from sauerkraut.testing import faults
from tests.unit.checkpoint.crashing import CrashError, epochs


@pytest.fixture(autouse=True)
def heeded():
    """SIGINT as in a program at a terminal; what starts the tests may have it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Interrupting:
    """Sends SIGINT to this process at a call that writes into an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def __call__(self, call):
        if call.operation == "write" and f"{self.epoch:08}" in str(call.path):
            os.kill(os.getpid(), signal.SIGINT)


def work():
    checkpointer = skt.current()
    while checkpointer.last is None or checkpointer.last.number < 4:
        checkpointer.poll()
    return "done"


@pytest.mark.parametrize("on_failure", ["warn", "raise"])
def test_an_interrupt_while_an_epoch_is_written(make, directory, on_failure):
    with faults.injected(Interrupting(3)), pytest.raises(KeyboardInterrupt):
        make(interval=1e-9, on_failure=on_failure).run(work)
    assert epochs(directory) == ["epoch-00000001", "epoch-00000002"]
    assert make(interval=1e-9).run(work) == "done"


def test_an_interrupt_while_the_end_is_stored(make):
    with faults.injected(Interrupting(5)), pytest.raises(KeyboardInterrupt):
        make(interval=1e-9).run(work)
    assert make(interval=1e-9).run(work) == "done"


def test_an_interrupt_while_a_restart_reads(make, directory):
    def fails(seen):
        skt.current().checkpoint()
        if not seen:
            raise CrashError
        return len(seen)

    def at_reading(call):
        if call.operation == "read" and "shard" in call.path.name:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(CrashError):
        make().run(fails, [])
    with faults.injected(at_reading), pytest.raises(KeyboardInterrupt):
        make().run(fails, [])
    with pytest.raises(CrashError):  # the directory is nobody's
        make().run(fails, [])


def test_an_interrupt_while_the_state_of_a_flow_is_stored(tmp_path):
    def flow():
        made = CheckpointFlow(tmp_path / "flow", "hdf5", quiet=True)
        made.add_step(name="a")(lambda state, data: state.update(a=1))
        made.add_step(name="b")(lambda state, data: state.update(b=state["a"] + 1))
        return made

    with faults.injected(Interrupting(2)), pytest.raises(KeyboardInterrupt):
        flow().run({})
    assert flow().run()["b"] == 2
