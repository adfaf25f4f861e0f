"""Strategies of load balancing, on loads that are written down."""

import random

import pytest

from sauerkraut.mpi.tasks import balance
from sauerkraut.mpi.tasks.balance import STRATEGIES, TOLERANCE, Load, imbalance, of_ranks


def loads(*seconds_of_ranks, **options):
    """Tasks with these seconds on ranks 0, 1, ...; numbered in that order."""
    found = []
    for rank, some in enumerate(seconds_of_ranks):
        found += [
            Load(len(found) + place, rank, seconds, **options) for place, seconds in enumerate(some)
        ]
    return found


def uneven(seed, tasks=60, ranks=6):
    drawn = random.Random(seed)
    return [
        Load(task, min(ranks - 1, int(drawn.expovariate(1))), drawn.expovariate(1.0))
        for task in range(tasks)
    ], ranks


def test_imbalance_is_what_the_others_wait():
    assert imbalance([1.0, 1.0, 1.0]) == 0
    assert imbalance([3.0, 0.0, 0.0]) == 2
    assert imbalance([0.0, 0.0]) == 0


@pytest.mark.parametrize("name", ["greedy", "refine", "diffusive"])
@pytest.mark.parametrize("seed", range(20))
def test_the_largest_load_never_grows(name, seed):
    tasks, ranks = uneven(seed)
    plan = STRATEGIES[name](tasks, ranks)
    before, after = of_ranks(tasks, ranks), of_ranks(tasks, ranks, plan)
    assert max(after) <= max(before)
    assert imbalance(after) < 0.5 * imbalance(before)
    assert sum(after) == pytest.approx(sum(before))
    assert plan == STRATEGIES[name](list(reversed(tasks)), ranks) or name == "diffusive"


@pytest.mark.parametrize("name", STRATEGIES)
def test_few_tasks_and_few_ranks(name):
    strategy = STRATEGIES[name]
    assert strategy([], 4) == {}
    assert not any(rank for rank in strategy(loads([1.0, 2.0]), 1).values())
    assert set(strategy(loads([0.0, 0.0], []), 2).values()) <= {0, 1}


@pytest.mark.parametrize("name", ["greedy", "refine", "diffusive"])
def test_balanced_loads_stay(name):
    assert STRATEGIES[name](loads([1.0, 1.0], [1.01, 0.99], [1.0, 1.0]), 3) == {}


@pytest.mark.parametrize("name", ["greedy", "refine", "diffusive"])
def test_one_task_that_is_all_stays(name):
    plan = STRATEGIES[name](loads([5.0], [], []), 3)
    assert plan.get(0, 0) == 0


@pytest.mark.parametrize("name", ["greedy", "refine", "diffusive"])
def test_those_that_cannot_move_count_and_stay(name):
    tasks = [*loads([4.0], stays=True), *(Load(task, 0, 1.0) for task in (1, 2, 3, 4))]
    plan = STRATEGIES[name](tasks, 2)
    assert 0 not in plan
    assert of_ranks(tasks, 2, plan) == [4.0, 4.0]


def test_greedy_spreads_the_heaviest_first():
    plan = balance.greedy(loads([5.0, 4.0, 3.0, 3.0, 3.0], []), 2)
    # 5 | 4; 4 + 3; 5 + 3; 7 + 3: what Graham's bound is about
    assert plan == {0: 0, 1: 1, 2: 1, 3: 0, 4: 1}


def test_greedy_leaves_tasks_that_do_nothing():
    plan = balance.greedy(loads([2.0, 2.0, 0.0, 0.0, 0.0], [0.0]), 2)
    assert plan == {0: 0, 1: 1}


def test_refine_moves_no_more_than_it_must():
    tasks = loads([1.0] * 12, [1.0] * 8, [1.0] * 10)
    plan = balance.refine(tasks, 3)
    assert plan == {0: 1, 1: 1}
    assert of_ranks(tasks, 3, plan) == [10.0, 10.0, 10.0]


def test_refine_takes_tasks_to_those_they_send_to():
    heavy = [Load(task, 0, 1.0) for task in range(8)]
    heavy[0] = Load(0, 0, 1.0, traffic={10: 5, 20: 10})
    others = [Load(10, 1, 4.0), Load(20, 2, 4.0, traffic={1: 9}), Load(30, 3, 4.0)]
    assert balance.refine([*heavy, *others], 4) == {0: 2, 1: 1, 2: 3}


def test_refine_lowers_the_largest_where_nothing_fits():
    tasks = loads([4.0, 4.0, 4.0], [])
    plan = balance.refine(tasks, 2)
    assert max(of_ranks(tasks, 2, plan)) == 8.0


def test_diffusion_goes_to_neighbours():
    tasks = loads([1.0] * 24, *([1.0] * 6 for _ in range(7)))
    plan = balance.diffusive(tasks, 8)
    rank_of = {each.task: each.rank for each in tasks}
    assert {1, 7} <= set(plan.values())
    assert all((rank - rank_of[task]) % 8 in (1, 7) for task, rank in plan.items())


def test_diffusion_gets_there_in_some_rounds():
    ranks, tasks = 8, loads([1.0] * 64, *([] for _ in range(7)))
    for _ in range(40):
        plan = balance.diffusive(tasks, ranks)
        tasks = [Load(each.task, plan.get(each.task, each.rank), each.seconds) for each in tasks]
    assert imbalance(of_ranks(tasks, ranks)) <= 0.25


def test_diffusion_takes_those_that_send_across():
    tasks = [
        Load(0, 0, 1.0, traffic={1: 9}),
        Load(1, 0, 1.0),
        Load(2, 0, 1.0, traffic={4: 9}),
        Load(3, 0, 1.0),
        Load(4, 1, 2.0),
    ]
    assert balance.diffusive(tasks, 2) == {2: 1}


def test_rotation_moves_all():
    tasks = loads([1.0, 0.0], [2.0], [])
    assert balance.rotate(tasks, 3) == {0: 1, 1: 1, 2: 2}


def test_the_limit_of_refine_is_the_tolerance():
    inside = 1 + 0.9 * TOLERANCE
    assert balance.refine(loads([inside / 2] * 2, [(2 - inside) / 2] * 2), 2) == {}
