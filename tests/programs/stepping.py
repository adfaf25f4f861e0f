"""Ranks that step and poll, each scenario with one thing that goes wrong or is asked for.

    stepping.py SCENARIO DIRECTORY [NAME=VALUE ...]

Options are attributes of `options`. Every rank that finishes prints `rank R: VALUE`.
"""

import ctypes
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from types import SimpleNamespace

import numpy as np

import sauerkraut as skt

options = SimpleNamespace(
    steps=40,
    pause=0.02,
    interval="none",
    on_failure="warn",
    mpi=1,
    rank=1,
    at=10,
    until=0,
    n=1,
    fresh=0,
    seconds=0,
    signal="",
)


def step_on(n):
    """Steps with a sum that tells whether any was lost or done twice."""
    total = np.zeros(4)
    back = None
    for step in range(options.steps):
        total += (step + 1) * (rank + 1) * n
        back = ckpt.poll(step, options.steps, total=float(total[0])) or back
        time.sleep(options.pause)
    return float(total[0]), None if back is None else (back.epoch, back.count)


def signalled(n):
    """One rank gets a signal at one step, in the first start only."""
    total = 0
    for step in range(options.steps):
        if step == options.at and rank == options.rank and ckpt.restarted is None:
            os.kill(os.getpid(), signal.Signals[options.signal])
        total += step
        ckpt.poll(step)
        time.sleep(options.pause)
    return total


def dying(n):
    """One rank is killed at one step."""
    for step in range(options.steps):
        if step == options.at and rank == options.rank:
            os.kill(os.getpid(), signal.SIGKILL)
        ckpt.poll(step)
        time.sleep(options.pause)


def unwinding(n):
    """What `finally` and `with` would delete must survive the stop."""
    precious = Path(f"precious-{rank}")
    precious.touch()
    try:
        value = signalled(n)
        assert precious.exists()
    finally:
        precious.unlink()
    return value


def unlike_steps(n):
    for step in range(options.steps):
        ckpt.poll(step + (rank == options.rank and step >= options.at))


def unlike_places(n):
    for step in range(options.steps):
        if rank == options.rank:
            ckpt.poll(step)
        else:
            ckpt.poll(step)


def unlike_kinds(n):
    for step in range(options.steps):
        if rank == options.rank and step == options.at:
            ckpt.checkpoint()
        ckpt.poll(step)


def unlike_counts(n):
    for _ in range(options.steps):
        ckpt.poll()
        if rank == options.rank:
            ckpt.poll()


def leaving_early(n):
    if rank == options.rank:
        return "left"
    polls = 0
    for step in range(options.steps):
        if step == options.at and rank == 0 and options.signal:
            os.kill(os.getpid(), signal.Signals[options.signal])
        polls += ckpt.poll(step) is None
        time.sleep(options.pause)
    return polls


def leaving_then_checkpoint(n):
    if rank == options.rank:
        return "left"
    try:
        ckpt.checkpoint()
    except skt.RankError as error:
        return f"refused: {error}"


def absent(n):
    """One rank does not come for longer than the test waits."""
    for step in range(options.steps):
        if step == options.at and rank == options.rank:
            time.sleep(120)
        ckpt.poll(step)


def holding_the_gil(n):
    """One rank is in a C call of so many seconds at one step, and no other thread of it runs."""
    total = np.zeros(4)
    for step in range(options.steps):
        if step == options.at and rank == options.rank:
            in_c_code(options.seconds)
        total += (step + 1) * (rank + 1) * n
        ckpt.poll(step, options.steps)
        time.sleep(options.pause)
    return tuple(total.tolist())


def raising(n):
    """One rank fails; another is in C code with the GIL, one in MPI, the rest come to poll."""
    for step in range(options.steps):
        if step == options.at and rank == options.rank:
            raise ArithmeticError("it diverged")
        if step == options.at and rank == 0:
            in_c_code()
        if step == options.at and rank == 2:
            in_mpi()
        ckpt.poll(step)
        time.sleep(options.pause)


def in_c_code(seconds=60):
    """Hold the GIL; a signal, as that which asks for the stack, only interrupts it."""
    while seconds:
        seconds = ctypes.PyDLL(None).sleep(seconds)


def in_mpi():
    comm.recv(source=options.rank)


def raising_everywhere(n):
    for step in range(options.steps):
        if step == options.at:
            time.sleep(0.2 * rank)
            raise ArithmeticError("it diverged")
        ckpt.poll(step)


def raising_on_most(n):
    if rank >= options.rank:
        raise ArithmeticError("it diverged")
    return step_on(n)


def exiting(n):
    if rank == options.rank:
        sys.exit(3)
    return step_on(n)


def checkpointing(n):
    """Explicit checkpoints, as many as steps."""
    last = None
    for step in range(options.steps):
        last = ckpt.checkpoint(step=step)
    return last.epoch if isinstance(last, skt.Restart) else last.number


def crash_after_a_checkpoint(n):
    held = [rank, n]
    if ckpt.checkpoint() != ckpt.restarted:
        raise ArithmeticError("crash")
    return held


def full_disk(n):
    """No file may grow, from the step `at` to the end of `options.until`; then all is well."""
    import resource

    failures = 0
    for step in range(options.steps):
        if rank == options.rank and step in (options.at, options.until):
            limit = 4096 if step == options.at else resource.RLIM_INFINITY
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        ckpt.poll(step)
        failures += ckpt.last_error is not None
        time.sleep(options.pause)
    return failures > 0, ckpt.last is not None, ckpt.last_error is None


def at_once(kind, error, traceback_):
    """Write a rank's traceback in one piece: its lines mix with other ranks' otherwise."""
    sys.stderr.write("".join(traceback.format_exception(kind, error, traceback_)))
    sys.stderr.flush()


if __name__ == "__main__":
    sys.excepthook = at_once
    scenario, directory, *rest = sys.argv[1:]
    for word in rest:
        name, _, value = word.partition("=")
        vars(options)[name] = type(getattr(options, name, ""))(value)
    if options.mpi:
        from mpi4py import MPI

        comm = MPI.COMM_WORLD
        rank = comm.rank
    else:
        comm, rank = None, 0
    interval = None if options.interval == "none" else options.interval
    ckpt = skt.Checkpointer(directory, comm, interval=interval, on_failure=options.on_failure)
    if scenario == "failing_before_run" and rank == options.rank:
        raise ArithmeticError("before run")
    if scenario == "ending_before_run" and rank == options.rank:
        sys.exit(0)
    ending = scenario
    if scenario in ("failing_before_run", "ending_before_run", "ending_before_close"):
        scenario = "step_on"
    try:
        value = ckpt.run(globals()[scenario], options.n, fresh=bool(options.fresh))
    except ArithmeticError:
        if scenario != "raising_everywhere":
            raise
        value = "caught"
    sys.stdout.write(f"rank {rank}: {value}\n")  # at once: print's pieces mix with other ranks'
    sys.stdout.flush()
    if ending != "ending_before_close" or rank != options.rank:
        ckpt.close()
