"""One process under a Checkpointer: what a program sees, without MPI."""

import contextlib
import functools
import json
import random
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

import sauerkraut as skt
from sauerkraut.errors import ArgumentsChanged, CaptureError, RankError, ResumeError


class CrashError(Exception):
    """What ends a run in the middle."""


class Notes(list):
    """What frames of all starts noted: captured by name, so it is not brought back."""

    def __reduce__(self):
        return "notes"


notes = Notes()


@pytest.fixture(autouse=True)
def no_notes():
    notes.clear()


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "ckpt"


@pytest.fixture
def make(directory):
    """Make a Checkpointer on the one directory, as the next start of the program would."""

    def make(**options):
        return skt.Checkpointer(directory, **{"interval": None, "quiet": True, **options})

    return make


def epochs(directory):
    return sorted(path.name for path in directory.glob("epoch-????????"))


def events(directory):
    lines = (directory / "events.jsonl").read_text().splitlines()
    return [json.loads(line)["event"] for line in lines]


# ------------------------------------------------------------------ a run and its end


def test_run_returns_what_the_function_returns(make, directory):
    assert make().run(lambda a, b=2: a + b, 3, b=4) == 7
    assert (directory / "COMPLETE").exists()


def test_a_finished_run_returns_the_recorded_value_without_computing(make):
    ran = []

    def compute():
        ran.append(1)
        return np.arange(5.0)

    make().run(compute)
    again = make()
    assert again.run(compute).tolist() == [0, 1, 2, 3, 4]
    assert ran == [1]
    assert again.restarted is not None


def test_fresh_sets_aside_what_is_there(make, directory):
    make().run(int, "3")
    assert make().run(int, "4", fresh=True) == 4
    assert make().run(int, "4") == 4


def test_a_value_that_cannot_be_captured_is_returned_and_warned_about(make, directory, caplog):
    def sock():
        yield

    value = make().run(sock)
    assert value is not None
    assert "the end of the run was not stored" in caplog.text
    assert not (directory / "COMPLETE").exists()


def test_an_error_of_the_function_propagates_and_releases_the_directory(make):
    def fail():
        raise CrashError("here")

    with pytest.raises(CrashError, match="here"):
        make().run(fail)
    assert make().run(int, "1") == 1


# ------------------------------------------------------------------ checkpoint and restart


def test_checkpoint_returns_the_epoch_then_the_restart(make, directory):
    def work():
        local = [1, 2]
        notes.append(skt.current().checkpoint(heat=2.5))
        local.append(3)
        if isinstance(notes[-1], skt.Epoch):
            raise CrashError
        return local

    before = datetime.now(UTC)
    with pytest.raises(CrashError):
        make().run(work)
    epoch = notes[0]
    assert (epoch.number, epoch.step, dict(epoch.metrics)) == (1, None, {"heat": 2.5})
    assert before <= epoch.when <= datetime.now(UTC)
    assert epoch.path == directory / "epoch-00000001"
    assert epoch.path.is_dir()
    assert epoch.bytes > 0

    second = make()
    assert second.run(work) == [1, 2, 3]
    restart = notes[-1]
    assert restart
    assert (restart.epoch, restart.count, restart.when) == (1, 1, epoch.when)
    assert restart.metrics == {"heat": 2.5}
    assert second.restarted == restart


def test_a_run_comes_back_inside_its_loops(make):
    def inner(i):
        for j in range(3):
            notes.append((i, j))
            back = skt.current().checkpoint()
            if isinstance(back, skt.Epoch) and len(notes) == 5:
                raise CrashError

    def outer():
        for i in range(3):
            inner(i)
        return "done"

    with pytest.raises(CrashError):
        make().run(outer)
    reached = list(notes)
    assert make().run(outer) == "done"
    assert notes[: len(reached)] == reached
    assert notes[len(reached) :] == [(1, 2), (2, 0), (2, 1), (2, 2)]


def test_restarts_are_counted_along_the_timeline(make):
    def work(starts):
        for i in range(3):
            back = skt.current().checkpoint()
            if isinstance(back, skt.Restart):
                notes.append((back.epoch, back.count))
            elif i < 2:
                raise CrashError
        return starts

    for _ in range(2):
        with pytest.raises(CrashError):
            make().run(work, 1)
    assert make().run(work, 1) == 1
    assert notes == [(1, 1), (2, 2)]


def test_keep_prunes_older_epochs(make, directory):
    def work():
        for _ in range(4):
            skt.current().checkpoint()
        raise CrashError

    with pytest.raises(CrashError):
        make(keep=2).run(work)
    assert epochs(directory) == ["epoch-00000003", "epoch-00000004"]


