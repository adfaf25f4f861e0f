"""After a restart the caller's own objects are the restored ones."""

import contextlib
import functools

import numpy as np
import pytest

import sauerkraut as skt
from sauerkraut.errors import ArgumentsChanged, RankError, UntrustedCheckpoint
from tests.unit.checkpoint.crashing import CrashError


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


def test_functions_of_the_frames_share_variables_of_the_caller(make):
    tries = []

    def work():
        def add():
            tries.append(held.index(add))
            return tries

        held = [add]
        if isinstance(skt.current().checkpoint(), skt.Epoch):
            raise CrashError
        return held[0]()

    with pytest.raises(CrashError):
        make().run(work)
    assert make().run(work) is tries
    assert tries == [0]


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


def test_what_a_partial_binds_is_an_argument(make):
    def work(n, *, scale):
        if isinstance(skt.current().checkpoint(), skt.Epoch):
            raise CrashError
        return n * scale

    with pytest.raises(CrashError):
        make().run(functools.partial(work, 10, scale=2))
    with pytest.raises(ArgumentsChanged, match="n: 10 then, 20 now"):
        make().run(functools.partial(work, 20, scale=2))
    with pytest.raises(ArgumentsChanged, match="scale: 2 then, 3 now"):
        make().run(functools.partial(functools.partial(work, scale=3), 10))
    assert make().run(functools.partial(work, 10, scale=2)) == 20


def test_another_function_is_refused_naming_both_whether_the_run_has_finished_or_not(make):
    def first():
        if isinstance(skt.current().checkpoint(), skt.Epoch):
            raise CrashError
        return "of the first"

    def second():
        return "of the second"

    def refused():
        with pytest.raises(ArgumentsChanged) as raised:
            make().run(second, same_arguments=False)
        return raised.value

    with pytest.raises(CrashError):
        make().run(first)
    assert ".first(), this start gives " in str(refused())
    assert make().run(first) == "of the first"
    assert ".second(): give each run a directory of its own" in str(refused())
    assert make().run(second, fresh=True) == "of the second"


def test_another_lambda_is_another_function_and_so_is_what_another_partial_binds(make):
    def work(n):
        if isinstance(skt.current().checkpoint(), skt.Epoch):
            raise CrashError
        return n

    def other():
        return "other"

    for crash in (True, False):
        with pytest.raises(CrashError) if crash else contextlib.nullcontext():
            make().run(lambda: work(10))
        with pytest.raises(ArgumentsChanged, match=r"gives another .*<lambda>"):
            make().run(lambda: work(20))
    assert make().run(lambda: work(10)) == 10
    with pytest.raises(CrashError):
        make().run(functools.partial(work, 10), fresh=True)
    with pytest.raises(ArgumentsChanged, match=r"\.work\(\), this start gives .*\.other\(\)"):
        make().run(functools.partial(other), same_arguments=False)


def test_an_argument_with_another_number_of_members_is_refused_saying_which(make):
    def work(rows):
        if isinstance(skt.current().checkpoint(), skt.Epoch):
            raise CrashError

    with pytest.raises(CrashError):
        make().run(work, [np.zeros(2), np.zeros(2)])
    with pytest.raises(ArgumentsChanged, match=r"'rows'\[1\] is only in the epoch; build"):
        make().run(work, [np.zeros(2)], same_arguments=False)
    with pytest.raises(ArgumentsChanged, match=r"'rows'\[2\] only in this start; build"):
        make().run(work, [np.zeros(2)] * 2 + [[]], same_arguments=False)


def test_an_argument_may_be_nested_more_deeply_than_functions(make):
    def start():
        innermost = deep = ["innermost"]
        for _ in range(3000):
            deep = [deep]
        make().run(work, deep)
        return innermost

    def work(rows):
        while isinstance(rows[0], list):
            (rows,) = rows
        if isinstance(skt.current().checkpoint(), skt.Epoch):
            raise CrashError
        rows.append("after a restart")

    with pytest.raises(CrashError):
        start()
    assert start() == ["innermost", "after a restart"]


def test_a_refusal_goes_back_to_no_older_epoch(make, directory):
    def work(n):
        skt.current().checkpoint()
        if isinstance(skt.current().checkpoint(), skt.Epoch):
            raise CrashError
        return n

    with pytest.raises(CrashError):
        make().run(work, 1)
    before = sorted(path.name for path in directory.glob("epoch-*"))
    assert len(before) == 2
    with pytest.raises(ArgumentsChanged):
        make().run(work, 2)
    newest = directory / before[-1]
    newest.chmod(0o770)
    with pytest.raises(UntrustedCheckpoint, match="chmod go-w"):
        make().run(work, 1)
    newest.chmod(0o700)
    assert sorted(path.name for path in directory.glob("epoch-*")) == before
    again = make()
    assert again.run(work, 1) == 1
    assert again.restarted.epoch == 2
