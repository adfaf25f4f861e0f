"""What signals ask for."""

import os
import signal
import time

import pytest

from sauerkraut.checkpoint.signals import GO_ON, STOP, Signals


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
        handlers = {signal.getsignal(number) for number in (*STOP, *GO_ON)}
        if handlers == {signal.SIG_DFL}:  # at once: C code may wait before one in Python runs
            os.kill(os.getpid(), signal.SIGTERM)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGTERM
    assert not signals.stop


def ended_by(heard, before=signal.SIG_DFL):
    """Whether SIGTERM ends a process that does not poll, as soon as the last of these comes."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, before)
        signals = Signals()
        signals.install()
        for pause in heard:
            time.sleep(pause)
            os.kill(os.getpid(), signal.SIGTERM)
        os._exit(10 + signals.stop)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_second_sigterm_ends_a_program_that_does_not_poll(monkeypatch, capfd):
    monkeypatch.setattr("sauerkraut.checkpoint.signals.SAME", 0.05)
    assert ended_by([0]) == 11
    assert ended_by([0, 0, 0]) == 11  # one signal that came by several ways
    assert capfd.readouterr().err == ""
    assert ended_by([0, 0.1]) == -signal.SIGTERM
    assert capfd.readouterr().err.startswith("sauerkraut: second SIGTERM: ending at once")


def test_a_second_sigterm_is_left_to_the_handler_a_program_had(monkeypatch):
    monkeypatch.setattr("sauerkraut.checkpoint.signals.SAME", 0.05)
    assert ended_by([0, 0.1], before=lambda number, frame: None) == 11
    assert ended_by([0, 0.1], before=signal.SIG_IGN) == 11
