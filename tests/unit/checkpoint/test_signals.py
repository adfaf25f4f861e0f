"""What signals ask for."""

import os
import signal

import pytest

from sauerkraut.checkpoint.signals import Signals


@pytest.fixture
def signals():
    made = Signals()
    assert made.install()
    yield made
    made.remove()


@pytest.mark.parametrize(
    ("number", "stop", "go_on"),
    [
        (signal.SIGTERM, True, False),
        (signal.SIGUSR1, True, False),
        (signal.SIGUSR2, False, True),
    ],
)
def test_a_signal_sets_its_flag(signals, number, stop, go_on):
    signal.raise_signal(number)
    assert (signals.stop, signals.go_on) == (stop, go_on)


def test_the_handler_a_program_had_is_called_too_and_comes_back():
    heard = []

    def own(number, frame):
        heard.append(number)

    before = signal.signal(signal.SIGUSR1, own)
    try:
        signals = Signals()
        signals.install()
        signal.raise_signal(signal.SIGUSR1)
        assert heard == [signal.SIGUSR1]
        assert signals.stop
        signals.remove()
        assert signal.getsignal(signal.SIGUSR1) is own
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_handler_installed_meanwhile_stays():
    signals = Signals()
    signals.install()
    before = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    signals.remove()
    assert signal.getsignal(signal.SIGUSR2) is signal.SIG_IGN
    signal.signal(signal.SIGUSR2, signal.SIG_DFL)
    assert before is not None


def test_a_forked_child_ends_by_the_signal_as_it_would_have_before(signals):
    child = os.fork()
    if child == 0:
        os.kill(os.getpid(), signal.SIGTERM)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGTERM
    assert not signals.stop
