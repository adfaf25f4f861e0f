"""Jobs under `sauerkraut launch`: start one, find what belongs to it, kill any of it, wait."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from sauerkraut.launch import identity
from sauerkraut.storage import Process
from sauerkraut.storage.incarnation import state_of
from sauerkraut.testing import events

PACED = Path(__file__).resolve().parents[1] / "programs" / "paced.py"
SOON = {"SAUERKRAUT_SIGNAL_LATENCY": "0.1", "SAUERKRAUT_OWNER_WAIT": "30"}


class Supervised:
    """paced.py on some ranks under `sauerkraut launch`, in a directory of its own."""

    def __init__(self, launcher, directory, *options, ranks=2, steps=150, interval="0.2s"):
        self.directory, self.checkpoints = Path(directory), Path(directory) / "ckpt"
        self.output = self.directory / "output"
        self.program = [sys.executable, str(PACED), f"--steps={steps}"]
        self.program += ["--dir=ckpt", f"--interval={interval}"]
        words = [sys.executable, "-m", "sauerkraut", "launch", *options, "--"]
        with self.output.open("ab") as out:
            self.process = subprocess.Popen(
                [*words, *launcher.command(ranks), *self.program],
                cwd=directory,
                env={**os.environ, **launcher.environment, **SOON},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        pid = self.process.pid
        this = Process.this()
        parts = (this.host, this.boot_id, this.pid_namespace, str(pid), str(state_of(pid)[1]))
        self.id = "/".join(parts)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        while pids := self.belonging():
            for pid in pids:
                kill(pid, signal.SIGKILL)
            time.sleep(0.05)

    def said(self):
        return self.output.read_text(errors="replace")

    def belonging(self):
        """PIDs of all that the supervisor started and that lives."""
        return identity.started_by(self.id)

    def ranks(self):
        wanted = [word.encode() for word in self.program]
        return [pid for pid in self.belonging() if words_of(pid) == wanted]

    def launchers(self):
        """The process that the supervisor started itself."""
        return [pid for pid in self.belonging() if parent_of(pid) == self.process.pid]

    def wait(self, timeout=120):
        return self.process.wait(timeout)

    def wait_for_commits(self, n):
        """Wait until `n` more epochs are committed."""
        before = len(self.commits())
        self.wait_until(lambda: len(self.commits()) >= before + n)

    def wait_for_start(self):
        """Wait until the ranks heed signals."""
        self.wait_until(lambda: events(self.checkpoints))

    def commits(self):
        return [each for each in events(self.checkpoints) if each["event"] == "commit"]

    def restarts(self):
        return sum(each["event"] == "restart" for each in events(self.checkpoints))

    def wait_until(self, condition, limit=90):
        deadline = time.monotonic() + limit
        while not condition():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.02)

    def result(self):
        return (self.directory / "result").read_text()


def kill(pid, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def words_of(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    return []


def parent_of(pid):
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return None
