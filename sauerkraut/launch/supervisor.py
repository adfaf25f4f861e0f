"""Start a job, wait, judge by its directory, start it again."""

from __future__ import annotations

import math
import os
import shlex
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sauerkraut.checkpoint.interval import KEPT
from sauerkraut.errors import DirectoryOwned, StorageError
from sauerkraut.launch import child, hosts, identity, progress, verdict
from sauerkraut.launch.child import Child
from sauerkraut.launch.command import KEEPALIVE, Command
from sauerkraut.launch.hosts import Hosts
from sauerkraut.launch.log import Log
from sauerkraut.settings import Settings
from sauerkraut.slurm import commands as slurm
from sauerkraut.storage import layout
from sauerkraut.storage.owner import GAPS, QUIET, Owner

_T = TypeVar("_T")

STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
"""Passed on as USR1: of TERM, Open MPI's launcher would kill its ranks soon."""
GO_ON = signal.SIGUSR2
LOOK = 1.0
"""Seconds between two looks at what goes on."""
SAME = 1.0
"""Seconds in which a second signal to end is the first one, come by another way."""
PAUSE = 1.0
"""Seconds before a start after a restart that brought no epoch; doubles up to ..."""
LONGEST_PAUSE = 60.0
LINGERING = 20.0
"""Seconds that a launcher may live on when rank 0 has ended: MPICH's waits for a lost host."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a job is supervised."""

    max_restarts: int = 3
    """Restarts in a row that may bring no new epoch; 0: never start again."""
    give_up: float = 3600.0
    """Seconds after which ranks that wait for missing ones end the job, where
    SAUERKRAUT_GIVE_UP does not say another number."""
    end_silent: float | None = None
    """Seconds without a poll after which a start is ended; None: never, it is only said."""
    take_over: bool = False
    """Take the directory from whoever owns it, though it may still run."""
    output: int | None = None
    """Descriptor of the job's standard output; None: the supervisor's."""


