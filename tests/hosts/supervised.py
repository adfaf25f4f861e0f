"""`sauerkraut launch` of a program on two ranks, on hosts, and what came of it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from sauerkraut.testing import events

PACED = Path(__file__).resolve().parents[1] / "programs" / "paced.py"
RANKS = 2
ARRAY = 8000  # bytes that go from each rank to the next at each step
DAEMONS = ("prted", "hydra_pmi_proxy")
LIMIT = 400  # seconds


class Started:
    """A command whose output goes to a file in `directory`."""

    def __init__(self, words, directory, environment):
        self._output = directory / "output"
        with self._output.open("wb") as out:
            self.process = subprocess.Popen(
                list(map(str, words)),
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self):
        return self._output.read_text(errors="replace")

    def end(self):
        """Only the command itself: the rest ends with the hosts."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def wait(self):
        """Wait for its end; its exit status."""
        return self.process.wait(LIMIT)

    def wait_until(self, condition):
        deadline = time.monotonic() + LIMIT
        while not condition():
            assert self.process.poll() is None or condition(), self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.1)


class Supervised(Started):
    """A job in `directory`, supervised on the host `on`.

    Args:
        hosts: The machines.
        across: The words that start a program on two ranks.
        environment: What the launcher needs.
        options: Of the verb.
        program: The program and its arguments.
        variables: Settings of sauerkraut.
    """

    def __init__(self, hosts, across, environment, directory, on, *options, program, **variables):
        self.checkpoints = directory / "ckpt"
        self._hosts = hosts
        words = [sys.executable, "-m", "sauerkraut", "launch", *options, "--", *across]
        program = [sys.executable, *program, "--dir", "ckpt"]
        there = ["sh", "-c", 'cd "$0" && exec "$@"', directory]  # another mount namespace: at /
        super().__init__(
            hosts.on(on, *there, *words, *program), directory, {**environment, **variables}
        )

    def happened(self, event):
        return [each for each in events(self.checkpoints) if each["event"] == event]

    def wait_for(self, event):
        self.wait_until(lambda: self.happened(event))

    def wait_until_gone(self, *hosts):
        """Wait until nothing runs there, of which the supervisor sees nothing."""
        deadline = time.monotonic() + LIMIT
        while left := [each for host in hosts for each in self._hosts.processes(host).values()]:
            assert time.monotonic() < deadline, left
            time.sleep(0.1)

    def ranks(self, host):
        """PIDs of the ranks on a host."""
        found = self._hosts.processes(host)
        return [pid for pid, words in found.items() if words[1:2] == [str(PACED)]]

    def daemons(self, host):
        """PIDs of those that start and hold the ranks of a host."""
        found = self._hosts.processes(host)
        return [pid for pid, words in found.items() if Path(words[0]).name in DAEMONS]

    def steps_since_the_restart(self, steps):
        return steps - 1 - int(self.happened("restart")[-1]["step"])


def send(pids, number):
    """Send each of them a signal; those that have ended need none."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def freeze(pids):
    send(pids, signal.SIGSTOP)


def thaw(pids):
    send(pids, signal.SIGCONT)


def undisturbed(launcher, directory, steps):
    """What paced.py computes when nothing happens to it."""
    words = [sys.executable, str(PACED), f"--steps={steps}", "--pause=0", "--interval=1h"]
    subprocess.run(
        [*launcher.command(RANKS), *words],
        cwd=directory,
        env={**os.environ, **launcher.environment},
        stdin=subprocess.DEVNULL,
        timeout=300,
        check=True,
    )
    return (directory / "result").read_text()