def test_poll_checkpoints_when_the_interval_is_over(make, directory):
    def work():
        for step in range(2000):
            skt.current().poll(step, 2000, heat=0.5)
            time.sleep(0.001)
            if skt.current().last:
                return skt.current().last
        return None

    epoch = make(interval=0.05).run(work)
    assert epoch.number == 1
    assert 0 < epoch.step < 2000
    assert epoch.metrics == {"heat": 0.5}


def test_poll_returns_the_restart_at_the_very_call_that_came_back(make):
    def work():
        for step in range(100_000):
            back = skt.current().poll(step)
            if back:
                return step, back
            if skt.current().last:
                raise CrashError
            time.sleep(0.0005)
        return None

    with pytest.raises(CrashError):
        make(interval=0.02).run(work)
    step, back = make(interval=0.02).run(work)
    assert back.step == step


# ------------------------------------------------------------------ what comes back


def test_arguments_of_the_caller_are_the_restored_objects(make):
    def work(field, settings, rows):
        field += 1
        settings["changed"] = rows
        rows.append(field)
        if isinstance(skt.current().checkpoint(), skt.Epoch):
            raise CrashError
        field += 1
        return rows

    with pytest.raises(CrashError):
        make().run(work, np.zeros(3), {"a": 1}, [])
    field, settings, rows = np.zeros(3), {"a": 1}, []
    value = make().run(work, field, settings, rows)
    assert field.tolist() == [2, 2, 2]
    assert settings == {"a": 1, "changed": rows}
    assert value is rows
    assert rows[0] is field


class Simulation:
    def __init__(self):
        self.field = np.zeros(4)

    def run(self):
        self.field += 1
        if isinstance(skt.current().checkpoint(), skt.Epoch):
            raise CrashError
        self.field += 1


def test_self_of_a_bound_method_is_the_restored_object(make):
    with pytest.raises(CrashError):
        make().run(Simulation().run)
    simulation = Simulation()
    make().run(simulation.run)
    assert simulation.field.tolist() == [2, 2, 2, 2]


def reach_by_lambda(make, simulation):
    make().run(lambda: simulation.run())


def reach_by_partial(make, simulation):
    make().run(functools.partial(simulation.run))


def reach_by_decorator(make, simulation):
    def timed(fn):
        @functools.wraps(fn)
        def call(*args):
            return fn(*args)

        return call

    make().run(timed(simulation.run))


def reach_by_list(make, simulation):
    make().run(lambda simulations: [each.run() for each in simulations[:1]], [simulation])


def reach_by_dict(make, simulation):
    make().run(lambda parts: parts["a"][0].run(), {"a": (simulation,)})


@pytest.mark.parametrize(
    "reach", [reach_by_lambda, reach_by_partial, reach_by_decorator, reach_by_list, reach_by_dict]
)
def test_what_the_function_given_leads_to_is_the_restored_object(make, reach):
    with pytest.raises(CrashError):
        reach(make, Simulation())
    simulation = Simulation()
    reach(make, simulation)
    assert simulation.field.tolist() == [2, 2, 2, 2]


def test_the_array_of_which_an_argument_is_a_view_stays_the_one_the_caller_has(make):
    def work(inner, whole):
        for step in range(4):
            inner += 1
            whole["u"][0] -= 1
            if isinstance(skt.current().checkpoint(), skt.Epoch) and step == 2:
                raise CrashError

    whole = np.zeros(3)
    with pytest.raises(CrashError):
        make().run(work, whole[1:], {"u": whole})
    whole = np.zeros(3)
    make().run(work, whole[1:], {"u": whole})
    assert whole.tolist() == [-4, 4, 4]


def test_variables_of_the_caller_that_the_function_sets_come_back(make):
    def start():
        steps, seen = 0, []

        def work():
            nonlocal steps
            for step in range(4):
                steps += 1
                seen.append(step)
                if isinstance(skt.current().checkpoint(), skt.Epoch) and step == 2:
                    raise CrashError

        with contextlib.suppress(CrashError):
            make().run(work)
        return steps, seen

    assert start() == (3, [0, 1, 2])
    assert start() == (4, [0, 1, 2, 3])


def test_a_class_made_by_a_function_stays_the_class_of_its_root(make):
    def start():
        class Base:
            def add(self, value):
                self.sum += value

        class Adding(Base):
            def __init__(self):
                self.sum = 0

            def run(self):
                for step in range(3):
                    super().add(step)
                    if isinstance(skt.current().checkpoint(), skt.Epoch) and step == 1:
                        raise CrashError
                return isinstance(self, Adding)

        adding = Adding()
        return make().run(adding.run), adding.sum, type(adding) is Adding

    with pytest.raises(CrashError):
        start()
    assert start() == (True, 3, True)


def test_roots_of_a_finished_run_come_back_in_place(make):
    make().run(lambda rows: rows.append(1), [])
    rows = []
    make().run(lambda rows: rows.append(1), rows)
    assert rows == [1]


