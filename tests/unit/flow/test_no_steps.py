"""What looks like a step, and would do nothing."""

import pytest

from sauerkraut.errors import FlowError
from sauerkraut.flow import CheckpointFlow


@pytest.fixture
def flow(path):
    return CheckpointFlow(path, quiet=True)


async def coroutine(state, data):
    pass


def generator(state, data):
    yield


async def both(state, data):
    yield


class Called:
    async def __call__(self, state, data):
        pass


@pytest.mark.parametrize("function", [coroutine, generator, both, Called()])
def test_a_function_whose_call_runs_nothing(flow, function):
    with pytest.raises(TypeError, match="a step runs when it is called, and"):
        flow.add_step()(function)
    for what in ("load", "save", "skip_if"):
        with pytest.raises(TypeError, match=f"{what} runs when it is called, and"):
            CheckpointFlow("unused").add_step(**{what: function})


@pytest.mark.parametrize("options", [{}, {"interval": None}, {"interval": "1h"}], ids=str)
def test_one_that_only_returns_such_a_one(flow, options):
    flow.add_step(name="a", **options)(lambda state, data: (x for x in "a"))
    with pytest.raises(TypeError, match="returned a generator, whose code has not run"):
        flow.run({})


def test_a_decorator_without_parentheses(flow):
    @flow.add_step
    def step(state, data):
        pass

    with pytest.raises(FlowError, match=r"add_step\(step\) has decorated no function"):
        flow.run({})


def test_names_are_texts(flow):
    with pytest.raises(TypeError, match="name=5: a text"):
        flow.add_step(name=5)
    with pytest.raises(ValueError, match="name='': a text"):
        flow.add_step(name="")