class Supervisor:
    """Runs one job to its end through any number of starts.

    Args:
        command: What starts the job.
        directory: Where it checkpoints.
        log: Told what happens.
        options: How.
    """

    def __init__(
        self, command: Command, directory: Path, log: Log, options: Options | None = None
    ) -> None:
        self.command = command
        self.directory = directory
        self.starts = 0
        """How often the job was started."""
        self._say = log
        self._options = options or Options()
        self._id = identity.of_this_process()
        self._input = _position()
        self._hosts = Hosts.of(command)
        self._child: Child | None = None
        self._wakeup = -1
        self._asked: signal.Signals | None = None
        self._asked_at = math.inf
        self._killing = False
        self._wanted = False
        self._own_requests: set[str] = set()
        self._warned = False
        self._before: str | None = None
        self._unreadable: set[str] = set()

    def run(self) -> int:
        """Start until it is done; the exit status of `verdict`.

        Raises:
            DirectoryOwned: a supervisor that lives is at work there.
            StorageError: the launcher cannot be started, or the directory or the list of hosts not
                be read.
        """
        environment = self._environment()
        owner = self._read(progress.owner_of, None) if self._options.take_over else None
        if owner is not None:
            environment["SAUERKRAUT_TAKE_OVER"] = owner.incarnation.id
        with self._signals(), tempfile.TemporaryDirectory(prefix="sauerkraut-") as scratch:
            if not self._options.take_over:
                self._await_predecessor()
            newest = progress.newest_epoch(self.directory)
            command, fruitless = self.command, 0
            while self._asked is None:
                status = self._start(command, environment)
                epoch = self._read(progress.newest_epoch, newest)
                fruitless = 0 if epoch > newest else fruitless + (self.starts > 1)
                end = verdict.End(
                    status,
                    self._read(progress.is_complete, False),
                    self._asked is not None,
                    epoch > newest and self._was_requested(epoch),
                    epoch > newest and self._time_is_over(epoch, environment),
                    epoch > newest,
                    max(0, self._options.max_restarts - fruitless),
                )
                decided = verdict.judge(end)
                self._tell(decided, epoch, progressed=end.progress)
                if decided.status is not None:
                    return decided.status
                newest = max(newest, epoch)
                command = self._without_failed(environment, Path(scratch))
                self._pause(fruitless)
        self._say("asked to stop while nothing ran")
        return verdict.RANKS_LOST

    def _read(self, read: Callable[[Path], _T], otherwise: _T) -> _T:
        """What the directory says; what cannot be read there is said once."""
        try:
            return read(self.directory)
        except (StorageError, MemoryError) as error:
            text = str(error) or "not enough memory for what is stored"
            if text not in self._unreadable:
                self._unreadable.add(text)
                self._say(text)
            return otherwise

    def _environment(self) -> dict[str, str]:
        """What the ranks see: who supervises them, and what must be alike at every start."""
        set_here = {
            "SAUERKRAUT_GIVE_UP": f"{self._options.give_up:g}",
            **KEEPALIVE,
        }
        if (end := slurm.end_time()) is not None:
            set_here["SAUERKRAUT_END_TIME"] = f"{end:.0f}"
        seed = progress.hash_seed(self.directory)
        return {**set_here, **os.environ, "PYTHONHASHSEED": seed, identity.VARIABLE: self._id}

    @contextmanager
    def _signals(self) -> Iterator[None]:
        self._wakeup, written = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        waking = signal.set_wakeup_fd(written, warn_on_full_buffer=False)
        before = {each: signal.signal(each, self._received) for each in (*STOP, GO_ON)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(waking)
            os.close(self._wakeup)
            os.close(written)

    def _received(self, number: int, _: object) -> None:
        """Pass a signal on; one to end after another one means it."""
        received, now = signal.Signals(number), time.monotonic()
        if received is GO_ON:
            self._wanted = True
            return
        if self._asked is None:
            self._asked, self._asked_at = received, now
        elif received is not signal.SIGUSR1 and now > self._asked_at + SAME:
            self._killing = True
        if self._child is not None:
            self._child.send(signal.SIGUSR1)

    def _order_checkpoint(self) -> None:
        if self._wanted:
            self._wanted = False
            self._say(f"{GO_ON.name}: asking the ranks to checkpoint and go on")
            try:
                placed = progress.ask_for_checkpoint(self.directory, f"launch, pid {os.getpid()}")
            except StorageError as error:
                self._say(f"they cannot be asked: {error}")
            else:
                self._own_requests.add(placed)

    def _start(self, command: Command, environment: dict[str, str]) -> int:
        """Start the job once and wait for its end; the status of its launcher."""
        self.starts += 1
        ours = [n for n in environment if n.startswith("SAUERKRAUT_")]
        words = command.with_variables([*ours, "PYTHONHASHSEED"]).words
        self._say(f"start {self.starts}: {shlex.join(command.words)}")
        _rewind(self._input)
        self._before = self._owner_id()
        began = time.monotonic()
        self._child = job = Child(words, environment, self._id, self._wakeup, self._options.output)
        if self._asked is not None:  # came while it was being started
            job.send(signal.SIGUSR1)
        said = None
        silence = progress.Silence(self.directory)
        absence = progress.Absence()
        self._warned = False
        while (status := job.wait(LOOK)) is None:
            if self._asked is not None and said is None:
                said = self._asked
                self._say(f"{said.name}: asking the ranks to checkpoint and stop")
            self._order_checkpoint()
            if self._killing or self._lingers(absence) or self._is_stuck(silence):
                job.end()
                status = job.wait(0)
                break
        self._child = None
        assert status is not None, "it has ended"
        seconds = time.monotonic() - began
        self._say(f"start {self.starts} ended after {seconds:.0f} s with status {status}")
        if status == 0 and self._read(progress.is_complete, False):
            job.close()
        elif killed := job.sweep():
            self._say(f"processes that outlived it were ended: {', '.join(map(str, killed))}")
        return status

    def _owner_id(self) -> str | None:
        owner = self._read(progress.owner_of, None)
        return None if owner is None else owner.incarnation.id

    def _owner_of_start(self) -> Owner | None:
        """What this start wrote to OWNER; None before its run, and after it.

        The start before, when it was killed, is still named there while this one sets out.
        """
        owner = self._read(progress.owner_of, None)
        if owner is None or owner.incarnation.supervisor != self._id:
            return None
        return None if owner.incarnation.id == self._before else owner

    def _was_requested(self, epoch: int) -> bool:
        nothing: set[str] = set()
        answered = self._read(lambda path: progress.requests_answered(path, epoch), nothing)
        return bool(answered - self._own_requests)

    def _time_is_over(self, epoch: int, environment: dict[str, str]) -> bool:
        """Whether a start that stopped by itself did so for the end of the job's time."""
        settings = Settings.from_environment()
        end = settings.end_time or float(environment.get("SAUERKRAUT_END_TIME", "inf"))
        took = self._read(lambda path: progress.duration_of(path, epoch), 0.0)
        return time.time() >= end - settings.reserve - KEPT * took

    def _lingers(self, absence: progress.Absence) -> bool:
        """Whether the launcher outlives the ranks on this host."""
        owner = self._owner_of_start()
        seconds = absence.seconds(() if owner is None else owner.incarnation.processes)
        if seconds > LINGERING:
            self._say(f"rank 0 ended {seconds:.0f} s ago, its launcher did not: ending this start")
        return seconds > LINGERING

    def _is_stuck(self, silence: progress.Silence) -> bool:
        """Whether the job shows no sign of life for too long; said when it may be so."""
        seconds = silence.seconds()
        limit = self._options.end_silent
        if seconds < min(QUIET, math.inf if limit is None else limit):
            return False
        owner = self._owner_of_start()
        if owner is None:
            return False  # before its run, or after it
        stuck = limit is not None and seconds >= limit
        long = max(QUIET, GAPS * owner.longest_gap)
        if stuck or (seconds > long and not self._warned):
            self._warned = True
            then = "ending this start" if stuck else "it may hang (--end-silent SECONDS ends it)"
            self._say(f"no sign of life from rank 0 for {seconds:.0f} s: {then}")
        return stuck

    def _await_predecessor(self) -> None:
        """Let the ranks of a supervisor that was killed checkpoint and leave.

        Raises:
            DirectoryOwned: it lives.
        """
        owner = self._read(progress.owner_of, None)
        before = "" if owner is None else owner.incarnation.supervisor or ""
        process = identity.supervising(before)
        if owner is None or process is None:
            return
        if process.is_gone() is False:
            raise DirectoryOwned(
                f"{self.directory} belongs to a job supervised by pid {process.pid} of "
                f"{process.host}, which is at work"
            )
        wait = max(Settings.from_environment().owner_wait, GAPS * owner.longest_gap)
        if pids := identity.started_by(before):
            self._say(
                f"the job of an earlier launch (pid {process.pid}) still runs, pids "
                f"{', '.join(map(str, pids))}: waiting for its checkpoint, {wait:g} s at most"
            )
            if killed := child.end_all(before, wait):
                self._say(f"they did not end, and were killed: {', '.join(map(str, killed))}")

    def _tell(self, decided: verdict.Verdict, epoch: int, *, progressed: bool) -> None:
        """Say what came of a start."""
        epochs = f"newest epoch {epoch}" + ("" if progressed else ", none new")
        if not epoch:
            epochs = "no epoch yet"
            if not (self.directory / layout.OWNER).exists():
                epochs = f"nothing was ever stored in {self.directory}: is it the one (--dir)?"
        then = "starting again" if decided.status is None else f"exit status {decided.status}"
        self._say(f"{decided.why}; {epochs}; {then}")

    def _without_failed(self, environment: dict[str, str], scratch: Path) -> Command:
        """The command without hosts that fail, where the others suffice."""
        if self.command.kind == "srun":
            return self._without_down_nodes()
        known, ranks = self._hosts, self.command.ranks
        if known is None or ranks is None:
            return self.command
        is_elastic = self._read(progress.any_ranks, False)
        if not is_elastic and not known.has_spares(ranks):
            return self.command
        failed = hosts.failed(self.command, known, environment)
        rest = known.without(failed)
        if not failed:
            return self.command
        names = ", ".join(sorted(failed))
        left = rest.ranks_left(ranks, known)
        if left == ranks:
            self._say(f"hosts that do not answer, left out: {names}")
            return rest.put_into(self.command, scratch)
        if is_elastic and left:
            self._say(f"hosts that do not answer: {names}; tasks go on on {left} of {ranks} ranks")
            return rest.put_into(self.command, scratch).with_ranks(left)
        self._say(f"hosts that do not answer: {names}; too few are left without them")
        return self.command

    def _without_down_nodes(self) -> Command:
        """An srun in an allocation that has lost nodes: Slurm knows which."""
        if not (down := slurm.nodes_down()):
            return self.command
        names = ", ".join(down)
        there, allotted = slurm.allotted()
        nodes, ranks = self.command.nodes or there, self.command.ranks or allotted
        up = there - len(down)
        if nodes <= up:
            self._say(f"nodes that are down, left out: {names}")
            return self.command.with_nodes(nodes, None, down)
        left = 0 if ranks is None else ranks * up // nodes
        if left and self._read(progress.any_ranks, False):
            self._say(f"nodes that are down: {names}; tasks go on on {left} of {ranks} ranks")
            return self.command.with_nodes(up, left, down)
        self._say(f"nodes that are down: {names}; too few are left without them")
        return self.command.with_nodes(nodes, None, down)

    def _pause(self, fruitless: int) -> None:
        seconds = min(LONGEST_PAUSE, PAUSE * 2 ** (fruitless - 1)) if fruitless else 0.0
        until = time.monotonic() + seconds
        while self._asked is None and time.monotonic() < until:
            time.sleep(0.1)


def _position() -> int | None:
    """Where standard input stands; None where it is no file."""
    try:
        return os.lseek(0, 0, os.SEEK_CUR)
    except OSError:
        return None


def _rewind(position: int | None) -> None:
    """Let every start read standard input from where the first one did, when it is a file."""
    if position is not None:
        with suppress(OSError):
            os.lseek(0, position, os.SEEK_SET)