def test_random_streams_go_on_where_they_were(make):
    def work():
        random.seed(7)
        random.random()
        if isinstance(skt.current().checkpoint(), skt.Epoch):
            raise CrashError
        return random.random()

    with pytest.raises(CrashError):
        make().run(work)
    random.seed(1)
    value = make().run(work)
    expected = random.Random(7)
    expected.random()
    assert value == expected.random()


counter = {"steps": 0}


def count():
    counter["steps"] += 1
    if isinstance(skt.current().checkpoint(), skt.Epoch):
        raise CrashError
    return counter["steps"]


def test_globals_of_the_program_come_back(make):
    global counter
    with pytest.raises(CrashError):
        make().run(count)
    counter = {"steps": 50}
    assert make().run(count) == 1


def test_globals_can_be_left_alone(make):
    global counter
    counter = {"steps": 0}
    with pytest.raises(CrashError):
        make(globals="none").run(count)
    counter = {"steps": 50}
    assert make(globals="none").run(count) == 50


def test_the_checkpointer_met_in_a_frame_is_the_running_one(make):
    def work(checkpointer):
        if isinstance(checkpointer.checkpoint(), skt.Epoch):
            raise CrashError
        return checkpointer

    first = make()
    with pytest.raises(CrashError):
        first.run(work, first)
    second = make()
    assert second.run(work, second) is second


