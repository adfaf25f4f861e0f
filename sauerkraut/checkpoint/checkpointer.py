"""The Checkpointer: what a program calls."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Literal, ParamSpec, Self, TypeVar

from sauerkraut.checkpoint import interval as intervals
from sauerkraut.checkpoint import optimum
from sauerkraut.checkpoint.blocks import Block
from sauerkraut.checkpoint.interval import TimeLimit
from sauerkraut.checkpoint.job import Job
from sauerkraut.checkpoint.metrics import check, numbers, optional
from sauerkraut.checkpoint.options import Options
from sauerkraut.checkpoint.records import Epoch, Restart
from sauerkraut.checkpoint.run import Run
from sauerkraut.group import Group
from sauerkraut.storage.epoch import Back

P = ParamSpec("P")
R = TypeVar("R")

_current: Checkpointer | None = None
_runs_begun = 0


def current() -> Checkpointer:
    """Return the Checkpointer whose ``run`` is running, so that library code can poll.

    Raises:
        RuntimeError: none is.
    """
    if _current is None:
        raise RuntimeError("no Checkpointer is running: call this inside Checkpointer.run")
    return _current


def runs_begun() -> int:
    """How many runs this process has begun; for our own use."""
    return _runs_begun


class Checkpointer:
    """Checkpoints and restarts a whole job from inside the function given to `run`.

    Collective over ``comm``: the constructor, `run`, `poll`, `checkpoint` and `close` are called
    on every rank, in the same order. Every argument is the same on every rank.

    Args:
        directory: Where epochs are kept; on a file system that all ranks see. Made if missing.
        comm: An mpi4py intracommunicator, of which a private duplicate is made; None: this process
            alone, without MPI, in the same format as a communicator of one.
        interval: From a commit to the next checkpoint: seconds, a `timedelta`, or a text like
            "90s", "10min", "2h". None: on request only. "auto": the first after a minute, then
            as often as what a checkpoint costs and how often this job failed make best (Daly's
            formula; SAUERKRAUT_MTBF sets the mean time between failures), and a last one, with
            which the job stops, before SAUERKRAUT_END_TIME or Slurm's time limit.
        budget: Share of the run time that checkpoints may take, such as "2%": the interval
            becomes longer where they cost more.
        keep: How many epochs are kept, at least 1. One cannot fall back from a damaged one; at the
            peak ``keep + 1`` are on disk; and that where the step of a flow began whose epochs they
            are.
        exclude: Names of locals that are not captured, in any frame; or a mapping from qualified
            names of functions to such names. One that no frame has leaves out nothing and is no
            error, as `capture` has it: other frames poll later.
        globals: "auto": the data that ``__main__`` and every project module owning a captured frame
            hold in globals, functions and classes, and what may have changed in the project's
            modules that these import; "none"; or the modules to take.
        code_changes: "frames": refuse to restart when a function on the stack changed; "all":
            when any captured function or class did.
        allow: "threads", "processes": of those that were started inside `run` some may run at a
            checkpoint; a restart does not bring them back. Otherwise it fails and names them.
        on_changed: When a file that the program was reading has changed since: "raise" refuses the
            restart, "warn" goes on at the recorded place of the changed file.
        strict: Refuse to restart where the epoch was written with another micro version of Python,
            NumPy, MPI or project package, or another hash seed; otherwise that is a warning.
        on_failure: When a checkpoint at a `poll` fails: "warn" and try again later, or "raise".
        rehearse: Try at the first `poll` what a checkpoint would capture, storing nothing.
        postmortem: When an error leaves the function, store the frames of the rank that failed as
            ``postmortem-N`` beside the epochs, for ``sauerkraut inspect``; of a failure of all
            ranks, rank 0's. The three newest are kept, nothing restarts from them, and none takes
            the space of the next epoch. None: as SAUERKRAUT_POSTMORTEM says (1 or 0, the default).
        signals: Heed SIGTERM and SIGUSR1 (checkpoint and stop) and SIGUSR2 (checkpoint and go on)
            while `run` runs.
        share: None: files are readable by their owner alone; "group": by the group too.
        quiet: Print warnings only.

    Raises:
        TypeError, ValueError: an argument means nothing; nothing was done.
        RankError: on every rank: the directory or an option is another one on some rank.
    """

    # poll() counts down in a slot of its own: a third cheaper than in the dict of all the rest
    __slots__ = ("__dict__", "__weakref__", "_polls_left")

    def __init__(
        self,
        directory: str | os.PathLike[str],
        comm: Any = None,
        *,
        interval: float | str | timedelta | None = "10min",
        budget: float | str | None = None,
        keep: int = 2,
        exclude: Collection[str] | Mapping[str, Collection[str]] = (),
        globals: Literal["auto", "none"] | Sequence[ModuleType] = "auto",  # noqa: A002 - public name
        code_changes: Literal["frames", "all"] = "frames",
        allow: Collection[Literal["threads", "processes"]] = (),
        on_changed: Literal["raise", "warn"] = "raise",
        strict: bool = False,
        on_failure: Literal["warn", "raise"] = "warn",
        rehearse: bool = True,
        postmortem: bool | None = None,
        signals: bool = True,
        share: Literal["group"] | None = None,
        quiet: bool = False,
    ) -> None:
        options = Options(
            interval=optimum.FIRST if interval == "auto" else intervals.parse(interval),
            auto=interval == "auto",
            budget=optimum.parse_budget(budget),
            keep=keep,
            exclude=exclude,
            globals=globals,
            code_changes=code_changes,
            allow=allow,
            on_changed=on_changed,
            strict=strict,
            on_failure=on_failure,
            rehearse=rehearse,
            postmortem=postmortem,
            signals=signals,
            share=share,
        )
        self._polls_left = 1
        self._claimed = False
        self._job = Job(Path(directory).absolute(), comm, options, quiet=quiet)

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Inside a snapshot a Checkpointer stands for the running one."""
        return (current, ())

    def run(
        self,
        fn: Callable[P, R],
        /,
        *args: Any,
        fresh: bool = False,
        same_arguments: bool = True,
        **kwargs: Any,
    ) -> R:
        """Call ``fn(*args, **kwargs)``, or go on inside it where the newest epoch left it.

        Collective; once per Checkpointer. After a restart the objects passed in *are* the restored
        ones: their state is set in place. In a directory whose run has finished, returns the
        recorded value without computing.

        Args:
            fn: The function; its frame is the outermost that is captured.
            args: Its arguments. A mutable one whose state cannot be set in place is refused.
            fresh: Set aside what the directory holds, and start anew.
            same_arguments: Refuse to restart a run that was begun with other arguments.
            kwargs: Its keyword arguments.

        Returns:
            What ``fn`` returns.

        Raises:
            RuntimeError: `run` was called before.
            ResumeError, CorruptCheckpoint, UntrustedCheckpoint, DirectoryOwned: refused, on every
                rank; no frame ran, and nobody catching it, the job exits with status 87.
            Exception: what ``fn`` raised. On one rank only, it ends the job.
        """
        self._claim()
        try:
            value: R = self._job.execute(
                self, fn, args, kwargs, fresh=fresh, same_arguments=same_arguments
            )
        finally:
            self._let_go()
        return value

    def poll(
        self, step: float | None = None, of: float | None = None, **metrics: float
    ) -> Restart | None:
        """Checkpoint here if one is due; nearly free when none is.

        Collective. All ranks decide together, at a poll after the one at which a checkpoint became
        due, so a loop needs one more poll to act on it.

        Args:
            step: The program's own iteration, the same on every rank.
            of: The step at which it will be done.
            metrics: Numbers to keep with the epoch, for people.

        Returns:
            None; and the `Restart` from the very call that a restart came back in.

        Raises:
            RankError: on every rank: the ranks' calls differ, the first poll found something that
                cannot be captured, or a checkpoint failed and stopping was asked for or
                ``on_failure`` is "raise". Earlier epochs stay valid.
            TypeError, ValueError: a metric is no number; ``step`` or ``of``, where a poll looks.
            RuntimeError: not inside `run`, or in a process that was forked there.
        """
        if metrics:
            check(metrics)
        self._polls_left -= 1
        if self._polls_left:
            return None
        self._polls_left = 1  # should what follows raise
        run = self.inside("poll")
        step, of, metrics = optional("step", step), optional("of", of), numbers(metrics)
        run.poll(sys._getframe(1), step, of, metrics)
        self._polls_left = run.window
        return None

    def checkpoint(self, **metrics: float) -> Epoch | Restart:
        """Checkpoint here and now. Collective.

        Args:
            metrics: Numbers to keep with the epoch, for people.

        Returns:
            The committed `Epoch`; and the `Restart`, which is true as well, from the very call that
            a restart came back in. Tell them apart with ``isinstance``.

        Raises:
            RankError: on every rank, and also of the class of what failed: nothing was committed,
                and earlier epochs stay valid.
            TypeError, ValueError: a metric is no number; nothing was begun.
            RuntimeError: not inside `run`, or in a process that was forked there.
        """
        run = self.inside("checkpoint")
        values = numbers(metrics)
        passed = run.window - self._polls_left
        outstanding = run.consensus.outstanding
        try:
            return run.checkpoint(sys._getframe(1), passed, values)
        finally:
            self._polls_left = run.window if outstanding else min(self._polls_left, run.window)

    def provide(
        self,
        name: str,
        save: Callable[[], Mapping[str, Any]],
        load: Callable[[Mapping[str, Any]], object] | None = None,
        *,
        layout: Block | Mapping[str, Block] | None = None,
    ) -> None:
        """Let the program save and load some of its data itself.

        Before `run`, with the same names on every rank; a restart refuses other names than the
        epoch has. Not collective.

        Args:
            name: A word; its data lies under ``providers/<name>`` in the shard.
            save: Called at each checkpoint; returns arrays and values.
            load: Called at a restart with what ``save`` returned, before any frame runs. None,
                where there is a layout: a restart needs none of it.
            layout: How NumPy arrays that ``save`` returns are blocks of arrays that all ranks hold
                together: all of them, or those under the keys of a dict. Each becomes a dataset of
                its own, in C order. `sauerkraut.storage.open` puts ``<name>/<key>`` together, for a
                fresh start on another number of ranks; and so does h5py. Every rank saves a block
                of each; blocks that do not fit together fail the checkpoint, on every rank. Numbers
                beside them that are the same on every rank are found by name, too.

        Raises:
            ValueError: the name is taken, or is no word.
            TypeError: neither ``load`` nor ``layout`` is given, or ``layout`` is none.
            RuntimeError: `run` was called.
        """
        if self._claimed:
            raise RuntimeError("provide: call it before run")
        self._job.providers.add(name, save, load, layout)

    def on_restart(self, fn: Callable[[Restart], object]) -> Callable[[Restart], object]:
        """Have ``fn(restart)`` called at a restart before any frame runs; returns ``fn``.

        For sockets, caches and the like. Called in the order given; may be used as a decorator.
        """
        self._job.on_restart.append(fn)
        return fn

    @property
    def restarted(self) -> Restart | None:
        """What this run restarted from; None after a fresh start."""
        return self._job.restarted

    @property
    def last(self) -> Epoch | None:
        """The last epoch this run committed."""
        return None if self._job.run is None else self._job.run.last

    @property
    def last_error(self) -> Exception | None:
        """Why the last checkpoint failed; None when it did not."""
        return None if self._job.run is None else self._job.run.last_error

    @property
    def stopping(self) -> bool:
        """Whether the ranks have agreed to stop after a checkpoint."""
        return self._job.run is not None and self._job.run.stopping

    def close(self) -> None:
        """Free the private communicator. Collective; optional after `run`; twice is once.

        Raises:
            RuntimeError: inside `run`.
            RankError: on every rank: another rank called something else.
        """
        if self._job.meeting.running:
            raise RuntimeError("close: the function given to run has not returned")
        if not self._job.meeting.closed:
            self._job.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        # else the other ranks may never come here: the error ends the job, or all leave with it

    def _claim(self) -> None:
        global _current, _runs_begun
        if self._job.meeting.closed:
            raise RuntimeError("run: this Checkpointer is closed")
        if self._claimed:
            raise RuntimeError("run: a Checkpointer runs once; make another one")
        if _current is not None:
            raise RuntimeError("run: another Checkpointer is running in this process")
        self._claimed = True
        _current = self
        _runs_begun += 1

    def _let_go(self) -> None:
        global _current
        _current, self._polls_left = None, 1

    def inside(self, name: str) -> Run:
        """The run that is running, for `name`, which is called inside of it; for our own use.

        Raises:
            RuntimeError: none is.
        """
        if self._job.run is None or not self._job.meeting.running:
            raise RuntimeError(f"{name}: call it inside the function given to Checkpointer.run")
        self._job.meeting.refuse_forked(name)
        return self._job.run

    @property
    def group(self) -> Group:
        """The ranks; for our own use."""
        return self._job.group

    @property
    def running(self) -> bool:
        """Whether the function given to `run` runs; for our own use."""
        return self._job.meeting.running

    def limited(self, limit: TimeLimit | None) -> TimeLimit | None:
        """Limit the time of what runs now, on every rank alike; for our own use.

        Returns:
            The limit until now.
        """
        before, self._job.limit = self._job.limit, limit
        if self._job.run is not None:
            self._job.run.limit(limit)
        return before

    def goes_back(self, back: Back | None) -> Back | None:
        """Have epochs say where to go back to when code has changed; for our own use.

        The same on every rank. Such an epoch is kept for as long as one that says so.

        Returns:
            What they said until now.
        """
        run = self._job.run
        if run is None:
            return None
        before, run.back = run.back, back
        return before

    def begin_part(self) -> bool:
        """See `Run.begin_part`; for our own use."""
        run = self.inside("begin_part")
        within = run.begin_part()
        self._polls_left = min(self._polls_left, run.window)
        return within

    def end_part(
        self,
        part: str,
        error: BaseException | None,
        late: Callable[[BaseException], object],
        *,
        within: bool,
    ) -> None:
        """See `Run.end_part`; for our own use."""
        run = self.inside("end_part")
        passed = run.window - self._polls_left
        outstanding = run.consensus.outstanding
        try:
            run.end_part(passed, part, error, late, within=within)
        finally:
            self._polls_left = run.window if outstanding else min(self._polls_left, run.window)