def test_providers_save_and_load_their_own_data(make):
    cache = {"table": np.arange(3.0)}

    def start(crash):
        ckpt = make()
        ckpt.provide("cache", lambda: {"table": cache["table"], "n": 3}, notes.append)
        return ckpt.run(work)

    def work():
        if isinstance(skt.current().checkpoint(), skt.Epoch):
            raise CrashError
        return notes[0]["n"]  # loaded before any frame runs

    with pytest.raises(CrashError):
        start(True)
    assert start(False) == 3
    assert notes[0]["table"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(("then", "now"), [("mesh", None), (None, "mesh")])
def test_providers_must_be_those_of_the_epoch(make, then, now):
    def start(name):
        ckpt = make()
        if name:
            ckpt.provide(name, dict, lambda data: None)
        ckpt.run(work)

    def work():
        skt.current().checkpoint()
        raise CrashError

    with pytest.raises(CrashError):
        start(then)
    with pytest.raises(ResumeError, match="provider 'mesh'"):
        start(now)


def test_on_restart_is_called_before_frames_run(make):
    def work():
        if isinstance(skt.current().checkpoint(), skt.Epoch):
            raise CrashError
        notes.append("frames")

    for _ in range(2):
        ckpt = make()

        @ckpt.on_restart
        def reopen(restart):
            notes.append(restart.epoch)

        try:
            ckpt.run(work)
        except CrashError:
            assert notes == []
    assert notes == [1, "frames"]


# ------------------------------------------------------------------ refusals


def test_other_arguments_are_refused_showing_both_unless_allowed(make):
    def work(n):
        if isinstance(skt.current().checkpoint(), skt.Epoch):
            raise CrashError
        return n

    with pytest.raises(CrashError):
        make().run(work, 10)
    with pytest.raises(ArgumentsChanged) as raised:
        make().run(work, 20)
    assert isinstance(raised.value, RankError)
    assert "10" in str(raised.value)
    assert "20" in str(raised.value)
    assert make().run(work, 20, same_arguments=False) == 10


def test_the_rehearsal_refuses_at_the_second_poll(make, directory):
    polls = []

    def work():
        stuck = (i for i in range(3))
        next(stuck)
        for step in range(5):
            polls.append(step)
            skt.current().poll(step)

    with pytest.raises(CaptureError, match="stuck") as raised:
        make().run(work)
    assert isinstance(raised.value, RankError)
    assert polls == [0, 1]
    assert epochs(directory) == []


def test_a_refusal_that_is_caught_is_told_once(make, directory):
    def work():
        stuck = (i for i in range(3))
        next(stuck)
        refused = []
        for step in range(5):
            try:
                skt.current().poll(step)
            except CaptureError:
                refused.append(step)
                stuck = None
        return refused, skt.current().checkpoint().number

    assert make().run(work) == ([1], 1)


def test_a_rehearsal_without_a_second_poll_only_warns(make, caplog):
    def work():
        stuck = (i for i in range(3))
        next(stuck)
        skt.current().poll()

    make().run(work)
    assert "stuck" in caplog.text


def test_without_rehearsal_nothing_is_refused_before_a_checkpoint(make):
    def work():
        stuck = (i for i in range(3))
        next(stuck)
        for step in range(5):
            skt.current().poll(step)
        return "done"

    assert make(rehearse=False).run(work) == "done"


def test_a_failing_checkpoint_raises_and_leaves_the_run_able_to_go_on(make, directory):
    def work():
        stuck = (i for i in range(3))
        next(stuck)
        with pytest.raises(CaptureError):
            skt.current().checkpoint()
        assert isinstance(skt.current().last_error, CaptureError)
        del stuck
        return skt.current().checkpoint().number

    assert make().run(work) == 1


def test_calls_outside_run_are_refused(make):
    ckpt = make()
    for call in (ckpt.poll, ckpt.checkpoint, skt.current):
        with pytest.raises(RuntimeError):
            call()
    assert ckpt.run(int, "3") == 3
    for call in (ckpt.poll, ckpt.poll, ckpt.checkpoint, skt.current):
        with pytest.raises(RuntimeError):
            call()
    with pytest.raises(RuntimeError, match="once"):
        ckpt.run(int, "3")
    with pytest.raises(RuntimeError, match="before run"):
        ckpt.provide("x", dict, print)


@pytest.mark.parametrize(
    "options",
    [
        {"interval": "soon"},
        {"keep": 0},
        {"on_failure": "ignore"},
        {"globals": "all"},
        {"code_changes": "none"},
        {"share": "world"},
    ],
)
def test_arguments_that_mean_nothing_are_refused(make, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        make(**options)


def test_close_is_optional_and_may_be_a_context(make):
    with make() as ckpt:
        ckpt.run(int, "1")
    ckpt.close()
    with pytest.raises(RuntimeError, match="closed"):
        ckpt.run(int, "1")


def test_what_happened_is_in_the_log_of_events(make, directory):
    def work():
        if isinstance(skt.current().checkpoint(), skt.Epoch):
            raise CrashError

    with pytest.raises(CrashError):
        make().run(work)
    make().run(work)
    assert events(directory) == [
        *("start", "begin", "sealed", "commit"),
        *("restart", "begin", "sealed", "commit", "complete"),
    ]


def test_a_relative_directory_stays_where_it_was_when_the_program_changes_directory(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()

    def work():
        monkeypatch.chdir(tmp_path / "elsewhere")
        if isinstance(skt.current().checkpoint(), skt.Epoch):
            raise CrashError
        return Path.cwd()

    with pytest.raises(CrashError):
        skt.Checkpointer("ckpt", interval=None, quiet=True).run(work)
    monkeypatch.chdir(tmp_path)
    assert (tmp_path / "ckpt" / "epoch-00000001").is_dir()
    value = skt.Checkpointer("ckpt", interval=None, quiet=True).run(work)
    assert value == tmp_path / "elsewhere"


def add_up():
    total = 0
    for step in range(4):
        total += step
        skt.current().checkpoint()
    return total


@pytest.mark.parametrize("loss", ["deleted", "damaged", "without a shard"])
def test_a_run_whose_last_epoch_is_lost_is_not_finished(make, directory, monkeypatch, loss):
    make(keep=5).run(add_up)
    last = directory / epochs(directory)[-1]
    if loss == "damaged":
        path = last / "shard-00000.h5"
        path.write_bytes(path.read_bytes()[:-1])
    else:
        for path in last.iterdir():
            if loss == "deleted" or path.name != "manifest.h5":
                path.unlink()
        if loss == "deleted":
            last.rmdir()
    # what rank 0 does not see is not waited for
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("waits"))
    assert make(keep=5).run(add_up) == 6
    complete = json.loads((directory / "COMPLETE").read_text())
    assert f"epoch-{complete['epoch']:08}" == epochs(directory)[-1]


def test_while_a_lost_end_is_computed_again_the_run_is_not_complete(make, directory):
    def look():
        skt.current().checkpoint()
        return (directory / "COMPLETE").exists()

    assert make(keep=5).run(look) is False
    last = directory / epochs(directory)[-1]
    for path in last.iterdir():
        path.unlink()
    last.rmdir()
    assert make(keep=5).run(look) is False


@pytest.mark.parametrize("step", ["prune", "discard"])
def test_a_rival_that_is_met_in_the_last_step_ends_the_run(make, directory, monkeypatch, step):
    from sauerkraut import storage

    real = getattr(storage, step)

    def overtaken(ownership, *arguments):
        owner = ownership.incarnation
        rival = storage.Incarnation.of_this_job()
        storage.Ownership.take(directory, rival, take_over=owner.id, wait=0).close()
        return real(ownership, *arguments)

    def full(*arguments):
        raise skt.errors.StorageError(28, "no space", "shard")

    monkeypatch.setattr(storage, step, overtaken)
    if step == "discard":
        monkeypatch.setattr(storage, "write", full)
    ended = []

    def leave(group, code):
        ended.append(code)
        raise CrashError

    monkeypatch.setattr("sauerkraut.checkpoint.leaving.leave", leave)
    with pytest.raises(CrashError):
        make().run(lambda: skt.current().checkpoint())
    assert ended == [87]
